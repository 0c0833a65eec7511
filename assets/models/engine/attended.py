"""What each head attends to most, and what it makes of that, on short inputs.

The attention function of attend.py is asked for whole rows: values that are basis vectors come back as probabilities.
One layer's matrices at a time are held, so inputs must be short (some hundred tokens). Not here: chosen probabilities
of long inputs (read.py).
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, NamedTuple

import numpy as np
import torch
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import sdpa_mask

from assets.models.engine.attend import Recorder, UnreadableError, attend, recording, switched
from assets.models.engine.batches import batches
from assets.models.engine.calls import UnknownStructureError, body
from assets.models.engine.loaded import LoadedModel
from assets.models.engine.readouts import Plan

IMPLEMENTATION = "moving_target_attended"


class Attended(NamedTuple):
    """One layer of one batch.

    Attributes:
        output: (sequences, tokens, heads, d_value), the heads' outputs before W_O.
        most: int64 (sequences, tokens, heads), the position that each query attends to most.
        visible: bool (tokens, tokens), which keys (columns) the layer's mask lets each query see.
    """

    output: torch.Tensor
    most: torch.Tensor
    visible: torch.Tensor


_taker: ContextVar[Callable[[int, Attended], None]] = ContextVar("taker")


def with_rows(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    **others: Any,
) -> tuple[torch.Tensor, None]:
    """transformers' attention function that hands each layer to the taker."""
    n_tokens = query.shape[2]
    basis = torch.eye(n_tokens, dtype=value.dtype, device=value.device).expand(*value.shape[:2], -1, -1)
    matrix, _ = attend(module, query, key, basis, attention_mask, **others)
    by_group = matrix.unflatten(2, (value.shape[1], -1))
    output = torch.einsum("bqgrk,bgkd->bqgrd", by_group, value).flatten(2, 3).contiguous()
    layer: Any = module.layer_idx
    _taker.get()(layer, Attended(output, matrix.argmax(-1), _visible(attention_mask, n_tokens)))
    return output, None


AttentionInterface.register(IMPLEMENTATION, with_rows)
AttentionMaskInterface.register(IMPLEMENTATION, sdpa_mask)


def read_attended(
    loaded: LoadedModel,
    token_ids: torch.Tensor,
    reduce: Callable[[int, torch.Tensor, Attended], np.ndarray],
) -> dict[int, np.ndarray]:
    """What is made of every layer's attention.

    Args:
        token_ids: int64 (sequences, tokens), all attended: no padding.
        reduce: makes (sequences, ...) of a layer's number, the batch's tokens and what was attended.

    Returns:
        By layer (sequences, ...).

    Raises:
        UnknownStructureError: the model does not attend in a way that can be read.
    """
    found: dict[int, list[np.ndarray]] = {}
    n_tokens = token_ids.shape[1]
    positions = np.arange(n_tokens)
    plan = Plan.of({"self": (positions, positions)}, n_tokens, loaded.device)
    with torch.inference_mode(), switched(loaded.model, IMPLEMENTATION) as reached:
        for batch in batches(loaded, token_ids) if reached else ():

            def take(layer: int, attended: Attended, batch: torch.Tensor = batch) -> None:
                found.setdefault(layer, []).append(reduce(layer, batch, attended))

            token = _taker.set(take)
            try:
                with recording(Recorder(plan, portable=True)):
                    body(loaded, batch)
            except UnreadableError as error:
                raise UnknownStructureError(f"its attention can't be read: {error}") from None
            finally:
                _taker.reset(token)
    if not found:
        raise UnknownStructureError("it has no attention, or none that can be read")
    return {layer: np.concatenate(parts) for layer, parts in sorted(found.items())}


def _visible(given: torch.Tensor | None, n_tokens: int) -> torch.Tensor:
    """From a layer's mask, bool (True = attended) or a term of the logits; None for plain causal attention."""
    if given is None:
        return torch.ones(n_tokens, n_tokens, dtype=torch.bool).tril()
    shown = given if given.dtype == torch.bool else given > torch.finfo(given.dtype).min / 2
    return shown.any(0).any(0).cpu()
