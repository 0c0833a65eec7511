"""Likeness of dictionaries: how many features of one sparse autoencoder are found again in another's?

Directions are compared as they stand. Training runs from other initialisations share no basis of the residual stream,
so between those a share above the rotated baseline is the surprise; where seeds share the model's initialisation, or
two dictionaries the model, it is to be expected. The dictionaries must have been started from different directions:
a feature that training hardly moved would be found again in any other. Not here: training them (the probe
`sparse_autoencoder`).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.stats import ortho_group

from assets.likeness.registry import Arrays, Compared, Floats, PairMeasure, PairMeasurement, pair_metric

ALIKE = 0.7
METRICS = (
    pair_metric(
        "feature_match",
        "representational",
        f"Share of the decoder directions of two sparse autoencoders that are matched above {ALIKE} in cosine, "
        "one to one, by the matching with the largest sum (Hungarian method). Features are never negative, so that "
        "opposite directions are different features. Unused features count too.",
        "The same with one dictionary rotated by a random orthogonal matrix (Haar, fixed seed).",
        "After Paulo and Belrose 2025, Sparse Autoencoders Trained on the Same Data Learn Different Features, "
        "arXiv:2501.16615",
        unit="share",
    ),
)


class Features(PairMeasure):
    """See assets/likeness/registry.py, PairMeasure."""

    name = "features"
    version = 2
    metrics = METRICS
    arrays_of = "sparse_autoencoder"

    def compare(self, compared: Compared) -> Iterator[PairMeasurement]:
        for arrays in compared.arrays:
            yield from _pairs(arrays)


def _pairs(arrays: Arrays) -> Iterator[PairMeasurement]:
    decoders = {checkpoint_id: directions(kept["decoder"]) for checkpoint_id, kept in arrays.by_checkpoint.items()}
    rotations: dict[int, Floats] = {}
    for a, b in combinations(decoders, 2):
        width = decoders[a].shape[1]
        if width not in rotations:
            rotations[width] = rotation(width)
        yield PairMeasurement(
            "feature_match",
            arrays.parameters,
            a,
            b,
            matched(decoders[a], decoders[b]),
            layer=int(arrays.by_checkpoint[a]["layer"]),
            chance=matched(decoders[a] @ rotations[width], decoders[b]),
            n=min(len(decoders[a]), len(decoders[b])),
        )


def directions(decoder: NDArray[np.floating]) -> Floats:
    """(features, d_model) of unit length; a direction of length 0 stays so and matches nothing."""
    decoder = decoder.astype(np.float64)
    length = np.linalg.norm(decoder, axis=1, keepdims=True)
    return np.divide(decoder, length, out=np.zeros_like(decoder), where=length > 0)


def rotation(width: int) -> Floats:
    """A random orthogonal matrix (width, width), the same at every call."""
    return np.asarray(ortho_group.rvs(width, random_state=0)) if width > 1 else np.ones((1, 1))


def matched(a: Floats, b: Floats) -> float:
    """Share of the features of the smaller dictionary with a match above ALIKE in the best one-to-one matching."""
    cosine = a @ b.T
    return float((cosine[linear_sum_assignment(cosine, maximize=True)] > ALIKE).mean())


MEASURE = Features()
