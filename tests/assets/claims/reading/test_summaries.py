"""From heads to trajectories and from trajectories to numbers, worked out by hand and on the published data."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from assets.claims.reading import summaries
from assets.claims.reading.summaries import Trajectory, summarise, trajectories

HEADS = [[0.1, 0.5], [0.4, -0.2]]
"""Excess of layer x head."""


def evidence(scores: dict[int | None, list[list[float]]], run_id: str = "m-seed0", **columns: object) -> pl.DataFrame:
    rows = [
        {
            "family_id": "f",
            "model_id": "m",
            "run_id": run_id,
            "checkpoint_id": f"{run_id}@{step}",
            "step": step,
            "tokens_seen": None if step is None else step * 10,
            "is_final": step == max(s or 0 for s in scores),
            "variant_id": "v",
            "stratum": "",
            "layer": layer,
            "head": head,
            "value": score / 2 + 0.5,
            "excess": score,
            "standard_error": 0.01 * (layer * 2 + head),
            **columns,
        }
        for step, layers in scores.items()
        for layer, heads in enumerate(layers)
        for head, score in enumerate(heads)
    ]
    return pl.DataFrame(rows)


def run(values: list[float], steps: list[int] | None = None, run_id: str = "m-seed0") -> Trajectory:
    at = np.array(steps or range(len(values)))
    none = np.full(len(values), -1)
    return Trajectory(run_id, run_id[: run_id.index("-seed")], "f", at, at * 10.0, np.array(values), none, none)


@pytest.mark.parametrize(
    ("reduction", "expected"),
    [("best_head", 0.5), ("top_k_mean", 0.45), ("count_above", 2), ("sum_excess", 1.0)],
)
def test_heads_are_reduced_to_one_number(reduction: summaries.Reduction, expected: float) -> None:
    reduced = summarise(evidence({0: HEADS}), reduction, k=2)

    assert reduced["value"].to_list() == pytest.approx([expected])
    assert reduced.select("layer", "head", "n_heads").row(0) == (0, 1, 4)


def test_the_best_head_keeps_its_standard_error() -> None:
    assert summarise(evidence({0: HEADS}))["standard_error"].to_list() == [0.01]
    assert summarise(evidence({0: HEADS}), "sum_excess")["standard_error"].to_list() == [None]


def test_the_best_head_of_each_layer() -> None:
    reduced = summarise(evidence({0: HEADS}), "layer_max")

    assert reduced.select("layer", "head", "value").rows() == [(0, 1, 0.5), (1, 0, 0.4)]


def test_of_equal_heads_the_first_is_taken() -> None:
    reduced = summarise(evidence({0: [[0.3, 0.5], [0.5, 0.5]]}))

    assert reduced.select("layer", "head").row(0) == (0, 1)


@pytest.mark.parametrize("column", ["variant_id", "stratum"])
def test_two_variants_or_strata_are_never_reduced_together(column: str) -> None:
    rows = pl.concat([evidence({0: HEADS}), evidence({0: HEADS}, **{column: "other"})])

    with pytest.raises(ValueError, match="several variants or strata of a metric in one training run: m-seed0"):
        summarise(rows)


def test_trajectories_are_in_order_of_steps_and_leave_out_what_has_none() -> None:
    later = [[0.1, 0.2], [0.9, 0.3]]
    found = trajectories(evidence({100: later, None: HEADS, 1: HEADS}))

    (trajectory,) = found.values()
    assert trajectory.step.tolist() == [1, 100]
    assert trajectory.tokens.tolist() == [10, 1000]
    assert trajectory.value.tolist() == [0.5, 0.9]
    assert (trajectory.layer.tolist(), trajectory.head.tolist()) == ([0, 1], [1, 0])
    assert summaries.top_head(trajectory) == (1, 0)


def test_sums_of_heads_name_no_head() -> None:
    (trajectory,) = trajectories(evidence({0: HEADS}), "sum_excess").values()

    assert summaries.top_head(trajectory) is None


def test_unknown_tokens_are_no_number() -> None:
    (trajectory,) = trajectories(evidence({0: HEADS}, tokens_seen=None)).values()

    assert np.isnan(trajectory.tokens).all()


def test_peak_final_and_the_drop_between() -> None:
    trajectory = run([0.1, 0.8, 0.9, 0.7])

    assert summaries.peak(trajectory).value == 0.9
    assert summaries.final(trajectory).value == 0.7
    assert summaries.drop_after_peak(trajectory).value == pytest.approx(0.2)


def test_the_slope_is_per_decade_of_steps() -> None:
    assert summaries.slope(run([0.0, 0.25, 0.5, 0.75], [0, 9, 99, 999])).value == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("values", "expected"),
    [([0.0, 0.5, 0.92, 0.98, 0.7], 0.7 - 0.95), ([0.0, 1.0, 1.0, 1.0], 0.0), ([0.0, 0.95, 0.9, 1.0], 0.075)],
)
def test_persistence_compares_the_final_value_with_the_plateau(values: list[float], expected: float) -> None:
    assert summaries.persistence(run(values)).value == pytest.approx(expected)


def test_onset_by_rate_averages_the_steps_over_the_thresholds_exceeded() -> None:
    """Rates per decade .02, .045 and .01: thresholds .01 at step 9, .02 to .04 at step 99, the others nowhere."""
    trajectory = run([0.0, 0.02, 0.065, 0.075], [0, 9, 99, 999])

    assert summaries.onset_rate(trajectory).value == pytest.approx((9 + 3 * 99) / 4)


@pytest.mark.parametrize(
    ("quantity", "reason"),
    [
        (summaries.peak(run([])), "no checkpoints"),
        (summaries.final(run([])), "no checkpoints"),
        (summaries.slope(run([0.1])), "fewer than two checkpoints"),
        (summaries.drop_after_peak(run([0.1])), "fewer than two checkpoints"),
        (summaries.onset_rate(run([0.1])), "fewer than two checkpoints"),
        (summaries.onset_rate(run([0.1, 0.1, 0.05])), "no rate exceeds 0.01 per decade of steps"),
        (summaries.persistence(run([0.1, 0.9])), "fewer than three checkpoints"),
        (summaries.persistence(run([0.1, 0.2, 0.9])), "no plateau before the last checkpoint"),
        (summaries.persistence(run([0.1, 0.1, 0.1])), "no plateau before the last checkpoint"),
        (summaries.similarity(run([0.1, 0.2]), run([0.1, 0.2])), "fewer than three common checkpoints"),
        (summaries.similarity(run([0.1, 0.2, 0.3]), run([0.2] * 3)), "a trajectory is flat"),
        (summaries.largest_gap(run([0.1], [1]), run([0.1], [2])), "no common checkpoint"),
    ],
)
def test_what_cannot_be_said_comes_with_the_reason(quantity: summaries.Quantity, reason: str) -> None:
    assert quantity == summaries.Quantity(None, reason)


def test_likeness_uses_common_checkpoints_only() -> None:
    a, b = run([0.0, 0.5, 0.9, 0.1], [0, 1, 2, 3]), run([0.0, 0.4, 1.0, 0.0], [0, 1, 2, 9])

    assert summaries.largest_gap(a, b).value == pytest.approx(0.1)
    assert summaries.similarity(a, b).value == pytest.approx(np.corrcoef([0.0, 0.5, 0.9], [0.0, 0.4, 1.0])[0, 1])


def test_every_pair_of_runs_is_compared_once() -> None:
    pairs = summaries.similarities([run([0.0, 0.5, 0.9], run_id=f"{model}-seed0") for model in ("b", "a", "c")])

    assert pairs.select("model_a", "model_b").rows() == [("a", "b"), ("a", "c"), ("b", "c")]
    assert pairs["r"].to_list() == pytest.approx([1, 1, 1])


def test_relative_depth_ends_at_one() -> None:
    assert [summaries.relative_depth(layer, 4) for layer in range(4)] == [0.25, 0.5, 0.75, 1.0]


def test_published_onsets_are_those_of_the_paper(published: pl.DataFrame) -> None:
    runs = trajectories(published, column="value").values()

    onsets: dict[str, list[float]] = {}
    for trajectory in runs:
        onsets.setdefault(trajectory.model_id, []).append(summaries.onset_rate(trajectory).value or 0)
    means = {model_id: round(float(np.exp(np.log(steps).mean()))) for model_id, steps in onsets.items()}
    assert means == {"pythia-14m": 719, "pythia-70m": 238, "pythia-160m": 276, "pythia-410m": 426}


def test_published_peaks_and_slopes_are_those_of_the_paper(published: pl.DataFrame) -> None:
    means = {"peak": (0.770, 0.773, 0.819, 0.871), "slope": (0.143, 0.149, 0.157, 0.164)}
    sizes = ("pythia-14m", "pythia-70m", "pythia-160m", "pythia-410m")
    runs = trajectories(published, column="value").values()

    found = {
        name: tuple(
            round(float(np.mean([measure(run).value for run in runs if run.model_id == size])), 3) for size in sizes
        )
        for name, measure in (("peak", summaries.peak), ("slope", summaries.slope))
    }

    assert found == means
