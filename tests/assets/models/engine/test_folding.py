"""Folds against norms of torch and transformers, whose formulas are known."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from transformers import OPTConfig, OPTForCausalLM
from transformers.models.gemma2.modeling_gemma2 import Gemma2RMSNorm
from transformers.models.llama.modeling_llama import LlamaRMSNorm

from assets.models.engine.calls import UnknownStructureError
from assets.models.engine.folding import Fold, fold_at_the_end, fold_of
from assets.models.engine.loaded import LoadedModel
from tests.assets.conftest import OF_ARCHITECTURE

D_MODEL = 12


def randomised(module: torch.nn.Module) -> torch.nn.Module:
    torch.manual_seed(1)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter)
    return module


def fold(function: Callable[[torch.Tensor], torch.Tensor], dtype: torch.dtype = torch.float32) -> Fold:
    with torch.no_grad():
        return fold_of(function, D_MODEL, dtype)


@pytest.mark.parametrize(
    ("norm", "gain", "centres"),
    [
        (torch.nn.LayerNorm(D_MODEL), lambda x: x.weight, True),
        (torch.nn.LayerNorm(D_MODEL, elementwise_affine=False), lambda x: torch.ones(D_MODEL), True),
        (LlamaRMSNorm(D_MODEL), lambda x: x.weight, False),
        (Gemma2RMSNorm(D_MODEL), lambda x: 1 + x.weight, False),
        (torch.nn.Dropout().eval(), lambda x: torch.ones(D_MODEL), False),
    ],
    ids=["LayerNorm", "LayerNorm without gain", "RMSNorm", "RMSNorm, 1 + w", "none"],
)
def test_gain_and_mean(norm: torch.nn.Module, gain: Callable, centres: bool) -> None:
    found = fold(randomised(norm))

    torch.testing.assert_close(
        found.gain, gain(norm).detach(), atol=1e-4, rtol=1e-4
    )  # the norms' epsilon, 1e-5 or less
    assert found.centres is centres


def test_half_precision() -> None:
    norm = randomised(torch.nn.LayerNorm(D_MODEL)).to(torch.bfloat16)

    found = fold(norm, torch.bfloat16)

    torch.testing.assert_close(found.gain, norm.weight.detach().float(), atol=0.03, rtol=0.02)  # type: ignore[union-attr]
    assert found.centres


@pytest.mark.parametrize(
    "function",
    [torch.tanh, lambda x: x.flip(-1), lambda x: x.softmax(-1), lambda x: x[:, : D_MODEL // 2]],
    ids=["tanh", "mixing", "softmax", "narrower"],
)
def test_what_is_no_normalisation_is_refused(function: Callable[[torch.Tensor], torch.Tensor]) -> None:
    with pytest.raises(UnknownStructureError):
        fold(function)


def test_an_unembedding_behind_a_projection_is_refused() -> None:
    config = OPTConfig(**OF_ARCHITECTURE["opt"] | {"word_embed_proj_dim": 16})

    with pytest.raises(UnknownStructureError, match="width"):
        fold_at_the_end(LoadedModel("narrow@main", "natural", OPTForCausalLM(config), torch.arange(1, 60)))


@pytest.mark.parametrize("norm", [torch.nn.LayerNorm(D_MODEL), LlamaRMSNorm(D_MODEL)], ids=["LayerNorm", "RMSNorm"])
def test_folded_weights_do_what_norm_and_weights_do_up_to_a_factor_a_vector(norm: torch.nn.Module) -> None:
    randomised(norm)
    if isinstance(norm, torch.nn.LayerNorm):
        torch.nn.init.zeros_(norm.bias)
    found, weight, x = fold(norm), torch.randn(D_MODEL, 5), torch.randn(7, D_MODEL)

    with torch.no_grad():
        factor = (norm(x) @ weight) / (x @ found.into_reader(weight))
        same = x @ found.into_reader(weight), found.into_writer(x) @ weight

    torch.testing.assert_close(factor, factor[:, :1].expand_as(factor), atol=1e-4, rtol=1e-3)
    assert (factor > 0).all()
    torch.testing.assert_close(*same, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("architecture", "gain", "centres"),
    [
        ("gpt2", lambda base: base.ln_f.weight, True),
        ("gpt_neox", lambda base: base.final_layer_norm.weight, True),
        ("llama", lambda base: base.norm.weight, False),
        ("gemma2", lambda base: 1 + base.norm.weight, False),
        ("bloom", lambda base: base.ln_f.weight, True),
        ("mamba", lambda base: base.norm_f.weight, False),
    ],
)
def test_last_normalisation(
    tiny_model: Callable[..., LoadedModel], architecture: str, gain: Callable, centres: bool
) -> None:
    loaded = tiny_model(architecture)
    wanted = gain(loaded.model.base_model).detach()
    torch.nn.init.normal_(next(p for p in loaded.model.parameters() if p.shape == wanted.shape))

    found = fold_at_the_end(loaded)

    torch.testing.assert_close(found.gain, gain(loaded.model.base_model).detach(), atol=1e-4, rtol=1e-4)
    assert found.centres is centres
