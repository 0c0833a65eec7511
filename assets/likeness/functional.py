"""Likeness in function: do two training runs have heads that do as much, wherever those heads sit?

A run's profile is the sorted scores of all its heads. Not here: where the heads are (positional.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from statistics import fmean

import numpy as np

from assets.likeness.registry import Compared, Floats, PairMeasure, PairMeasurement, pair_metric
from assets.likeness.tops import mechanisms

METRICS = (
    pair_metric(
        "profile_likeness",
        "functional",
        "1 - W/R: W is the first Wasserstein distance between the scores of all heads of two final checkpoints, R the "
        "range of the metric in the stratum: 1 for probabilities, upper less lower bound in general. prefix_matching: "
        "less its placebo, where that was measured.",
        "Untrained models: the mean of the likeness of a's final profile with b's at step 0 and of b's with a's.",
    ),
)


class Functional(PairMeasure):
    """See assets/likeness/registry.py, PairMeasure."""

    name = "functional"
    version = 2
    metrics = METRICS
    reads = None

    def compare(self, compared: Compared) -> Iterator[PairMeasurement]:
        for scored in mechanisms(compared.scored):
            if scored.span is None:
                continue
            for a, b in combinations(scored.runs, 2):
                untrained = [
                    _of_two(one.final, other.first, scored.span)
                    for one, other in ((a, b), (b, a))
                    if other.first is not None
                ]
                yield PairMeasurement(
                    "profile_likeness",
                    scored.parameters,
                    a.checkpoint_id,
                    b.checkpoint_id,
                    _of_two(a.final, b.final, scored.span),
                    stratum=scored.stratum,
                    chance=fmean(untrained) if untrained else None,
                    n=a.final.size,
                )


def _of_two(a: Floats, b: Floats, span: float) -> float:
    return float(profile_likeness([a], [b], span)[0, 0])


def profile_likeness(a: Sequence[Floats], b: Sequence[Floats], span: float) -> Floats:
    """1 - W/span of every profile of a with every one of b.

    W is the integral of |difference| of the two quantile functions, which are steps of 1/n: exact for any numbers n of
    scores.

    Args:
        a, b: scores in any order; each profile may have its own number of them.

    Returns:
        (profiles of a, profiles of b)
    """
    steps = np.unique(np.concatenate([np.arange(n + 1) / n for n in sorted({len(scores) for scores in [*a, *b]})]))
    middles = (steps[:-1] + steps[1:]) / 2
    of_a, of_b = (
        np.array([np.sort(scores)[(middles * len(scores)).astype(int)] for scores in each]) for each in (a, b)
    )
    return 1 - np.abs(of_a[:, None] - of_b[None, :]) @ np.diff(steps) / span


MEASURE = Functional()
