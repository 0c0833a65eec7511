"""Likeness in relation: do the previous-token and the induction heads of two training runs stand to each other alike?

Not here: measuring the path from one to the other (the probe that yields path_effect).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from assets.likeness.registry import Compared, Edges, Linked, PairMeasure, PairMeasurement, Scored, pair_metric
from assets.likeness.tops import READ, inductions, of_inputs, tops

METRICS = (
    pair_metric(
        "offset_likeness",
        "relational",
        "1 - |o_a - o_b| / 2D: o is the layer of the top induction head (prefix_matching less its placebo) minus that "
        "of the top previous-token head at the final checkpoint, D the last less the first layer measured.",
        "Random heads: the expected likeness with all four layers drawn uniformly and independently from those in "
        "which heads were measured, by enumeration.",
    ),
    pair_metric(
        "path_effect_likeness",
        "relational",
        "1 - |p_a - p_b|: p is the largest path_effect from a previous-token head to an induction head of the final "
        "checkpoint.",
        "Matched random heads: the mean of 1 - |p_a - r_b| and 1 - |p_b - r_a|, r being the mean effect of other heads "
        "of the sender's layer on the same receiver (stratum sender=random).",
        lower=None,
    ),
)


class Relational(PairMeasure):
    """See assets/likeness/registry.py, PairMeasure."""

    name = "relational"
    metrics = METRICS
    reads = (*READ, "path_effect")

    def compare(self, compared: Compared) -> Iterator[PairMeasurement]:
        for induction in inductions(compared.scored):
            previous = of_inputs(compared.scored, "previous_token", induction.parameters)
            if previous:
                yield from _offsets(induction, previous)
        for linked in compared.linked:
            for a, b in combinations(linked.runs, 2):
                yield from _effects(linked, a, b)


def _offsets(induction: Scored, previous: Scored) -> Iterator[PairMeasurement]:
    of, to = tops(previous), tops(induction)
    layers = {run.checkpoint_id: run.layer for run in induction.runs}
    for a, b in combinations([checkpoint_id for checkpoint_id in to if checkpoint_id in of], 2):
        measured = np.union1d(layers[a], layers[b])
        if measured.size < 2:
            continue
        apart = abs((to[a][0] - of[a][0]) - (to[b][0] - of[b][0]))
        reach = 2 * int(np.ptp(measured))
        yield PairMeasurement(
            "offset_likeness",
            induction.parameters,
            a,
            b,
            1 - apart / reach,
            chance=1 - expected_difference_of_offsets(measured) / reach,
            n=measured.size,
        )


def expected_difference_of_offsets(layers: NDArray[np.int64]) -> float:
    """E|(i - j) - (k - l)| of layers drawn uniformly and independently."""
    offsets, counts = np.unique(np.subtract.outer(layers, layers), return_counts=True)
    shares = counts / counts.sum()
    return float(shares @ np.abs(np.subtract.outer(offsets, offsets)) @ shares)


def _effects(linked: Linked, a: Edges, b: Edges) -> Iterator[PairMeasurement]:
    (effect_a, control_a), (effect_b, control_b) = strongest(a), strongest(b)
    chance = [1 - abs(effect_a - control_b), 1 - abs(effect_b - control_a)]
    known = [value for value in chance if np.isfinite(value)]
    yield PairMeasurement(
        "path_effect_likeness",
        linked.parameters,
        a.checkpoint_id,
        b.checkpoint_id,
        1 - abs(effect_a - effect_b),
        chance=fmean(known) if known else None,
    )


def strongest(run: Edges) -> tuple[float, float]:
    """The largest effect, and that of random senders on the same edge."""
    edge = run.effect.argmax()
    return float(run.effect[edge]), float(run.control[edge])


MEASURE = Relational()
