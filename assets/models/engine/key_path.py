"""A head's attention when another head's output is cut from the keys that it attends to, and from nothing else.

The sender's contribution to the residual stream is the difference of its block's output with and without it, every
other part of the block returning what it returned: so multipliers and normalisations of what attention writes are in
it. The receiver's block runs on its input less that contribution, which makes the changed keys, its normalisation
recomputed; these meet the queries of the unchanged run in the attention function that measures (attend.py), under the
layer's own mask, scale, soft cap and sinks. Path patching as in Wang et al. 2022 and Goldowsky-Dill et al. 2023. Here:
one batch of sequences. Not here: which heads (assets/probes).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import sdpa_mask

from assets.models.engine.attend import (
    LayerReading,
    NoAttentionError,
    Recorder,
    UnreadableError,
    attend,
    recording,
    switched,
)
from assets.models.engine.calls import Call, UnknownStructureError, blocks_of, body, first, hooked
from assets.models.engine.heads import edited
from assets.models.engine.loaded import LoadedModel
from assets.models.engine.readouts import Plan, Readout
from assets.models.engine.replay import returning
from assets.models.engine.sites import Sites

IMPLEMENTATION = "moving_target_key_path"
TOLERANCE = 1e-3
"""Of a sum in the residual stream and of its scores, relative: float32 loses some 1e-6, another structure all."""

_queries: ContextVar[dict[int, torch.Tensor]] = ContextVar("queries")


def attend_with_first_queries(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    **others: Any,
) -> tuple[torch.Tensor, None]:
    """transformers' attention function: the queries of each layer's first call meet the keys of all its calls."""
    layer: Any = getattr(module, "layer_idx", None)
    return attend(module, _queries.get().setdefault(layer, query), key, value, attention_mask, **others)


AttentionInterface.register(IMPLEMENTATION, attend_with_first_queries)
AttentionMaskInterface.register(IMPLEMENTATION, sdpa_mask)


class KeyPath:
    """The unchanged run of some sequences, and what follows for one readout; made by `opened`."""

    def __init__(self, loaded: LoadedModel, sites: Sites, token_ids: torch.Tensor, readout: Readout) -> None:
        self._sites = sites
        self._plan = Plan.of({"readout": readout}, token_ids.shape[1], loaded.device)
        self._blocks = blocks_of(loaded.model)
        self._calls: dict[nn.Module, Call] = {}
        self._outputs: dict[nn.Module, Any] = {}

        def enter(module: nn.Module, positional: tuple[Any, ...], named: dict[str, Any]) -> None:
            self._calls[module] = Call(module, positional, named)

        def leave(module: nn.Module, given: tuple[Any, ...], output: Any) -> None:
            self._outputs[module] = output

        entering = [block.register_forward_pre_hook(enter, with_kwargs=True) for block in self._blocks]
        kept = [module for block in self._blocks for module in (block, *_parts(block))]
        with hooked([*entering, *(module.register_forward_hook(leave) for module in kept)]):
            self._readings = self._recorded(lambda: body(loaded, token_ids))[1]

    def scores(self, layer: int, removed: torch.Tensor | None = None) -> torch.Tensor:
        """The readout of every head of a layer, float32 (sequences, heads).

        Args:
            removed: (sequences, tokens, d_model), taken from the residual stream that the layer makes its keys from.
        """
        call = self._calls[self._blocks[layer]]
        hidden = call.hidden if removed is None else call.hidden - removed
        return self._recorded(lambda: call.on(hidden))[1][layer].scores[:, :, 0]

    def chance(self, layer: int) -> float:
        """The readout of uniform attention over the keys that the layer lets each query see."""
        return self._readings[layer].chance[0] or 0.0

    def contribution(self, layer: int, head: int, replacement: torch.Tensor) -> torch.Tensor:
        """What a head adds to the residual stream beyond what its replacement would: (sequences, tokens, d_model).

        Args:
            replacement: in place of its z, (sequences or 1, tokens or 1, d_value).
        """
        block, attention = self._blocks[layer], self._sites[layer].attention

        def edit(_: int, z: torch.Tensor) -> torch.Tensor:
            z = z.clone()
            z[:, :, head] = replacement
            return z

        others = [part for part in _parts(block) if all(module is not attention for module in part.modules())]
        with edited({layer: self._sites[layer]}, edit):
            without = self._run(block, self._calls[block].hidden, others)
        return first(self._outputs[block]) - without

    def check(self, lowest: int, highest: int) -> None:
        """Tries that blocks [lowest, highest) add to what they are given, and that the highest runs again as it ran.

        Raises:
            UnknownStructureError: they do not, so that nothing could be told of a head's contribution.
        """
        for block in self._blocks[lowest:highest]:
            hidden, output = self._calls[block].hidden, first(self._outputs[block])
            added = hidden.flip(1)
            moved = self._run(block, hidden + added, _parts(block))
            if not (moved - output - added).norm() <= TOLERANCE * added.norm():
                raise UnknownStructureError("its blocks do not add to a residual stream")
        if not torch.allclose(self.scores(highest), self._readings[highest].scores[:, :, 0], atol=TOLERANCE):
            raise UnknownStructureError("a block that runs again attends otherwise")

    def _run(self, block: nn.Module, hidden: torch.Tensor, kept: list[nn.Module]) -> torch.Tensor:
        """What a block makes of hidden states while some of its parts return what they returned."""
        with returning({part: self._outputs[part] for part in kept if part in self._outputs}):
            return self._recorded(lambda: self._calls[block].on(hidden))[0]

    def _recorded(self, run: Callable[[], Any]) -> tuple[Any, dict[int, LayerReading]]:
        """What a run returns, and what each of its layers read."""
        recorder = Recorder(self._plan)
        with recording(recorder):
            return run(), recorder.layers


@contextmanager
def opened(loaded: LoadedModel, sites: Sites, token_ids: torch.Tensor, readout: Readout) -> Iterator[KeyPath]:
    """The unchanged run of token_ids, int64 (sequences, tokens): keep it open while scores are asked for.

    Raises:
        UnknownStructureError: the queries and keys of the model cannot be told apart.
    """
    queries = _queries.set({})
    try:
        with torch.inference_mode(), switched(loaded.model, IMPLEMENTATION) as reached:
            if not reached:
                raise UnknownStructureError("its queries and keys can't be told apart")
            yield KeyPath(loaded, sites, token_ids, readout)
    except (UnreadableError, NoAttentionError) as error:
        raise UnknownStructureError(f"its queries and keys can't be told apart: {error}") from None
    finally:
        _queries.reset(queries)


def _parts(block: nn.Module) -> list[nn.Module]:
    """The parts of a block that compute something: those with a weight matrix, so without normalisations."""
    return [part for part in block.children() if any(parameter.dim() > 1 for parameter in part.parameters())]
