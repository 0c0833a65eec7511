"""Likeness in configuration: are the weights of the heads in question built alike, up to a change of basis?

Two training runs share no basis, so what is compared are singular values. Not here: the products W_OV and W_QK and
their spectra (the probe `copying`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from assets.likeness.registry import Arrays, Compared, Floats, PairMeasure, PairMeasurement, Scored, pair_metric
from assets.likeness.tops import mechanisms, top

METRICS = tuple(
    pair_metric(
        f"{name}_spectrum_likeness",
        "configurational",
        f"1 - sum |s_a - s_b| / 2: s are the singular values of {product} in descending order over their sum, of the "
        "top head of the metric in the stratum (prefix_matching: less its placebo) at the two final checkpoints. "
        "Undefined where heads share the highest score.",
        "Random heads of the same layers: the mean over all pairs of one other head of a's layer and one other head of "
        "b's layer.",
    )
    for name, product in (("ov", "W_OV"), ("qk", "W_QK"))
)


class Configurational(PairMeasure):
    """See assets/likeness/registry.py, PairMeasure."""

    name = "configurational"
    version = 2
    metrics = METRICS
    reads = None
    arrays_of = "copying"

    def compare(self, compared: Compared) -> Iterator[PairMeasurement]:
        arrays = most(compared.arrays)
        for scored in mechanisms(compared.scored):
            for name in SPECTRA:
                yield from _pairs(name, arrays, scored)


def most(arrays: Sequence[Arrays]) -> Arrays:
    """Spectra are the weights' own, whatever inputs the rest of the probe had: one set of executions serves."""
    return max(arrays, key=lambda each: len(each.by_checkpoint))


def _pairs(name: str, arrays: Arrays, scored: Scored) -> Iterator[PairMeasurement]:
    found = spectra_of_tops(name, arrays, scored)
    for a, b in combinations(found, 2):
        yield PairMeasurement(
            f"{name}_likeness",
            scored.parameters,
            a,
            b,
            float(likeness(found[a].top, found[b].top)),
            stratum=scored.stratum,
            chance=expected_likeness(found[a].others, found[b].others),
            n=found[a].top.size,
        )


@dataclass(frozen=True)
class Spectra:
    """Normalised spectra of a training run's heads.

    Attributes:
        top: (d_head,) of the head in question.
        others: (heads, d_head) of the other heads of its layer.
    """

    top: Floats
    others: Floats


def spectra_of_tops(name: str, arrays: Arrays, scored: Scored) -> dict[str, Spectra]:
    """By checkpoint: of the runs whose top head is a single one, with weights that have a spectrum."""
    found = {}
    for run in scored.runs:
        kept = arrays.by_checkpoint.get(run.checkpoint_id, {})
        if name in kept and (run.final == run.final.max()).sum() == 1:
            layer, head = top(run)
            spectra = normalised(kept[name][layer])
            if np.isfinite(spectra[head]).all():
                others = np.delete(spectra, head, axis=0)
                found[run.checkpoint_id] = Spectra(spectra[head], others[np.isfinite(others).all(1)])
    return found


def normalised(spectra: NDArray[np.floating]) -> Floats:
    """(..., d_head) singular values over their sum; NaN where they are NaN or all zero."""
    spectra = spectra.astype(np.float64)
    total = spectra.sum(-1, keepdims=True)
    return np.divide(spectra, total, out=np.full_like(spectra, np.nan), where=total > 0)


def likeness(a: Floats, b: Floats) -> Floats:
    """1 - total variation distance of two normalised spectra, along the last axis."""
    return 1 - np.abs(a - b).sum(-1) / 2


def expected_likeness(x: Floats, y: Floats) -> float | None:
    """The mean likeness over all pairs of a spectrum of x with one of y, (n, d_head) and (m, d_head); None where there
    are none.

    The mean of |x - y| over all pairs of two samples is the integral of F(1 - G) + G(1 - F), F and G being their
    distribution functions: one sort instead of all pairs.
    """
    if not (len(x) and len(y)):
        return None
    both = np.concatenate([x, y])
    order = both.argsort(0)
    f, g = (order < len(x)).cumsum(0) / len(x), (order >= len(x)).cumsum(0) / len(y)
    widths = np.diff(np.take_along_axis(both, order, 0), axis=0)
    return 1 - float(((f * (1 - g) + g * (1 - f))[:-1] * widths).sum()) / 2


SPECTRA = ("ov_spectrum", "qk_spectrum")
MEASURE = Configurational()
