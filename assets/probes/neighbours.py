"""Pairs of tokens that are alike without being the same, for fuzzy_prefix_matching.

Two sets of pairs, in both of which a token has one partner at most:

- `embedding`: tokens each of which is the other's nearest by cosine in the model's own input embedding, at .6 or more.
  The mean over ordinary tokens is subtracted first: embeddings share a direction, which makes all of them alike (Mu
  and Viswanath 2018, All-but-the-Top, arXiv 1702.01417).
- `surface`: tokens that differ in case and leading space alone (" The", "the"); the same whatever the weights.

Tokens are neighbours by the same rule: at a cosine of .6 or more, or by equal text. Here: pairs, and draws of them
without neighbours among different pairs. Not here: inputs made of them (fuzzy_prefix_matching.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from assets.probes.registry import NotApplicable

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from assets.models.engine.loaded import LoadedModel

MINIMUM_COSINE = 0.6
CANDIDATES = 1000
"""Tokens whose nearest ones are looked for: the cosines with a whole vocabulary of each are what takes time."""
COSINES_TOGETHER = 2**24


@dataclass(frozen=True)
class Pairs:
    """Pairs of neighbours.

    Attributes:
        ids: int64 (pairs, 2).
        clash: bool (pairs, pairs): whether a token of one is a neighbour of a token of the other.
    """

    ids: NDArray[np.int64]
    clash: NDArray[np.bool_]

    def draw(self, n: int, generator: np.random.Generator) -> NDArray[np.int64]:
        """int64 (n, 2): pairs in random order, none of which clashes with another; members in random order.

        Raises:
            NotApplicable: there are too few.
        """
        chosen: list[int] = []
        barred = np.zeros(len(self.ids), dtype=bool)
        for at in generator.permutation(len(self.ids)).tolist():
            if not barred[at]:
                chosen.append(at)
                barred |= self.clash[at]
            if len(chosen) == n:
                return generator.permuted(self.ids[chosen], axis=1)
        raise NotApplicable(f"{n} pairs of neighbours are needed and {len(chosen)} of {len(self.ids)} go together.")


def embedding_pairs(model: LoadedModel, generator: np.random.Generator) -> Pairs:
    """Pairs by cosine, looked for among a thousand ordinary tokens at random."""
    import torch

    ids = model.ordinary_token_ids
    unit = model.model.get_input_embeddings().get_parameter("weight").detach()[ids.to(model.device)].float()
    unit -= unit.mean(0)
    unit /= unit.norm(dim=1, keepdim=True)
    candidates = torch.from_numpy(generator.permutation(len(ids))[:CANDIDATES]).to(model.device)
    nearest, cosine = _nearest(unit, candidates)
    mutual = (_nearest(unit, nearest)[0] == candidates) & (cosine >= MINIMUM_COSINE)
    pairs = torch.stack([candidates, nearest], dim=1)[mutual].sort(dim=1).values.unique(dim=0)
    members = unit[pairs]
    alike = torch.einsum("aid,bjd->abij", members, members) >= MINIMUM_COSINE
    return Pairs(ids[pairs.cpu()].numpy(), alike.flatten(2).any(2).cpu().numpy())


def surface_pairs(model: LoadedModel, generator: np.random.Generator) -> Pairs:
    """Pairs by text, one at random of each group of tokens that read alike.

    Raises:
        NotApplicable: the model has no tokenizer.
    """
    if model.tokenizer is None:
        raise NotApplicable("It has no tokenizer.")
    groups: dict[str, list[int]] = {}
    ids = model.ordinary_token_ids.tolist()
    for token_id, text in zip(ids, model.tokenizer.batch_decode([[at] for at in ids]), strict=True):
        plain = text.strip().casefold()
        if plain.isalpha():
            groups.setdefault(plain, []).append(token_id)
    pairs = [generator.permutation(group)[:2] for group in groups.values() if len(group) > 1]
    return Pairs(np.array(pairs, dtype=np.int64).reshape(-1, 2), np.eye(len(pairs), dtype=bool))


NEIGHBOURS: dict[str, Callable[[LoadedModel, np.random.Generator], Pairs]] = {
    "embedding": embedding_pairs,
    "surface": surface_pairs,
}


def _nearest(unit: torch.Tensor, of: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """For some rows of (tokens, d), unit length: the number of the most alike other row, and their cosine."""
    import torch

    best = []
    for some in of.split(max(1, COSINES_TOGETHER // len(unit))):
        cosines = (unit[some] @ unit.T).scatter_(1, some[:, None], -2.0)
        best.append(cosines.max(1))
    return torch.cat([found.indices for found in best]), torch.cat([found.values for found in best])
