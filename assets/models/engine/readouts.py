"""Readouts: which attention probabilities a probe asks for.

A readout names (query, key) pairs of positions, the same in every sequence of an input. Its score in a head is the sum
of A[query, key] over the pairs, divided by the number of queries: with one key a query it is a mean, with several keys
a query their probabilities add. What is made of whole rows (their entropy) cannot be read from pairs: a plan says
whether it is wanted. Here: pairs, and several readouts as one plan. Not here: how the probabilities are had
(paths.py), and which pairs define a metric (assets/probes).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch

Readout = tuple[np.ndarray, ...]
"""Queries and keys of the pairs, int64, as np.nonzero gives them for a matrix wanted[query, key]."""


@dataclass(frozen=True)
class Plan:
    """Several readouts of one input as a list of distinct pairs, so that each probability is computed once.

    Attributes:
        names: of the readouts.
        n_queries: by readout.
        queries: int64 (pairs,), ascending.
        keys: int64 (pairs,).
        weights: float32 (pairs, readouts): 1 / n_queries where the pair belongs to the readout, else 0, so that scores
            are probabilities (..., pairs) times weights.
        n_tokens: positions of the input.
        rows: whether the entropy of rows and the share of learned sinks are wanted too.
    """

    names: tuple[str, ...]
    n_queries: tuple[int, ...]
    queries: torch.Tensor
    keys: torch.Tensor
    weights: torch.Tensor
    n_tokens: int
    rows: bool = False

    @classmethod
    def of(cls, readouts: Mapping[str, Readout], n_tokens: int, device: torch.device, rows: bool = False) -> Plan:
        """The plan for an input of n_tokens positions. Pairs with a later key are left out: their attention is zero."""
        codes = [(queries * n_tokens + keys)[keys <= queries] for queries, keys in readouts.values()]
        n_queries = [len(np.unique(queries)) for queries, _ in readouts.values()]
        pairs = np.unique(np.concatenate(codes))
        weights = np.zeros((len(pairs), len(codes)), dtype=np.float32)
        for column, (code, n) in enumerate(zip(codes, n_queries, strict=True)):
            weights[np.searchsorted(pairs, code), column] = 1 / n
        at_query, at_key, weighted = (
            torch.from_numpy(array).to(device) for array in (*np.divmod(pairs, n_tokens), weights)
        )
        return cls(tuple(readouts), tuple(n_queries), at_query, at_key, weighted, n_tokens, rows)

    def of_rows(self, start: int, end: int) -> slice:
        """The pairs whose queries lie in [start, end)."""
        return slice(*torch.searchsorted(self.queries, self.queries.new_tensor([start, end])).tolist())

    def split(self, n_pairs: int) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
        """Queries, keys and weights of some pairs at a time."""
        yield from zip(*(part.split(n_pairs) for part in (self.queries, self.keys, self.weights)), strict=True)
