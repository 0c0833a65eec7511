"""The residual stream against transformers' own hidden states."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
import torch

from assets.models.engine.calls import UnknownStructureError
from assets.models.engine.loaded import LoadedModel
from assets.models.engine.residual import depth_of, read_residual, replaced

ARCHITECTURES = ["gpt2", "gpt_neox", "opt", "llama", "gemma3_text", "gpt_oss", "lfm2", "bloom", "gptj"]
"""Not Mamba, whose hidden states transformers gives without those before the first block."""


@pytest.fixture
def token_ids() -> torch.Tensor:
    return torch.randint(1, 60, (5, 9), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("activation_bytes", [2**30, 1], ids=["one batch", "several"])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_equals_hidden_states(
    tiny_model: Callable[..., LoadedModel], token_ids: torch.Tensor, architecture: str, activation_bytes: int
) -> None:
    loaded = dataclasses.replace(tiny_model(architecture), activation_bytes=activation_bytes)
    with torch.no_grad():
        states = loaded.model(token_ids, output_hidden_states=True).hidden_states

    found = read_residual(loaded, token_ids, [0, 1])

    assert found.dtype == np.float32
    assert depth_of(loaded) == 2
    for depth in (0, 1):
        np.testing.assert_allclose(found[depth], states[depth], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("architecture", "norm"), [("llama", "norm"), ("gpt2", "ln_f"), ("mamba", "norm_f")])
def test_last_depth_stands_before_the_last_norm(
    tiny_model: Callable[..., LoadedModel], token_ids: torch.Tensor, architecture: str, norm: str
) -> None:
    loaded = tiny_model(architecture)
    with torch.no_grad():
        ended = loaded.model.base_model(token_ids).last_hidden_state

        (found,) = read_residual(loaded, token_ids, [2])

        normed = loaded.model.base_model.get_submodule(norm)(torch.from_numpy(found))
    torch.testing.assert_close(normed, ended, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("architecture", ["gpt2", "llama", "bloom"])
def test_replaced_by_itself_changes_nothing_and_by_another_decides_what_follows(
    tiny_model: Callable[..., LoadedModel], token_ids: torch.Tensor, architecture: str
) -> None:
    loaded = tiny_model(architecture)
    other = torch.randn(5, 9, 32)
    with torch.no_grad():
        plain = loaded.model(token_ids).logits
        with replaced(loaded, 0, lambda hidden: hidden.clone()):
            same = loaded.model(token_ids).logits
        with replaced(loaded, 0, lambda hidden: other):
            (written,) = read_residual(loaded, token_ids, [1])
            changed = loaded.model(token_ids).logits
            of_other_tokens = loaded.model(token_ids.flip(0)).logits
        after = loaded.model(token_ids).logits

    torch.testing.assert_close(same, plain, atol=0, rtol=0)
    torch.testing.assert_close(after, plain, atol=0, rtol=0)
    np.testing.assert_array_equal(written, other)
    assert (changed - plain).abs().max() > 0.1
    torch.testing.assert_close(of_other_tokens, changed, atol=0, rtol=0)


def test_models_without_a_list_of_blocks_are_refused(tiny_model: Callable[..., LoadedModel]) -> None:
    loaded = tiny_model("llama")
    loaded.model.config.num_hidden_layers = 3

    with pytest.raises(UnknownStructureError, match="one list"):
        read_residual(loaded, torch.ones(1, 2, dtype=torch.int64), [1])
