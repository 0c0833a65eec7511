"""What the engine makes of one decoder class, held against what the class's own eager attention says.

Here: reading attention. Not here: the models (tiny.py), replacing heads and their weights (heads.py), the table
(document.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal

import numpy as np
import torch
from transformers import PreTrainedModel

from assets.models.engine.loaded import LoadedModel
from assets.models.engine.read import AttentionReading, NoAttentionError, read_attention
from tests.architectures.heads import replaced_heads, weights_of_heads
from tests.architectures.tiny import VOCABULARY, WIDE, UnbuiltError, short, tiny_config, tiny_model
from tests.architectures.whole_matrices import N_TOKENS, every_pair, matrices_of, token_ids

TOLERANCE = 5e-5
"""Of a probability: float32 rounds logits near 100 by 1e-5, and the largest seen is 1.4e-5; a wrong mask or scale shows
as .01 and more."""
OUTPUT_TOLERANCE = 1e-4
"""Of the body's output, relative to its largest number."""
SPREAD = 0.2
"""The least that some probability must deviate from uniform attention, for an agreement to mean something."""

SHOWN_BESIDE_SINKS = {"granite_swa", "granitemoe_swa"}
"""Classes that show their rows before a learned sink takes its share: rows that sum to one."""

WITHOUT_ATTENTION = ("linear", "mamba", "conv", "recurrent", "mlp", "moe")
"""In the name of a layer's kind."""

Coverage = Literal["measured", "falls back", "not applicable", "not built"]


@dataclass(frozen=True)
class Row:
    """What was found about one class.

    Attributes:
        coverage: measured through the attention interface; read from the class's own eager attention; undefined for
            it; not built from a tiny configuration.
        path: kernel, blocks or eager, joined by `+` where layers differ.
        window: whether some layer hides keys that lie further back.
        difference: largest, of a head's probability of any (query, key), from the class's own eager attention; None
            where it shows none.
        row_sum_error: largest deviation from one of a row's sum and the learned sink's share.
        reason: why it is not applicable or not built.
        heads: whether heads can be replaced; `no: ` and why.
        weights: which weights of heads can be read; `none: ` and why.
        faults: what must not be.
    """

    model_type: str
    coverage: Coverage
    path: str = ""
    window: bool = False
    difference: float | None = None
    row_sum_error: float | None = None
    reason: str = ""
    heads: str = ""
    weights: str = ""
    faults: tuple[str, ...] = ()


@cache
def survey(model_type: str) -> Row:
    """One class, with windows and selections of keys shorter than the input, and longer ones."""
    try:
        model = tiny_model(model_type)
        row = read(model_type, model)
        if tiny_config(model_type, WIDE).to_dict() != tiny_config(model_type).to_dict():
            row = joined(row, read(model_type, tiny_model(model_type, WIDE)))
    except UnbuiltError as error:
        return Row(model_type, "not built", reason=str(error))
    loaded = loaded_as(model_type, model)
    heads, weights = replaced_heads(loaded), weights_of_heads(loaded)
    return replace(row, heads=heads.found, weights=weights.found, faults=row.faults + heads.faults + weights.faults)


def loaded_as(model_type: str, model: PreTrainedModel) -> LoadedModel:
    return LoadedModel(f"{model_type}@main", "natural", model, torch.arange(8, VOCABULARY - 8))


def joined(narrow: Row, wide: Row) -> Row:
    """One row of a class with short and with long windows; where only the long ones can be read, it says so."""
    if narrow.coverage == "not applicable" and wide.coverage != "not applicable":
        return replace(wide, reason="Only on inputs as short as the keys that it selects; longer ones: not applicable.")
    return replace(
        narrow,
        difference=max((row.difference for row in (narrow, wide) if row.difference is not None), default=None),
        row_sum_error=max((row.row_sum_error for row in (narrow, wide) if row.row_sum_error is not None), default=None),
        faults=narrow.faults + wide.faults,
    )


def read(model_type: str, model: PreTrainedModel) -> Row:
    """One model, by the fastest path and by the portable one.

    Raises:
        UnbuiltError: it does not run by itself.
    """
    loaded, shown = loaded_as(model_type, model), shown_by(model)
    try:
        with outputs_of(model) as plain, torch.inference_mode():
            model.base_model(token_ids(), use_cache=False)
        found = []
        for portable in (False, True):
            with outputs_of(model) as outputs:
                reading = read_attention(loaded, token_ids(), every_pair(), portable, rows=True)
            found.append((reading, outputs[-1]))
    except NoAttentionError as error:
        return Row(model_type, "not applicable", reason=str(error))

    fastest, _ = found[0]
    faults = list(faults_of_layers(model, fastest, shown))
    difference, row_sum_error = None, 0.0
    for reading, output in found:
        matrices = matrices_of(reading)
        row_sum_error = max(row_sum_error, error_of_rows(reading, matrices))
        change = (output - plain[0]).abs().max() / plain[0].abs().max()
        if not change <= OUTPUT_TOLERANCE:
            faults.append(f"the output changes by {change:.1e} of its largest number")
        for layer, matrix in matrices.items() if shown else ():
            if model_type in SHOWN_BESIDE_SINKS:
                matrix = matrix / matrix.sum(-1, keepdims=True)
            off = np.nan_to_num(np.abs(matrix - shown[layer]), nan=np.inf).max()
            difference = max(difference or 0.0, float(off))
    if difference is not None and not difference <= TOLERANCE:
        faults.append(f"differs from eager attention by {difference:.1e}")
    if not row_sum_error <= TOLERANCE:
        faults.append(f"a row is off one by {row_sum_error:.1e}")
    matrices = matrices_of(fastest)
    if max(np.abs(matrix - uniform()).max() for matrix in matrices.values()) < SPREAD:
        faults.append("attention is too uniform for this to be a test")
    return Row(
        model_type,
        "falls back" if fastest.implementation == "eager" else "measured",
        fastest.implementation,
        any(not np.diagonal(matrix, 1 - N_TOKENS, 2, 3).any() for matrix in matrices.values()),
        difference,
        row_sum_error,
        faults=tuple(faults),
    )


def uniform() -> np.ndarray:
    return np.tril(np.ones((N_TOKENS, N_TOKENS))) / np.arange(1, N_TOKENS + 1)[:, None]


def error_of_rows(reading: AttentionReading, matrices: dict[int, np.ndarray]) -> float:
    """Of each row, or of a layer with learned sinks of their mean, since that is how the share is had."""
    errors = []
    for layer, matrix in matrices.items():
        sums, share = matrix.sum(-1), reading.sink_share.get(layer)
        errors.append(np.abs(sums - 1 if share is None else sums.mean(-1) + share - 1).max())
    return float(np.nan_to_num(errors, nan=np.inf).max())


def shown_by(model: PreTrainedModel) -> dict[int, np.ndarray]:
    """By layer what the class's own eager attention shows; nothing where it does not say of which layers.

    Raises:
        UnbuiltError: the model does not run by itself.
    """
    try:
        with torch.inference_mode():
            output = model(token_ids(), output_attentions=True, use_cache=False)
    except Exception as error:
        raise UnbuiltError(f"It does not run on tokens alone. {short(error)}") from error
    matrices = getattr(output, "attentions", None) or ()
    layers: list[int] = list(range(n_layers_of(model)))
    if len(matrices) != len(layers):
        layers = attending_layers(model)
    if len(matrices) != len(layers):
        return {}
    whole = (N_TOKENS, N_TOKENS)
    return {
        layer: matrix.numpy()
        for layer, matrix in zip(layers, matrices, strict=True)
        if matrix is not None and matrix.shape[2:] == whole
    }


def n_layers_of(model: PreTrainedModel) -> int:
    return getattr(model.config.get_text_config(decoder=True), "num_hidden_layers", 0)


def attending_layers(model: PreTrainedModel) -> list[int]:
    """By the configuration's kinds of layers; all of them where it has none."""
    config: Any = model.config.get_text_config(decoder=True)
    kinds = getattr(config, "layer_types", None) or getattr(config, "layers_block_type", None)
    if not kinds:
        return list(range(n_layers_of(model)))
    return [layer for layer, kind in enumerate(kinds) if not any(name in kind for name in WITHOUT_ATTENTION)]


def faults_of_layers(model: PreTrainedModel, reading: AttentionReading, shown: dict[int, np.ndarray]) -> Iterator[str]:
    layers = {layer for layer, _ in reading.scores}
    if not layers <= set(attending_layers(model)):
        yield f"reads layers {sorted(layers)}, attention is in {attending_layers(model)}"
    if shown and layers != set(shown):
        yield f"reads layers {sorted(layers)}, eager attention shows {sorted(shown)}"


@contextmanager
def outputs_of(model: PreTrainedModel) -> Iterator[list[torch.Tensor]]:
    """The hidden states that the body's passes within end in."""
    outputs: list[torch.Tensor] = []
    handle = model.base_model.register_forward_hook(lambda _, given, output: outputs.append(output[0]))
    try:
        yield outputs
    finally:
        handle.remove()
