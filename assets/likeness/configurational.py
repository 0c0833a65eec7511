"""Likeness in configuration: are the weights of the heads in question built alike, up to a change of basis?

Two training runs share no basis, so what is compared are singular values. Not here: the products W_OV and W_QK and
their spectra (the probe `copying`).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from assets.likeness.registry import Arrays, Compared, Floats, PairMeasure, PairMeasurement, Scored, pair_metric
from assets.likeness.tops import READ, inductions, tops

METRICS = tuple(
    pair_metric(
        f"{name}_spectrum_likeness",
        "configurational",
        f"1 - sum |s_a - s_b| / 2: s are the singular values of {product} in descending order over their sum, of the "
        "top head of the metric in the stratum (prefix_matching: less its placebo) at the two final checkpoints.",
        "Random heads of the same layers: the mean over all pairs of one other head of a's layer and one other head of "
        "b's layer.",
    )
    for name, product in (("ov", "W_OV"), ("qk", "W_QK"))
)


class Configurational(PairMeasure):
    """See assets/likeness/registry.py, PairMeasure."""

    name = "configurational"
    metrics = METRICS
    reads = READ
    arrays_of = "copying"

    def compare(self, compared: Compared) -> Iterator[PairMeasurement]:
        """Spectra are the weights' own, whatever inputs the rest of the probe had: one set of executions serves."""
        arrays = max(compared.arrays, key=lambda each: len(each.by_checkpoint))
        previous = [each for each in compared.scored if each.metric_id == "previous_token"]
        for scored in [*inductions(compared.scored), *previous]:
            for name in ("ov_spectrum", "qk_spectrum"):
                yield from _pairs(name, arrays, scored)


def _pairs(name: str, arrays: Arrays, scored: Scored) -> Iterator[PairMeasurement]:
    spectra = {
        checkpoint_id: normalised(kept[name]) for checkpoint_id, kept in arrays.by_checkpoint.items() if name in kept
    }
    places = {checkpoint_id: place for checkpoint_id, place in tops(scored).items() if checkpoint_id in spectra}
    for a, b in combinations(places, 2):
        value = likeness(spectra[a][places[a]], spectra[b][places[b]])
        if not np.isfinite(value):
            continue
        others_a, others_b = (_others(spectra[each], places[each]) for each in (a, b))
        random = likeness(others_a[:, None], others_b[None, :])
        yield PairMeasurement(
            f"{name}_likeness",
            scored.parameters,
            a,
            b,
            float(value),
            stratum=scored.stratum,
            chance=float(random.mean()) if random.size else None,
            n=spectra[a].shape[-1],
        )


def normalised(spectra: NDArray[np.floating]) -> Floats:
    """(..., d_head) singular values over their sum; NaN where they are NaN or all zero."""
    spectra = spectra.astype(np.float64)
    total = spectra.sum(-1, keepdims=True)
    return np.divide(spectra, total, out=np.full_like(spectra, np.nan), where=total > 0)


def likeness(a: Floats, b: Floats) -> Floats:
    """1 - total variation distance of two normalised spectra, along the last axis."""
    return 1 - np.abs(a - b).sum(-1) / 2


def _others(spectra: Floats, place: tuple[int, int]) -> Floats:
    """(heads - 1, d_head) spectra of the other heads of a head's layer."""
    layer, head = place
    return np.delete(spectra[layer], head, axis=0)


MEASURE = Configurational()
