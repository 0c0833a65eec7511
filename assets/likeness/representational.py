"""Likeness in representation: do two training runs place the same tokens alike, up to rotation and scale?

Not here: the activations (the probe `representation`), single directions in them (features.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from assets.likeness.registry import Arrays, Compared, Floats, PairMeasure, PairMeasurement, pair_metric

METRICS = (
    pair_metric(
        "cka",
        "representational",
        "Linear centred kernel alignment of the residual stream after a layer (stratum after=embedding: before the "
        "first) at the same tokens in two final checkpoints, HSIC(K,L)/sqrt(HSIC(K,K) HSIC(L,L)) with the unbiased "
        "estimator of HSIC, so that few samples in many dimensions look no more alike than many.",
        "0, the mean over all permutations of one run's samples; the standard error is their exact standard deviation, "
        "sqrt(2/(n(n - 3))).",
        "Kornblith et al. 2019, arXiv:1905.00414; unbiased HSIC: Song et al. 2012, JMLR 13; used so by Nguyen et al. "
        "2021, arXiv:2010.15327",
        lower=-1.0,
    ),
)


class Representational(PairMeasure):
    """See assets/likeness/registry.py, PairMeasure."""

    name = "representational"
    metrics = METRICS
    arrays_of = "representation"

    def compare(self, compared: Compared) -> Iterator[PairMeasurement]:
        for arrays in compared.arrays:
            depths = {kept["residual"].shape[0] for kept in arrays.by_checkpoint.values()}
            for depth in range(min(depths)):
                yield from _pairs(arrays, depth)


def _pairs(arrays: Arrays, depth: int) -> Iterator[PairMeasurement]:
    """Of `residual` (layers + 1, samples, d_model) at one depth: 0 = before the first layer."""
    grams = {
        checkpoint_id: u_centred_gram(kept["residual"][depth])
        for checkpoint_id, kept in arrays.by_checkpoint.items()
        if kept["residual"].shape[1] > 3
    }
    for a, b in combinations(grams, 2):
        kept_a, kept_b = arrays.by_checkpoint[a], arrays.by_checkpoint[b]
        if not np.array_equal(kept_a["token_ids"], kept_b["token_ids"]):
            continue
        value, n = alignment(grams[a], grams[b]), len(grams[a])
        if value is not None:
            yield PairMeasurement(
                "cka",
                arrays.parameters,
                a,
                b,
                value,
                layer=depth - 1 if depth else None,
                stratum="" if depth else "after=embedding",
                chance=0.0,
                standard_error=permuted_deviation(n),
                n=n,
            )


def u_centred_gram(activations: NDArray[np.floating]) -> Floats:
    """The U-centred Gram matrix of n > 3 samples: zero diagonal, rows that sum to zero; all zero where they are alike.

    Inner products of such matrices over n(n - 3) are the unbiased HSIC of Song et al. (2012), equation 5 (Székely and
    Rizzo 2014, Annals of Statistics 42, proposition 1).

    Args:
        activations: (n, d).

    Returns:
        (n, n)
    """
    samples = activations.astype(np.float64)
    size = np.square(samples).sum()
    samples -= samples.mean(0)
    gram = samples @ samples.T
    np.fill_diagonal(gram, 0)
    n = len(gram)
    rows = gram.sum(0)
    centred = gram - (rows[:, None] + rows[None, :]) / (n - 2) + rows.sum() / ((n - 1) * (n - 2))
    np.fill_diagonal(centred, 0)
    return centred if np.linalg.norm(centred) > ROUNDING * size else np.zeros_like(centred)


def alignment(a: Floats, b: Floats) -> float | None:
    """Debiased CKA of two U-centred Gram matrices; None where the samples of one do not differ."""
    norm = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(np.vdot(a, b)) / norm if norm > 0 else None


def permuted_deviation(n: int) -> float:
    """Standard deviation of debiased CKA over all permutations of one side's n samples, whatever these; the mean is 0.

    The entries of a U-centred matrix sum to 0 over every row, so in the expected square of sum a_ij b_p(i)p(j) the
    pairs of places that share two indices, one and none leave |a|^2 |b|^2 2/(n(n-1)) (1 + 2/(n-2) + 2/((n-2)(n-3))).
    """
    return float(np.sqrt(2 / (n * (n - 3))))


ROUNDING = 1e-18
"""Of the squared size of samples: what differs by less differs in rounding only."""
MEASURE = Representational()
