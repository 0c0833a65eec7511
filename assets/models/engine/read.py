"""Attention scores of many sequences: forward passes of a model's body that read as they go.

One pass a batch serves all readouts, and no language-model head is computed. Architectures that transformers' attention
interface does not reach, or that use it in a way unknown here, are read from their own eager attention, which holds
every layer's matrix. Not here: next-token predictions (predict.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from assets.models.engine.attend import IMPLEMENTATION, LayerReading, Recorder, UnreadableError, recording, switched
from assets.models.engine.loaded import LoadedModel
from assets.models.engine.mask import Mask
from assets.models.engine.readouts import Plan, Readout

TOKENS_PER_BATCH = 4096
EAGER_TOKENS_PER_BATCH = 512


class NoAttentionError(Exception):
    """The model has no attention, or none that it shows."""


@dataclass(frozen=True)
class Score:
    """One readout in one layer: values, float32 (sequences, heads), and what uniform attention would score."""

    values: np.ndarray
    chance: float


@dataclass(frozen=True)
class AttentionReading:
    """What was read.

    Attributes:
        scores: by layer and readout; none where the layer lets no query see a wanted key.
        implementation: kernel, blocks or eager, joined by `+` where layers differ.
        row_sum_error: largest deviation of a checked row's sum from one, a learned sink's share included.
    """

    scores: dict[tuple[int, str], Score]
    implementation: str
    row_sum_error: float


def read_attention(
    loaded: LoadedModel, token_ids: torch.Tensor, readouts: Mapping[str, Readout], portable: bool = False
) -> AttentionReading:
    """Scores of all readouts in every layer and head.

    Args:
        token_ids: int64 (sequences, tokens), all attended: no padding.
        portable: takes blocks even where the fused kernel applies.

    Raises:
        NoAttentionError: there is none to read.
    """
    plan = Plan.of(readouts, token_ids.shape[1], loaded.device)
    with torch.inference_mode():
        try:
            batches = list(_by_interface(loaded, token_ids, plan, portable))
        except UnreadableError:
            batches = []
        if not any(batches):
            batches = list(_by_eager(loaded, token_ids, plan))
    return _joined(batches, plan)


def _by_interface(
    loaded: LoadedModel, token_ids: torch.Tensor, plan: Plan, portable: bool
) -> Iterator[dict[int, LayerReading]]:
    """Per batch what each layer's attention function recorded; nothing where the model does not call it."""
    with switched(loaded.model, IMPLEMENTATION) as reached:
        for batch in _batches(token_ids, TOKENS_PER_BATCH) if reached else ():
            recorder = Recorder(plan, portable)
            with recording(recorder):
                _body(loaded, batch)
            yield recorder.layers


def _by_eager(loaded: LoadedModel, token_ids: torch.Tensor, plan: Plan) -> Iterator[dict[int, LayerReading]]:
    """Per batch the same, from the matrices that the model itself returns."""
    config = loaded.model.config.get_text_config()
    with switched(loaded.model, "eager"):
        for batch in _batches(token_ids, EAGER_TOKENS_PER_BATCH):
            matrices = getattr(_body(loaded, batch, output_attentions=True), "attentions", None) or ()
            if len(matrices) not in {0, config.num_hidden_layers}:
                raise NoAttentionError("The model shows attention without saying of which layers.")
            yield {
                layer: _from_matrix(matrix.float(), layer, config, plan)
                for layer, matrix in enumerate(matrices)
                if matrix.shape[2:] == (batch.shape[1], batch.shape[1])
            }


def _from_matrix(matrix: torch.Tensor, layer: int, config: Any, plan: Plan) -> LayerReading:
    """One layer's reading from its probabilities (sequences, heads, queries, keys)."""
    window = None
    if getattr(config, "model_type", None) == "gpt_neo" and config.attention_layers[layer] == "local":
        ones = torch.ones(1, 1, *matrix.shape[2:], dtype=torch.bool, device=matrix.device)
        window = ones.tril().triu(1 - config.window_size)
    scores = matrix[:, :, plan.queries, plan.keys] @ plan.weights
    error = (matrix.sum(-1) - 1).abs().max().item()
    return LayerReading("eager", scores, Mask(window, plan).chance, error)


def _body(loaded: LoadedModel, token_ids: torch.Tensor, **options: bool) -> Any:
    """A forward pass without the language-model head."""
    return loaded.model.base_model(token_ids.to(loaded.device), use_cache=False, **options)


def _batches(token_ids: torch.Tensor, n_tokens: int) -> tuple[torch.Tensor, ...]:
    return token_ids.split(max(1, n_tokens // token_ids.shape[1]))


def _joined(batches: list[dict[int, LayerReading]], plan: Plan) -> AttentionReading:
    """The batches' readings as one, without the readouts that a layer cannot see."""
    if not any(batches):
        raise NoAttentionError("The model has no attention, or none that it shows.")
    readings = [reading for batch in batches for reading in batch.values()]
    scores = {}
    for layer, first in sorted(batches[0].items()):
        values = torch.cat([batch[layer].scores for batch in batches]).cpu().numpy()
        for column, (name, chance) in enumerate(zip(plan.names, first.chance, strict=True)):
            if chance is not None:
                scores[layer, name] = Score(values[:, :, column], chance)
    paths = sorted({reading.path for reading in readings})
    return AttentionReading(scores, "+".join(paths), float(np.max([reading.row_sum_error for reading in readings])))
