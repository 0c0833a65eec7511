"""Likeness in function: do two training runs have heads that do as much, wherever those heads sit?

A run's profile is the sorted scores of all its heads. Not here: where the heads are (positional.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from statistics import fmean

from scipy.stats import wasserstein_distance

from assets.likeness.registry import Compared, Floats, PairMeasure, PairMeasurement, pair_metric

METRICS = (
    pair_metric(
        "profile_likeness",
        "functional",
        "1 - W/R: W is the first Wasserstein distance between the scores of all heads of two final checkpoints, R the "
        "range of the metric in the stratum: 1 for probabilities, upper less lower bound in general.",
        "Untrained models: the mean of the likeness of a's final profile with b's at step 0 and of b's with a's.",
    ),
)


class Functional(PairMeasure):
    """See assets/likeness/registry.py, PairMeasure."""

    name = "functional"
    metrics = METRICS
    reads = None

    def compare(self, compared: Compared) -> Iterator[PairMeasurement]:
        for scored in compared.scored:
            if scored.span is None:
                continue
            for a, b in combinations(scored.runs, 2):
                untrained = [
                    profile_likeness(one.final, other.first, scored.span)
                    for one, other in ((a, b), (b, a))
                    if other.first is not None
                ]
                yield PairMeasurement(
                    "profile_likeness",
                    scored.parameters,
                    a.checkpoint_id,
                    b.checkpoint_id,
                    profile_likeness(a.final, b.final, scored.span),
                    stratum=scored.stratum,
                    chance=fmean(untrained) if untrained else None,
                    n=a.final.size,
                )


def profile_likeness(a: Floats, b: Floats, span: float) -> float:
    """1 - W/span of two sets of scores, in any order."""
    return 1 - float(wasserstein_distance(a, b)) / span


MEASURE = Functional()
