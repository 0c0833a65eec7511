"""Likeness in development: does the best head of two training runs rise alike, at the same steps?

Not here: onsets, which are compared as intervals by the claims.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations

import numpy as np

from assets.likeness.registry import Compared, Course, Developed, Floats, PairMeasure, PairMeasurement, pair_metric

OTHERS = (
    "Runs of other models: the mean of the same statistic between either run and each run of another model that was "
    "measured with the same variant and has as many common checkpoints as the statistic needs."
)
METRICS = (
    pair_metric(
        "course_likeness",
        "developmental",
        "1 - the largest absolute difference between the best heads of two training runs at a checkpoint that both "
        "have, over the range of the metric in the stratum (prefix_matching: less its placebo, where that was "
        "measured). Needs two common checkpoints.",
        OTHERS,
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
Statistic = Callable[[Floats, Floats, float], Floats]
"""Of every course of a with every one of b, (courses of a, checkpoints) and (courses of b, checkpoints) at the same
checkpoints, and the metric's span: (courses of a, courses of b), NaN where it is undefined."""


class Developmental(PairMeasure):
    """See assets/likeness/registry.py, PairMeasure."""

    name = "developmental"
    version = 2
    metrics = METRICS
    develops = True

    def compare(self, compared: Compared) -> Iterator[PairMeasurement]:
        for developed in compared.developed:
            for metric_id, statistic in STATISTICS.items():
                yield from _pairs(developed, metric_id, statistic)


def _pairs(developed: Developed, metric_id: str, statistic: Statistic) -> Iterator[PairMeasurement]:
    runs = developed.runs
    values = at_common_steps(runs, runs, statistic, developed.span)
    elsewhere = at_common_steps(runs, developed.others, statistic, developed.span)
    for a, b in combinations(range(len(runs)), 2):
        if np.isnan(values[a, b]):
            continue
        others = elsewhere[[a, b]]
        known = others[~np.isnan(others)]
        yield PairMeasurement(
            metric_id,
            developed.parameters,
            runs[a].checkpoint_id,
            runs[b].checkpoint_id,
            float(values[a, b]),
            stratum=developed.stratum,
            chance=float(known.mean()) if known.size else None,
            n=np.intersect1d(runs[a].step, runs[b].step).size,
        )


def at_common_steps(a: Sequence[Course], b: Sequence[Course], statistic: Statistic, span: float) -> Floats:
    """The statistic of every course of a with every one of b, each pair at the steps that both have; (a, b)."""
    found = np.full((len(a), len(b)), np.nan)
    for of_a in _of_one_grid(a):
        for of_b in _of_one_grid(b):
            _, at_a, at_b = np.intersect1d(a[of_a[0]].step, b[of_b[0]].step, assume_unique=True, return_indices=True)
            best_a, best_b = np.array([a[i].best[at_a] for i in of_a]), np.array([b[i].best[at_b] for i in of_b])
            found[np.ix_(of_a, of_b)] = statistic(best_a, best_b, span)
    return found


def _of_one_grid(courses: Sequence[Course]) -> list[list[int]]:
    """The places of the courses that have the same steps."""
    grids: dict[bytes, list[int]] = {}
    for place, course in enumerate(courses):
        grids.setdefault(course.step.tobytes(), []).append(place)
    return list(grids.values())


def course_likeness(a: Floats, b: Floats, span: float) -> Floats:
    """See Statistic; undefined with fewer than two checkpoints."""
    if a.shape[1] < 2:
        return np.full((len(a), len(b)), np.nan)
    return 1 - np.abs(a[:, None] - b[None, :]).max(-1) / span


def increment_correlation(a: Floats, b: Floats, _: float) -> Floats:
    """See Statistic; undefined with fewer than three changes, or where a course does not change or changes evenly."""
    if a.shape[1] < 4:
        return np.full((len(a), len(b)), np.nan)
    of_a, of_b = (_standardised(np.diff(courses, axis=1)) for courses in (a, b))
    return np.clip(of_a @ of_b.T, -1, 1)


def _standardised(changes: Floats) -> Floats:
    """Rows of mean 0 and length 1; NaN where they do not vary."""
    centred = changes - changes.mean(1, keepdims=True)
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    varies = np.ptp(changes, axis=1, keepdims=True) > 0
    return np.divide(centred, length, out=np.full_like(centred, np.nan), where=varies)


STATISTICS: dict[str, Statistic] = {"course_likeness": course_likeness, "increment_correlation": increment_correlation}
MEASURE = Developmental()
