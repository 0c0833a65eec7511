"""Whole attention matrices, put together from readouts of single pairs: what tests here compare.

Here: the input that all classes get, and the matrices that the engine reads on it. Not here: the comparison.
"""

from __future__ import annotations

import numpy as np
import torch

from assets.models.engine.read import AttentionReading
from tests.architectures.tiny import VOCABULARY

N_SEQUENCES, N_TOKENS = 2, 40
"""More tokens than a block of rows has, and than a window."""


def token_ids() -> torch.Tensor:
    """None special; the same for every class."""
    return torch.randint(8, VOCABULARY - 8, (N_SEQUENCES, N_TOKENS), generator=torch.Generator().manual_seed(0))


def every_pair() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """A readout for each query and key, later keys too."""
    pairs = np.ndindex(N_TOKENS, N_TOKENS)
    return {f"{query} {key}": (np.array([query]), np.array([key])) for query, key in pairs}


def matrices_of(reading: AttentionReading) -> dict[int, np.ndarray]:
    """By layer (sequences, heads, queries, keys), put together from the readouts; keys without one have zero."""
    matrices: dict[int, np.ndarray] = {}
    for (layer, name), score in reading.scores.items():
        query, key = map(int, name.split())
        empty = np.zeros((*score.values.shape, N_TOKENS, N_TOKENS))
        matrices.setdefault(layer, empty)[:, :, query, key] = score.values
    return matrices
