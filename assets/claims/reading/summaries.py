"""From the heads' scores to one number per checkpoint, and from those to numbers about a training run.

A `Trajectory` is one training run: a summary of its heads at each checkpoint with a known step. What cannot be said of
a run comes as a `Quantity` without a value and with the reason.

Here: pure functions over rows of the catalog's view `evidence`. Not here: when something happened (onsets.py), pooling
over runs and comparing sizes (statistics/), which summary a claim is about (the claim's file).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, Literal, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import stats

Column = Literal["value", "excess", "value_a", "value_b"]
Reduction = Literal["best_head", "layer_max", "top_k_mean", "count_above", "sum_excess"]

CHECKPOINT = ("family_id", "model_id", "run_id", "checkpoint_id", "step", "tokens_seen", "is_final")
RATE_THRESHOLDS = tuple(i / 100 for i in range(1, 31))
"""Rates per decade of steps over which `onset_rate` averages (Trott 2025)."""
PLATEAU_SHARE = 0.9
"""A trajectory is on its plateau from the first checkpoint past this share of its rise."""


@dataclass(frozen=True)
class Quantity:
    """A number about a training run, or why there is none."""

    value: float | None
    reason: str = ""


@dataclass(frozen=True)
class Trajectory:
    """One training run over its C checkpoints in order of steps.

    Attributes:
        step: (C,) optimiser steps, ascending, 0 = initialisation.
        tokens: (C,) tokens seen; NaN where unknown.
        value: (C,) the summary.
        layer, head: (C,) the head that the value comes from, 0-based; -1 where it comes from no single one.
    """

    run_id: str
    model_id: str
    family_id: str
    step: NDArray[np.int64]
    tokens: NDArray[np.float64]
    value: NDArray[np.float64]
    layer: NDArray[np.int64]
    head: NDArray[np.int64]

    @property
    def log_step(self) -> NDArray[np.float64]:
        """log10(step + 1)."""
        return np.log10(self.step + 1.0)


def summarise(
    evidence: pl.DataFrame,
    reduction: Reduction = "best_head",
    *,
    column: Column = "excess",
    threshold: float = 0.3,
    k: int = 3,
) -> pl.DataFrame:
    """One row per checkpoint (for `layer_max` per checkpoint and layer): the heads' scores reduced to one number.

    Args:
        evidence: rows of the view `evidence` of one metric, one variant per training run.
        reduction: `best_head` and `layer_max` take the greatest, `top_k_mean` the mean of the k greatest,
            `count_above` the number of heads past the threshold, `sum_excess` the sum of the positive scores.
        column: `value`, `excess`, or the half `value_a` or `value_b`.
        threshold: for `count_above`.
        k: for `top_k_mean`; fewer heads than k are all taken.

    Returns:
        the columns CHECKPOINT, `layer`, `head` (of the greatest score), `value`, `standard_error` (of that head, null
        for other reductions), `n_heads`, sorted by run and step.
    """
    _check_rows(evidence)
    layerwise = ["layer"] if reduction == "layer_max" else []
    score = pl.col(column)
    reduced = {
        "best_head": score.first(),
        "layer_max": score.first(),
        "top_k_mean": score.head(k).mean(),
        "count_above": (score > threshold).sum().cast(pl.Float64),
        "sum_excess": score.clip(lower_bound=0).sum(),
    }[reduction]
    of_one_head = reduction in ("best_head", "layer_max")
    error = pl.col("standard_error").first() if of_one_head else pl.lit(None, pl.Float64).alias("standard_error")
    top = [pl.col(name).first() for name in ("layer", "head") if name not in layerwise]
    return (
        evidence.filter(score.is_not_null())
        .sort(column, "layer", "head", descending=[True, False, False])
        .group_by(*CHECKPOINT, *layerwise)
        .agg(*top, reduced.alias("value"), error, pl.len().alias("n_heads"))
        .sort("run_id", "step", "checkpoint_id", *layerwise)
    )


def _check_rows(evidence: pl.DataFrame) -> None:
    """Two variants or strata of a metric must never be reduced together."""
    variants = evidence.group_by("run_id").agg(pl.struct("variant_id", "stratum").n_unique().alias("n"))
    mixed = variants.filter(pl.col("n") > 1)["run_id"].sort().to_list()
    if mixed:
        raise ValueError(f"several variants or strata of a metric in one training run: {', '.join(mixed[:3])}")


def trajectories(
    evidence: pl.DataFrame,
    reduction: Literal["best_head", "top_k_mean", "count_above", "sum_excess"] = "best_head",
    *,
    column: Column = "excess",
    threshold: float = 0.3,
    k: int = 3,
) -> dict[str, Trajectory]:
    """The trajectories of all training runs in `evidence`, by run_id; checkpoints without a known step are left out."""
    rows = summarise(evidence, reduction, column=column, threshold=threshold, k=k).filter(pl.col("step").is_not_null())
    single = reduction == "best_head"
    found: dict[str, Trajectory] = {}
    for (run_id,), run in rows.group_by(["run_id"], maintain_order=True):
        none = np.full(run.height, -1)
        found[str(run_id)] = Trajectory(
            run_id=str(run_id),
            model_id=run["model_id"][0],
            family_id=run["family_id"][0],
            step=run["step"].to_numpy().astype(np.int64),
            tokens=run["tokens_seen"].cast(pl.Float64).fill_null(float("nan")).to_numpy(),
            value=run["value"].to_numpy(),
            layer=run["layer"].fill_null(-1).to_numpy().astype(np.int64) if single else none,
            head=run["head"].fill_null(-1).to_numpy().astype(np.int64) if single else none,
        )
    return found


def peak(run: Trajectory) -> Quantity:
    """Greatest value over the checkpoints."""
    return Quantity(float(run.value.max())) if run.value.size else Quantity(None, "no checkpoints")


def final(run: Trajectory) -> Quantity:
    """Value at the last checkpoint."""
    return Quantity(float(run.value[-1])) if run.value.size else Quantity(None, "no checkpoints")


def drop_after_peak(run: Trajectory) -> Quantity:
    """Peak less final value: 0 where the run ends at its peak."""
    if run.value.size < 2:
        return Quantity(None, "fewer than two checkpoints")
    return Quantity(float(run.value.max() - run.value[-1]))


def slope(run: Trajectory) -> Quantity:
    """Least-squares slope of the value on log10(step + 1): per decade of steps. Compare on a common grid only."""
    if run.value.size < 2:
        return Quantity(None, "fewer than two checkpoints")
    return Quantity(float(stats.linregress(run.log_step, run.value).slope))


def persistence(run: Trajectory, share: float = PLATEAU_SHARE) -> Quantity:
    """Final value less the mean of the plateau before it: negative where the run fell again.

    The plateau begins at the first checkpoint past `share` of the rise from the first value to the peak and ends before
    the last checkpoint. final/peak would be below 1 in a stable run by luck alone.
    """
    y = run.value
    if y.size < 3:
        return Quantity(None, "fewer than three checkpoints")
    begin = int(np.argmax(y >= y[0] + share * (y.max() - y[0])))
    if y.max() == y[0] or begin >= y.size - 1:
        return Quantity(None, "no plateau before the last checkpoint")
    return Quantity(float(y[-1] - y[begin:-1].mean()))


def onset_rate(run: Trajectory, thresholds: Sequence[float] = RATE_THRESHOLDS) -> Quantity:
    """Onset in steps as published (Trott 2025), to be used on column `value`.

    The rate of a checkpoint is the rise since the one before, per decade of step + 1. For each threshold the first
    checkpoint whose rate exceeds it; the onset is the mean of their steps over the thresholds exceeded at all.
    """
    if run.value.size < 2:
        return Quantity(None, "fewer than two checkpoints")
    rate = np.diff(run.value) / np.diff(run.log_step)
    steps = [int(run.step[1:][rate > threshold][0]) for threshold in thresholds if (rate > threshold).any()]
    if not steps:
        return Quantity(None, f"no rate exceeds {min(thresholds)} per decade of steps")
    return Quantity(float(np.mean(steps)))


def relative_depth(layer: int, n_layers: int) -> float:
    """Layer number over the number of layers: 1/n_layers for the first, 1 for the last (Trott 2025)."""
    return (layer + 1) / n_layers


def top_head(run: Trajectory) -> tuple[int, int] | None:
    """(layer, head) of the top head at the last checkpoint; None where the trajectory is not of single heads."""
    if not run.value.size or run.layer[-1] < 0:
        return None
    return int(run.layer[-1]), int(run.head[-1])


def common(a: Trajectory, b: Trajectory) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The values of two runs at the steps that both have."""
    _, at_a, at_b = np.intersect1d(a.step, b.step, return_indices=True)
    return a.value[at_a], b.value[at_b]


def similarity(a: Trajectory, b: Trajectory) -> Quantity:
    """Pearson's r of two trajectories at common checkpoints."""
    x, y = common(a, b)
    if x.size < 3:
        return Quantity(None, "fewer than three common checkpoints")
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return Quantity(None, "a trajectory is flat")
    return Quantity(float(np.corrcoef(x, y)[0, 1]))


def largest_gap(a: Trajectory, b: Trajectory) -> Quantity:
    """Largest absolute difference of two trajectories at a common checkpoint."""
    x, y = common(a, b)
    if not x.size:
        return Quantity(None, "no common checkpoint")
    return Quantity(float(np.abs(x - y).max()))


def similarities(runs: Iterable[Trajectory]) -> pl.DataFrame:
    """Every pair of runs: run_a, run_b, model_a, model_b, r (null where undefined), gap."""
    rows = [
        {
            "run_a": a.run_id,
            "run_b": b.run_id,
            "model_a": a.model_id,
            "model_b": b.model_id,
            "r": similarity(a, b).value,
            "gap": largest_gap(a, b).value,
        }
        for a, b in combinations(sorted(runs, key=lambda run: run.run_id), 2)
    ]
    schema = dict.fromkeys(("run_a", "run_b", "model_a", "model_b"), pl.String) | dict.fromkeys(
        ("r", "gap"), pl.Float64
    )
    return pl.DataFrame(rows, schema=schema)


def at_steps(run: Trajectory, steps: Sequence[int]) -> Trajectory:
    """The run at these steps only."""
    kept = np.isin(run.step, steps)
    columns = {name: getattr(run, name)[kept] for name in ("step", "tokens", "value", "layer", "head")}
    return replace(run, **cast(Any, columns))
