"""Outputs of heads and what they attend to most, against transformers' own eager attention."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
import torch

from assets.models.engine.attended import Attended, read_attended
from assets.models.engine.calls import UnknownStructureError
from assets.models.engine.head_weights import HeadReader
from assets.models.engine.loaded import LoadedModel

WITH_LINEAR_OUTPUTS = ["gpt2", "gpt_neox", "opt", "llama", "qwen3", "gemma3_text", "gpt_oss"]


@pytest.fixture
def token_ids() -> torch.Tensor:
    return torch.randint(1, 60, (5, 12), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("activation_bytes", [2**30, 1], ids=["one batch", "several"])
@pytest.mark.parametrize("architecture", WITH_LINEAR_OUTPUTS)
def test_equals_eager_attention(
    tiny_model: Callable[..., LoadedModel],
    token_ids: torch.Tensor,
    architecture: str,
    activation_bytes: int,
) -> None:
    loaded = dataclasses.replace(tiny_model(architecture), activation_bytes=activation_bytes)
    reader = HeadReader(loaded)
    output = {layer: reader.read(layer).output for layer in reader.layers}
    written: dict[int, torch.Tensor] = {}
    modules = [m for m in loaded.model.modules() if hasattr(m, "layer_idx") and hasattr(m, "is_causal")]
    for module in modules:
        module.register_forward_hook(lambda m, _, made: written.update({m.layer_idx: made[0]}))
    loaded.model.set_attn_implementation("eager")
    with torch.no_grad():
        matrices = loaded.model(token_ids, output_attentions=True).attentions
    eager = dict(written)

    def reduce(layer: int, tokens: torch.Tensor, found: Attended) -> np.ndarray:
        weight = output[layer]
        assert weight is not None
        together = torch.einsum("bthd,hdm->btm", found.output, weight).numpy()
        return np.concatenate([together, found.most.numpy()], axis=-1)

    for layer, found in read_attended(loaded, token_ids, reduce).items():
        together, most = np.split(found, [32], axis=-1)
        np.testing.assert_array_equal(most, matrices[layer].argmax(-1).transpose(1, 2))
        bias = eager[layer] - torch.from_numpy(together).float()
        rounding = 1e-5 * eager[layer].abs().max().item()  # of float32, over two layers
        torch.testing.assert_close(bias, bias[:1, :1].expand_as(bias), atol=rounding, rtol=0)


@pytest.mark.parametrize(("architecture", "windows"), [("gemma3_text", [4, 12]), ("llama", [12, 12])])
def test_visible_keys(
    tiny_model: Callable[..., LoadedModel], token_ids: torch.Tensor, architecture: str, windows: list[int]
) -> None:
    found = read_attended(tiny_model(architecture), token_ids[:1], lambda _, __, seen: seen.visible[None].numpy())

    for layer, window in enumerate(windows):
        np.testing.assert_array_equal(found[layer][0], np.tril(np.triu(np.ones((12, 12), dtype=bool), 1 - window)))


@pytest.mark.parametrize("architecture", ["bloom", "mamba"])
def test_what_cannot_be_read_is_said(
    tiny_model: Callable[..., LoadedModel], token_ids: torch.Tensor, architecture: str
) -> None:
    with pytest.raises(UnknownStructureError):
        read_attended(tiny_model(architecture), token_ids, lambda *_: np.zeros(1))
