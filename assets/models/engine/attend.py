"""The attention function that models are switched to while they are measured.

transformers hands it the rotated queries, keys and values of every layer in one shape, whatever the architecture. It
returns what attention always returns, and beside it records scores of a plan's readouts. Here: the registered function
and the switch. Not here: the arithmetic (paths.py), and passes over many sequences (read.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.masking_utils import sdpa_mask
from transformers.utils import logging

from assets.models.engine.mask import Mask
from assets.models.engine.paths import by_blocks, by_kernel
from assets.models.engine.readouts import Plan

Path = Literal["kernel", "blocks", "eager"]

IMPLEMENTATION = "moving_target"
"""The registered name. transformers would look for a compiled kernel if it held "flash"."""

WITHOUT_EFFECT = {"dropout", "sliding_window", "position_ids"}
"""Further arguments that change nothing: evaluation drops nothing, the mask holds the window, rotation is done."""


SELECTS = "Layer {layer} selects the keys that a query may see by what they hold: scores have no level of chance."


class UnreadableError(Exception):
    """The model attends in a way that this function does not know, though its own eager code does."""


class NoAttentionError(Exception):
    """The model has no attention, none that it shows, or one for which scores and their chance are undefined."""


@dataclass(frozen=True)
class LayerReading:
    """One layer of one forward pass; chance by readout, see mask.py; the rest as in paths.py, Attended."""

    path: Path
    scores: torch.Tensor
    chance: list[float | None]
    row_sum_error: float
    entropy: torch.Tensor | None = None
    sink_share: torch.Tensor | None = None


@dataclass
class Recorder:
    """What to read in one forward pass, and what was read, by layer. `portable` takes blocks everywhere."""

    plan: Plan
    portable: bool = False
    layers: dict[int, LayerReading] = field(default_factory=dict)
    _masks: dict[int, Mask] = field(default_factory=dict)

    def mask(self, given: torch.Tensor | None) -> Mask:
        """Layers share masks: each is examined once, and kept, so that no other can have its id."""
        if id(given) not in self._masks:
            self._masks[id(given)] = Mask(given, self.plan)
        return self._masks[id(given)]


_recorder: ContextVar[Recorder] = ContextVar("recorder")


@contextmanager
def recording(recorder: Recorder) -> Iterator[None]:
    """Forward passes within, of a model that is `switched` to IMPLEMENTATION, fill the recorder."""
    token = _recorder.set(recorder)
    try:
        yield
    finally:
        _recorder.reset(token)


@contextmanager
def switched(model: PreTrainedModel, implementation: str) -> Iterator[bool]:
    """Whether the model attends by this implementation within; its own is restored afterwards."""
    previous, verbosity = model.config._attn_implementation, logging.get_verbosity()
    logging.set_verbosity_error()  # it warns where it cannot switch, which is what is asked here
    model.set_attn_implementation(implementation)
    logging.set_verbosity(verbosity)
    try:
        yield model.config._attn_implementation == implementation
    finally:
        model.set_attn_implementation(previous)


def attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    softcap: float | None = None,
    s_aux: torch.Tensor | None = None,
    is_causal: bool | None = None,
    **others: Any,
) -> tuple[torch.Tensor, None]:
    """transformers' attention function: the output (sequences, tokens, heads, d_value), and no weights.

    Raises:
        UnreadableError: the layer is not one causal self-attention, or passes arguments whose meaning is unknown.
        NoAttentionError: what a query may see depends on more than its position.
    """
    recorder, layer = _recorder.get(), getattr(module, "layer_idx", None)
    unknown = {name for name, given in others.items() if isinstance(given, torch.Tensor | float)} - WITHOUT_EFFECT
    if unknown:
        raise UnreadableError(f"arguments {', '.join(sorted(unknown))}")
    causal = getattr(module, "is_causal", True) if is_causal is None else is_causal
    if layer is None or layer < 0 or layer in recorder.layers or query.shape[2] != key.shape[2]:
        raise UnreadableError("not one self-attention a layer")
    mask = recorder.mask(attention_mask)
    if not mask.causal or (attention_mask is None and not causal):
        raise UnreadableError("not causal")
    if mask.selects:
        raise NoAttentionError(SELECTS.format(layer=layer))

    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    plain = attention_mask is None and softcap is None and s_aux is None
    attended = None
    if plain and not recorder.portable and _kernel_takes(query, value):
        attended = by_kernel(query, key, value, scale, recorder.plan, mask, checked=layer % len(query))
    path: Path = "blocks" if attended is None else "kernel"
    if attended is None:
        attended = by_blocks(query, key, value, scale, recorder.plan, mask, softcap, s_aux)
    recorder.layers[layer] = LayerReading(
        path, attended.scores, mask.chance, attended.row_sum_error, attended.entropy, attended.sink_share
    )
    return attended.output, None


def _kernel_takes(query: torch.Tensor, value: torch.Tensor) -> bool:
    """Whether this PyTorch has its kernel, which is private to it, and the tensors suit it."""
    suits = query.device.type == "cpu" and query.dtype == torch.float32 and query.shape[-1] == value.shape[-1]
    return suits and hasattr(torch.ops.aten, "_scaled_dot_product_flash_attention_for_cpu")


AttentionInterface.register(IMPLEMENTATION, attend)
AttentionMaskInterface.register(IMPLEMENTATION, sdpa_mask)
