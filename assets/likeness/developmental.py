"""Likeness in development: does the best head of two training runs rise alike, at the same steps?

Not here: onsets, which are compared as intervals by the claims.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations
from statistics import fmean

import numpy as np

from assets.likeness.registry import Compared, Course, Developed, Floats, PairMeasure, PairMeasurement, pair_metric

OTHERS = (
    "Runs of other models: the mean of the same statistic between either run and each run of another model that was "
    "measured with the same variant and has as many common checkpoints as the statistic needs."
)
METRICS = (
    pair_metric(
        "largest_gap",
        "developmental",
        "Largest absolute difference between the best heads of two training runs at a checkpoint that both have, over "
        "the range of the metric in the stratum; 0 = the same course. Needs two common checkpoints.",
        OTHERS,
        unit="share of the metric's range",
    ),
    pair_metric(
        "increment_correlation",
        "developmental",
        "Pearson's r between the changes of the best head's score from each common checkpoint to the next. Needs three "
        "such changes, and undefined for a course without any.",
        OTHERS,
        unit="correlation",
        lower=-1.0,
    ),
)
Statistic = Callable[[Floats, Floats, float], float | None]


class Developmental(PairMeasure):
    """See assets/likeness/registry.py, PairMeasure."""

    name = "developmental"
    metrics = METRICS
    develops = True

    def compare(self, compared: Compared) -> Iterator[PairMeasurement]:
        for developed in compared.developed:
            for metric_id, statistic in STATISTICS.items():
                yield from _pairs(developed, metric_id, statistic)


def _pairs(developed: Developed, metric_id: str, statistic: Statistic) -> Iterator[PairMeasurement]:
    def of(a: Course, b: Course) -> float | None:
        return statistic(*at_common_steps(a, b), developed.span)

    elsewhere = {
        run.checkpoint_id: [value for other in developed.others if (value := of(run, other)) is not None]
        for run in developed.runs
    }
    for a, b in combinations(developed.runs, 2):
        value = of(a, b)
        if value is None:
            continue
        others = [*elsewhere[a.checkpoint_id], *elsewhere[b.checkpoint_id]]
        yield PairMeasurement(
            metric_id,
            developed.parameters,
            a.checkpoint_id,
            b.checkpoint_id,
            value,
            stratum=developed.stratum,
            chance=fmean(others) if others else None,
            n=np.intersect1d(a.step, b.step).size,
        )


def at_common_steps(a: Course, b: Course) -> tuple[Floats, Floats]:
    """The best heads' scores at the steps that both have, in order."""
    _, at_a, at_b = np.intersect1d(a.step, b.step, assume_unique=True, return_indices=True)
    return a.best[at_a], b.best[at_b]


def largest_gap(a: Floats, b: Floats, span: float) -> float | None:
    """Over the span; None with fewer than two checkpoints."""
    return float(np.abs(a - b).max()) / span if a.size >= 2 else None


def increment_correlation(a: Floats, b: Floats, _: float) -> float | None:
    """None with fewer than three changes, or where a course does not change or changes evenly."""
    changes = np.diff(a), np.diff(b)
    if changes[0].size < 3 or any(np.ptp(each) == 0 for each in changes):
        return None
    return float(np.corrcoef(*changes)[0, 1])


STATISTICS: dict[str, Statistic] = {"largest_gap": largest_gap, "increment_correlation": increment_correlation}
MEASURE = Developmental()
