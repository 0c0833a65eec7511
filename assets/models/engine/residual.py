"""The residual stream: reading it between blocks, and putting something else in its place.

A depth is a place in it: 0 before the first block, k after k blocks (so layer l writes depth l + 1). Not here: what
heads write into it (heads.py), what is made of the vectors (assets/probes).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from assets.models.engine.batches import batches
from assets.models.engine.calls import Call, UnknownStructureError, blocks_of, body, first, hooked
from assets.models.engine.loaded import LoadedModel


def depth_of(loaded: LoadedModel) -> int:
    """The last depth: the number of blocks.

    Raises:
        UnknownStructureError: the model is not a list of blocks.
    """
    return len(blocks_of(loaded.model))


def read_residual(loaded: LoadedModel, token_ids: torch.Tensor, depths: Sequence[int]) -> np.ndarray:
    """float32 (depths, sequences, tokens, d_model).

    Args:
        token_ids: int64 (sequences, tokens), all attended: no padding.

    Raises:
        UnknownStructureError: the model has no residual stream of one vector a token.
    """
    blocks = blocks_of(loaded.model)
    parts: dict[int, list[torch.Tensor]] = {depth: [] for depth in depths}

    def keep(depth: int, hidden: torch.Tensor) -> None:
        if hidden.ndim != 3:
            raise UnknownStructureError("its residual stream is not one vector a token")
        parts[depth].append(hidden.float().cpu())

    def before(module: torch.nn.Module, positional: tuple[Any, ...], named: dict[str, Any]) -> None:
        keep(0, Call(module, positional, named).hidden)

    hooks = [blocks[0].register_forward_pre_hook(before, with_kwargs=True)] if 0 in parts else []
    for depth in parts:
        if depth > 0:
            hooks.append(blocks[depth - 1].register_forward_hook(lambda *call, at=depth: keep(at, first(call[2]))))
    with torch.inference_mode(), hooked(hooks):
        for batch in batches(loaded, token_ids):
            body(loaded, batch)
    if any(sum(len(part) for part in found) != len(token_ids) for found in parts.values()):
        raise UnknownStructureError("its blocks do not run once a forward pass")
    return torch.stack([torch.cat(parts[depth]) for depth in depths]).numpy()


@contextmanager
def replaced(loaded: LoadedModel, layer: int, function: Callable[[torch.Tensor], torch.Tensor]) -> Iterator[None]:
    """Forward passes within go on with function(hidden states) where the block of this layer ends."""

    def put(_: torch.nn.Module, __: tuple[Any, ...], made: Any) -> Any:
        hidden = first(made)
        other = function(hidden).to(hidden)
        return (other, *made[1:]) if made is not hidden else other

    with hooked([blocks_of(loaded.model)[layer].register_forward_hook(put)]):
        yield
