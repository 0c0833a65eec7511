"""Likeness in relation: do the previous-token and the induction heads of two training runs stand to each other alike?

Not here: measuring the path from one to the other (the probe that yields path_effect).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from assets.likeness.registry import Compared, Edges, Floats, Linked, PairMeasure, PairMeasurement, Scored, pair_metric
from assets.likeness.tops import inductions, of_inputs, tops

METRICS = (
    pair_metric(
        "offset_likeness",
        "relational",
        "1 - |o_a - o_b| / 2: o is the layer of the top induction head (prefix_matching less its placebo) minus that "
        "of the top previous-token head at the final checkpoint, over the last less the first layer measured in the "
        "run.",
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
    version = 2
    metrics = METRICS
    reads = ("prefix_matching", "prefix_matching_placebo", "previous_token", "path_effect")

    def compare(self, compared: Compared) -> Iterator[PairMeasurement]:
        for induction in inductions(compared.scored):
            previous = of_inputs(compared.scored, "previous_token", induction.parameters)
            if previous:
                yield from _offsets(induction, previous)
        for linked in compared.linked:
            for a, b in combinations(linked.runs, 2):
                yield from _effects(linked, a, b)


def _offsets(induction: Scored, previous: Scored) -> Iterator[PairMeasurement]:
    layers = {run.checkpoint_id: run.layer for run in induction.runs}
    offset = offsets(induction, previous)
    for a, b in combinations(offset, 2):
        yield PairMeasurement(
            "offset_likeness",
            induction.parameters,
            a,
            b,
            1 - abs(offset[a] - offset[b]) / 2,
            chance=expected_offset_likeness(layers[a], layers[b]),
            n=np.union1d(layers[a], layers[b]).size,
        )


def offsets(induction: Scored, previous: Scored) -> dict[str, float]:
    """(layer of the top induction head - that of the top previous-token head) / (last - first layer measured), by
    checkpoint: of the runs with scores of both and more than one layer."""
    of, to = tops(previous), tops(induction)
    return {
        run.checkpoint_id: float((to[run.checkpoint_id][0] - of[run.checkpoint_id][0]) / np.ptp(run.layer))
        for run in induction.runs
        if run.checkpoint_id in of and np.ptp(run.layer) > 0
    }


def expected_offset_likeness(a: NDArray[np.int64], b: NDArray[np.int64]) -> float:
    """Of two offsets, each between two layers drawn uniformly and independently from a's and from b's."""
    (of_a, shares_a), (of_b, shares_b) = (_drawn_offsets(np.unique(layers)) for layers in (a, b))
    return 1 - float(shares_a @ np.abs(np.subtract.outer(of_a, of_b)) @ shares_b) / 2


def _drawn_offsets(layers: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """The offsets that can be drawn, and with what probability."""
    found, counts = np.unique(np.subtract.outer(layers, layers), return_counts=True)
    return found / np.ptp(layers), counts / counts.sum()


def _effects(linked: Linked, a: Edges, b: Edges) -> Iterator[PairMeasurement]:
    values, chance = effect_likeness([a], [b])
    yield PairMeasurement(
        "path_effect_likeness",
        linked.parameters,
        a.checkpoint_id,
        b.checkpoint_id,
        float(values[0, 0]),
        chance=None if np.isnan(chance[0, 0]) else float(chance[0, 0]),
    )


def effect_likeness(a: Sequence[Edges], b: Sequence[Edges]) -> tuple[Floats, Floats]:
    """The likeness of the strongest effects of every run of a and every one of b, and its chance; each (a, b), the
    chance NaN where neither run has random senders."""
    (effect_a, control_a), (effect_b, control_b) = (np.array([strongest(run) for run in runs]).T for runs in (a, b))
    chance = np.stack([_alike(effect_a, control_b), _alike(control_a, effect_b)])
    known = np.isfinite(chance)
    total, n = np.where(known, chance, 0).sum(0), known.sum(0)
    return _alike(effect_a, effect_b), np.divide(total, n, out=np.full(n.shape, np.nan), where=n > 0)


def _alike(a: Floats, b: Floats) -> Floats:
    return 1 - np.abs(a[:, None] - b[None, :])


def strongest(run: Edges) -> tuple[float, float]:
    """The largest effect, and that of random senders on the same edge."""
    edge = run.effect.argmax()
    return float(run.effect[edge]), float(run.control[edge])


MEASURE = Relational()
