"""Many replacements of heads in one sequence, computing what they share once.

A pass without any replacement keeps what every decoder layer returned. Passes with the heads of a set replaced take the
layers below the lowest of those heads from there; that layer attends once, on the one sequence, and its residual
stream widens to a batch of one sequence a set where the heads' outputs are replaced; the layers above run on the batch.
All is the model's own code. Whether a model can be taken apart so is tried, not assumed: where it cannot be (state
beside the layers' outputs, code that counts on the size of the batch), each set takes a whole pass. Not here: which
heads and what replaces them (assets/probes).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Any

import torch
from torch import nn

from assets.models.engine.batches import TOKENS_PER_BATCH, sequence_bytes
from assets.models.engine.calls import blocks_of, hooked
from assets.models.engine.heads import HeadSet, Replacement, edited, keeping_in, log_probabilities, nothing, replacing
from assets.models.engine.loaded import LoadedModel
from assets.models.engine.sites import Sites

TRIED_TOKENS = 16
TOLERANCE = 1e-4
"""Of log-probabilities, nats, between a pass that shares layers and a whole one; float32 rounds to some 1e-5."""


@dataclass(frozen=True)
class Kept:
    """One sequence's pass without a replacement.

    Attributes:
        token_ids: int64 (1, tokens).
        at: int64 (positions,), where predictions are asked for.
        log_probability: float32 (positions,), of the tokens that follow, nats.
        outputs: what each decoder layer returned.
        z: what each head wrote, by layer: (1, tokens, heads, d_value).
    """

    token_ids: torch.Tensor
    at: torch.Tensor
    log_probability: torch.Tensor
    outputs: list[Any]
    z: dict[int, torch.Tensor]


@contextmanager
def returning(outputs: Mapping[nn.Module, Any]) -> Iterator[None]:
    """Modules return these within instead of running."""
    for module, output in outputs.items():
        module.forward = partial(_given, output)
    try:
        yield
    finally:
        for module in outputs:
            del module.forward


def _given(output: Any, *given: Any, **options: Any) -> Any:
    return output


class Replay:
    """Passes of one model.

    Attributes:
        shares: whether passes share the layers below the replaced heads; False: each set takes a whole pass.
    """

    def __init__(self, loaded: LoadedModel, sites: Sites) -> None:
        """Tries on a short input whether layers can be shared."""
        self._loaded, self._sites = loaded, sites
        self._layers = list(blocks_of(loaded.model))
        self.shares = True
        self.shares = self._agrees()

    def keep(self, token_ids: torch.Tensor, at: torch.Tensor) -> Kept:
        """The pass of a sequence, int64 (1, tokens), without a replacement."""
        outputs: list[Any] = []
        z: dict[int, torch.Tensor] = {}
        keeping = [layer.register_forward_hook(lambda *call: outputs.append(call[2])) for layer in self._layers]
        with torch.inference_mode(), hooked(keeping), edited(self._sites, keeping_in(z)):
            log_probability = log_probabilities(self._loaded, token_ids, at)[0]
        return Kept(token_ids, at, log_probability, outputs, z)

    def replaced(self, kept: Kept, sets: Sequence[HeadSet], replacement: Replacement) -> torch.Tensor:
        """Log-probabilities where the heads of one set at a time are replaced.

        Args:
            replacement: of this sequence.

        Returns:
            float32 (sets, positions), nats.
        """
        found = kept.log_probability.new_empty(len(sets), len(kept.at))
        by_lowest = sorted(range(len(sets)), key=lambda number: self._lowest(sets[number]))
        for lowest, group in groupby(by_lowest, key=lambda number: self._lowest(sets[number])):
            for numbers in torch.tensor(list(group)).split(self._batch_size(kept)):
                edit = replacing(self._sites, [sets[number] for number in numbers], replacement)
                with torch.inference_mode(), self._from(kept, lowest), edited(self._sites, edit):
                    token_ids = kept.token_ids if self.shares else kept.token_ids.expand(len(numbers), -1)
                    found[numbers] = log_probabilities(self._loaded, token_ids, kept.at)
        return found

    def _lowest(self, heads: HeadSet) -> int:
        return min((layer for layer, _ in heads), default=len(self._layers))

    def _batch_size(self, kept: Kept) -> int:
        n_tokens = kept.token_ids.shape[1]
        a_sequence = sequence_bytes(self._loaded, n_tokens, n_logits=len(kept.at))
        return max(1, min(self._loaded.activation_bytes // a_sequence, TOKENS_PER_BATCH // n_tokens))

    @contextmanager
    def _from(self, kept: Kept, lowest: int) -> Iterator[None]:
        """Passes within take the layers below the lowest from what was kept, if layers are shared."""
        below = self._layers[:lowest] if self.shares else []
        with returning(dict(zip(below, kept.outputs, strict=False))):
            yield

    def _agrees(self) -> bool:
        """Whether sharing changes nothing when one of two heads of a low, a middle and a high layer is zeroed."""
        token_ids = self._loaded.ordinary_token_ids[:TRIED_TOKENS].unsqueeze(0)
        kept = self.keep(token_ids, torch.arange(token_ids.shape[1] - 1))
        if len(kept.outputs) != len(self._layers):
            return False
        layers = list(self._sites)
        tried = sorted({layers[0], layers[len(layers) // 2], layers[-1]})
        heads = [(layer, head) for layer in tried for head in (0, self._sites[layer].n_heads - 1)]
        sets, zeros = [frozenset({head}) for head in heads], nothing(self._loaded, self._sites)
        try:
            shared = self.replaced(kept, sets, zeros)
        except (RuntimeError, ValueError, TypeError, IndexError):
            return False
        self.shares = False
        whole = self.replaced(kept, sets, zeros)
        return torch.allclose(shared, whole, rtol=TOLERANCE, atol=TOLERANCE)
