"""Where the heads of a model write: the projection in each layer that takes their outputs side by side.

Found by following the data of a short forward pass, not by the names that architectures give their parts, so that what
holds for one holds for all. Attention is the innermost module that hands out the layer's attention matrix; the
projection is the last module with a weight matrix that runs inside it; a slot of its input is a head's if its gradient
reaches the attention of that head and of no other. Here: finding. Not here: reading and changing what the heads write
(heads.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from assets.models.engine.attend import switched
from assets.models.engine.calls import UnknownStructureError, blocks_of, hooked, some_tokens
from assets.models.engine.loaded import LoadedModel

N_TOKENS = 3


@dataclass(frozen=True)
class Site:
    """The heads of one layer.

    Attributes:
        block: the decoder layer, an entry of the model's list of layers.
        attention: the module within it that attends.
        projection: the module within that, whose input (sequences, tokens, heads * d_value) is what the heads write.
    """

    block: nn.Module
    attention: nn.Module
    projection: nn.Module
    n_heads: int
    d_value: int


Sites = dict[int, Site]
"""By layer, ascending. Layers without attention have none."""


@dataclass(frozen=True)
class _Attended:
    """A module that handed out an attention matrix (1, heads, queries, keys), and the last projection inside it."""

    module: nn.Module
    matrix: torch.Tensor
    projection: nn.Module
    projected: torch.Tensor


def find_sites(loaded: LoadedModel) -> Sites:
    """The sites of all layers that attend.

    Raises:
        UnknownStructureError: there is none, or what the heads write is not told apart.
    """
    blocks = blocks_of(loaded.model)
    with torch.enable_grad(), switched(loaded.model, "eager"), _traced(loaded.model) as attended:
        token_ids = some_tokens(loaded, 1, N_TOKENS).to(loaded.device)
        output = loaded.model.base_model(token_ids, use_cache=False, output_attentions=True)

    sites: Sites = {}
    for matrix in getattr(output, "attentions", None) or ():
        if not isinstance(matrix, torch.Tensor) or matrix.shape[2:] != (N_TOKENS, N_TOKENS):
            continue
        innermost = next((each for each in attended if each.matrix is matrix), None)
        layer = None if innermost is None else _layer(blocks, innermost.module)
        if innermost is None or layer is None or layer in sites:
            raise UnknownStructureError("some attention is not inside one module of one block")
        sites[layer] = _site(layer, blocks[layer], innermost)
    if not sites:
        raise UnknownStructureError("it has no attention, or none that it shows")
    return dict(sorted(sites.items()))


@contextmanager
def _traced(model: PreTrainedModel) -> Iterator[list[_Attended]]:
    """Forward passes within note which modules hand out attention matrices, inner ones before outer ones."""
    attended: list[_Attended] = []
    open_calls: list[list[tuple[nn.Module, torch.Tensor]]] = []

    def enter(module: nn.Module, given: tuple[Any, ...]) -> None:
        weight = getattr(module, "weight", None)
        hidden = given[0] if given else None
        if isinstance(weight, torch.Tensor) and weight.dim() == 2 and isinstance(hidden, torch.Tensor):
            for inside in open_calls if hidden.is_floating_point() else ():
                inside.append((module, hidden))
        open_calls.append([])

    def leave(module: nn.Module, given: tuple[Any, ...], output: Any) -> None:
        inside = open_calls.pop()
        for part in output if isinstance(output, tuple) else ():
            if inside and isinstance(part, torch.Tensor) and part.dim() == 4:
                attended.append(_Attended(module, part, *inside[-1]))

    def track(module: nn.Module, given: tuple[Any, ...], embedded: torch.Tensor) -> torch.Tensor:
        return embedded if embedded.requires_grad else embedded.detach().requires_grad_()

    modules = list(model.base_model.modules())
    entering = [module.register_forward_pre_hook(enter) for module in modules]
    leaving = [module.register_forward_hook(leave) for module in modules]
    with hooked([*entering, *leaving, model.get_input_embeddings().register_forward_hook(track)]):
        yield attended


def _layer(blocks: nn.ModuleList, attention: nn.Module) -> int | None:
    """The number of the block that holds the module."""
    holding = (layer for layer, block in enumerate(blocks) if any(module is attention for module in block.modules()))
    return next(holding, None)


def _site(layer: int, block: nn.Module, found: _Attended) -> Site:
    """The site, once each slot of the projection's input is seen to depend on its own head alone."""
    n_heads, width = found.matrix.shape[1], found.projected.shape[-1]
    if found.projected.shape != (1, N_TOKENS, width) or width % n_heads:
        raise UnknownStructureError(f"layer {layer} has no projection whose input falls into {n_heads} heads")
    if not found.projected.requires_grad:
        raise UnknownStructureError(f"no gradient tells which head writes what in layer {layer}")
    for head, slot in enumerate(found.projected.chunk(n_heads, dim=-1)):
        (gradient,) = torch.autograd.grad(slot.sum(), found.matrix, retain_graph=True, allow_unused=True)
        reached = None if gradient is None else (gradient.abs().amax((0, 2, 3)) > 0).nonzero().flatten().tolist()
        if reached not in ([head], []):  # nothing is reached where a head's values are all zero
            raise UnknownStructureError(f"layer {layer} mixes what its heads write before a projection takes it")
    return Site(block, found.module, found.projection, n_heads, width // n_heads)
