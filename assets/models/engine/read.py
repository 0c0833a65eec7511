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

from assets.models.engine.attend import (
    IMPLEMENTATION,
    SELECTS,
    LayerReading,
    NoAttentionError,
    Recorder,
    UnreadableError,
    recording,
    switched,
)
from assets.models.engine.batches import batches
from assets.models.engine.loaded import LoadedModel
from assets.models.engine.mask import Mask
from assets.models.engine.paths import row_entropy
from assets.models.engine.readouts import Plan, Readout

NO_PROBABILITIES = 0.05
"""Rows further than this from a sum of one are not read from matrices that a model shows: more than rounding in half
precision, less than what matters."""

UNDERFLOW = 0.002
"""Share of the pairs in a window that may have no probability in any head: sharp heads leave some too small for
float32. More are hidden by a selection of keys."""


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
        entropy: by layer, float32 (sequences, heads), where asked for: see paths.py, Attended.
        sink_share: the same, of layers with learned sinks.
        implementation: kernel, blocks or eager, joined by `+` where layers differ.
        row_sum_error: largest deviation of a checked row's sum from one, a learned sink's share included.
    """

    scores: dict[tuple[int, str], Score]
    entropy: dict[int, np.ndarray]
    sink_share: dict[int, np.ndarray]
    implementation: str
    row_sum_error: float


def read_attention(
    loaded: LoadedModel,
    token_ids: torch.Tensor,
    readouts: Mapping[str, Readout],
    portable: bool = False,
    rows: bool = False,
) -> AttentionReading:
    """Scores of all readouts in every layer and head.

    Args:
        token_ids: int64 (sequences, tokens), all attended: no padding.
        portable: takes blocks even where the fused kernel applies.
        rows: reads the entropy of rows and the share of learned sinks too.

    Raises:
        NoAttentionError: there is none to read, or none of which a score would mean something.
    """
    plan = Plan.of(readouts, token_ids.shape[1], loaded.device, rows)
    with torch.inference_mode():
        try:
            read = list(_by_interface(loaded, token_ids, plan, portable))
        except UnreadableError:
            read = []
        if not any(read):
            read = list(_by_eager(loaded, token_ids, plan))
    return _joined(read, plan)


def _by_interface(
    loaded: LoadedModel, token_ids: torch.Tensor, plan: Plan, portable: bool
) -> Iterator[dict[int, LayerReading]]:
    """Per batch what each layer's attention function recorded; nothing where the model does not call it."""
    with switched(loaded.model, IMPLEMENTATION) as reached:
        for batch in batches(loaded, token_ids) if reached else ():
            recorder = Recorder(plan, portable)
            with recording(recorder):
                _body(loaded, batch)
            yield recorder.layers


def _by_eager(loaded: LoadedModel, token_ids: torch.Tensor, plan: Plan) -> Iterator[dict[int, LayerReading]]:
    """Per batch the same, from the matrices that the model itself returns."""
    n_layers = getattr(loaded.model.config.get_text_config(), "num_hidden_layers", None)
    with switched(loaded.model, "eager"):
        for batch in batches(loaded, token_ids, n_matrices=n_layers or 1):
            matrices = getattr(_body(loaded, batch, output_attentions=True), "attentions", None) or ()
            if len(matrices) not in {0, n_layers}:
                raise NoAttentionError("The model shows attention without saying of which layers.")
            yield {
                layer: _from_matrix(matrix.float(), layer, plan)
                for layer, matrix in enumerate(matrices)
                if matrix is not None and matrix.shape[2:] == (plan.n_tokens, plan.n_tokens)
            }


def _from_matrix(matrix: torch.Tensor, layer: int, plan: Plan) -> LayerReading:
    """One layer's reading from its probabilities (sequences, heads, queries, keys).

    The mask is not given here: keys further away than any head of any sequence attends count as hidden.

    Raises:
        NoAttentionError: they are no probabilities, or not of causal attention.
    """
    error = (matrix.sum(-1) - 1).abs().max().item()
    if error > NO_PROBABILITIES or (matrix < 0).any():
        raise NoAttentionError(f"Rows of what the model shows as attention of layer {layer} do not sum to one.")
    seen = matrix.ne(0).any(1)
    queries, keys = seen.any(0).nonzero(as_tuple=True)
    if (keys > queries).any():
        raise NoAttentionError(f"Layer {layer} attends to later tokens: this is no causal language model.")
    window = torch.ones_like(matrix[:1, :1], dtype=torch.bool).tril().triu(-int((queries - keys).max()))
    if (window[0] & ~seen).sum() > UNDERFLOW * len(seen) * window.sum():
        raise NoAttentionError(SELECTS.format(layer=layer))
    mask = Mask(window, plan)
    scores = matrix[:, :, plan.queries, plan.keys] @ plan.weights
    entropy = None if mask.entropy_weights is None else row_entropy(matrix) @ mask.entropy_weights
    return LayerReading("eager", scores, mask.chance, error, entropy)


def _body(loaded: LoadedModel, token_ids: torch.Tensor, **options: bool) -> Any:
    """A forward pass without the language-model head."""
    return loaded.model.base_model(token_ids.to(loaded.device), use_cache=False, **options)


def _joined(read: list[dict[int, LayerReading]], plan: Plan) -> AttentionReading:
    """The batches' readings as one, without the readouts that a layer cannot see."""
    if not any(read):
        raise NoAttentionError("The model has no attention, or none that it shows.")
    by_layer = {layer: [batch[layer] for batch in read] for layer in sorted(read[0])}
    scores = {}
    for layer, readings in by_layer.items():
        values = _whole([reading.scores for reading in readings])
        for column, (name, chance) in enumerate(zip(plan.names, readings[0].chance, strict=True)):
            if chance is not None:
                scores[layer, name] = Score(values[:, :, column], chance)
    every = [reading for readings in by_layer.values() for reading in readings]
    return AttentionReading(
        scores,
        _of_layers(by_layer, "entropy"),
        _of_layers(by_layer, "sink_share"),
        "+".join(sorted({reading.path for reading in every})),
        float(np.max([reading.row_sum_error for reading in every])),
    )


def _of_layers(by_layer: dict[int, list[LayerReading]], field: str) -> dict[int, np.ndarray]:
    """A field of the readings, of the layers that have it."""
    parts = {layer: [getattr(reading, field) for reading in readings] for layer, readings in by_layer.items()}
    return {layer: _whole(values) for layer, values in parts.items() if values[0] is not None}


def _whole(parts: list[torch.Tensor]) -> np.ndarray:
    """Batches as one array, sequences first."""
    return torch.cat(parts).cpu().numpy()
