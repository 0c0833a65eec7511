"""What a unit must pass before a claim is decided on it, in this order: reference class, instrument, number of units.

Here: the three gates. Not here: what happens to units that passed (judging.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import polars as pl

from assets.claims.reference import Predicate, explain
from assets.claims.subjects import Run

RUNS_NEEDED = 5
MODELS_NEEDED = 2
FAMILIES_NEEDED = 5
RETEST = 0.02
"""Most that two halves of the sequences may differ in the best head's excess (median over final checkpoints)."""
KNOWN_MEAN = 0.01
KNOWN_BEST = 0.05
"""At step 0, where nothing is learnt: most that the heads' mean excess and the best head's may be."""

Faults = Mapping[tuple[str, str | None], str]
"""By metric and architecture, what is wrong with the instrument."""


def outside(predicate: Predicate, run: Run) -> tuple[Literal["missing", "undefined"], str] | None:
    """Why a run is not among those that the claim is about, or is not known to be; None where it is."""
    inside = predicate.evaluate(run.properties)
    if inside:
        return None
    told = explain(predicate, run.properties)
    if inside is None:
        return "missing", f"whether the claim is about this model is not known: {told}"
    return "undefined", f"outside of its reference class: {told}"


def instrument_faults(rows: pl.DataFrame, architectures: Mapping[str, str | None]) -> Faults:
    """The instruments that failed their own checks, by metric and architecture.

    Two checks, each where the evidence allows it: retest, by the two halves of the sequences; and known groups, by
    checkpoints of step 0, where no head can have learnt anything (the placebo metrics among them).

    Args:
        rows: of the view evidence.
        architectures: by model_id.
    """
    half = [
        ((pl.col(name) - pl.col("chance")) / (1 - pl.col("chance"))).max().alias(name)
        for name in ("value_a", "value_b")
    ]
    heads = rows.filter(
        pl.col("layer").is_not_null() & pl.col("excess").is_finite() & (pl.col("stratum") == "")
    ).with_columns(
        architecture=pl.col("model_id").replace_strict(dict(architectures), default=None, return_dtype=pl.String)
    )
    at = ["metric_id", "architecture", "variant_id", "checkpoint_id"]
    retest = (
        heads.filter(pl.col("is_final") & pl.col("value_a").is_not_null())
        .group_by(at)
        .agg(half)
        .group_by("metric_id", "architecture")
        .agg((pl.col("value_a") - pl.col("value_b")).abs().median().alias("gap"))
    )
    known = (
        heads.filter(pl.col("step") == 0)
        .group_by(at)
        .agg(pl.col("excess").mean().abs().alias("mean"), pl.col("excess").max().alias("best"))
        .group_by("metric_id", "architecture")
        .agg(pl.col("mean").median(), pl.col("best").median())
    )
    faults: dict[tuple[str, str | None], str] = {}
    for metric, architecture, mean, best in known.sort("metric_id", "architecture").iter_rows():
        if mean > KNOWN_MEAN or best > KNOWN_BEST:
            faults[metric, architecture] = (
                f"at step 0, where nothing is learnt, {metric} in {architecture} is not at chance: "
                f"mean over heads {mean:.3f} away, best head {best:.3f} above"
            )
    for metric, architecture, gap in retest.sort("metric_id", "architecture").iter_rows():
        if gap > RETEST:
            faults[metric, architecture] = (
                f"two halves of the sequences differ by {gap:.3f} in {metric} in {architecture}"
            )
    return faults
