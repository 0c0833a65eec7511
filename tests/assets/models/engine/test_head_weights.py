"""Weights told by behaviour against the same cut out of each architecture's own parameters by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from assets.models.engine import head_weights
from assets.models.engine.calls import UnknownStructureError
from assets.models.engine.head_weights import HeadReader, LayerWeights
from assets.models.engine.loaded import LoadedModel
from tests.assets.conftest import GROUPED, OF_ARCHITECTURE, SIZES

N_HEADS, N_KEY_HEADS, D_MODEL, D_HEAD = 4, 2, 32, 8
LATENT = {"q_lora_rank": 16, "kv_lora_rank": 16, "qk_rope_head_dim": 4, "qk_nope_head_dim": 4, "v_head_dim": 8}
OTHERS: dict[str, dict[str, Any]] = {
    "bert": SIZES | {"is_decoder": True},
    "phi3": GROUPED,
    "olmo2": GROUPED,
    "smollm3": GROUPED | {"no_rope_layers": [1, 0], "layer_types": ["full_attention"] * 2},
    "granite": GROUPED | {"residual_multiplier": 0.3, "embedding_multiplier": 3.0, "attention_multiplier": 0.1},
    "deepseek_v3": GROUPED | LATENT | {"first_k_dense_replace": 2, "num_key_value_heads": 4, "head_dim": 4},
    "afmoe": GROUPED | {"num_dense_layers": 2, "layer_types": ["full_attention"] * 2},
}


def model_of(architecture: str) -> LoadedModel:
    """Random weights everywhere, gains and biases included."""
    torch.manual_seed(3)
    options = OTHERS.get(architecture) or OF_ARCHITECTURE[architecture]
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(architecture, **options))
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return LoadedModel(f"tiny-{architecture}@main", "natural", model, torch.arange(1, 61))


def heads_of(rows: torch.Tensor) -> torch.Tensor:
    """From a torch.nn.Linear's weight, (heads * d, d_model), to (heads, d_model, d)."""
    return rows.unflatten(0, (-1, D_HEAD)).mT


def of_llama(layer: torch.nn.Module) -> tuple[torch.Tensor, ...]:
    a = layer.self_attn
    return *(heads_of(p.weight) for p in (a.q_proj, a.k_proj, a.v_proj)), a.o_proj.weight.T.unflatten(0, (-1, D_HEAD))


def of_opt(layer: torch.nn.Module) -> tuple[torch.Tensor, ...]:
    a = layer.self_attn
    return *(heads_of(p.weight) for p in (a.q_proj, a.k_proj, a.v_proj)), a.out_proj.weight.T.unflatten(0, (-1, D_HEAD))


def of_gpt2(layer: torch.nn.Module) -> tuple[torch.Tensor, ...]:
    columns = layer.attn.c_attn.weight.split(D_MODEL, dim=1)
    read = [part.unflatten(1, (-1, D_HEAD)).transpose(0, 1) for part in columns]
    return *read, layer.attn.c_proj.weight.unflatten(0, (-1, D_HEAD))


def of_gpt_neox(layer: torch.nn.Module) -> tuple[torch.Tensor, ...]:
    fused = layer.attention.query_key_value.weight.unflatten(0, (N_HEADS, 3, D_HEAD))
    return *(fused[:, part].mT for part in range(3)), layer.attention.dense.weight.T.unflatten(0, (-1, D_HEAD))


def of_phi3(layer: torch.nn.Module) -> tuple[torch.Tensor, ...]:
    a = layer.self_attn
    rows = a.qkv_proj.weight.split([N_HEADS * D_HEAD, N_KEY_HEADS * D_HEAD, N_KEY_HEADS * D_HEAD])
    return *map(heads_of, rows), a.o_proj.weight.T.unflatten(0, (-1, D_HEAD))


def layers_of(loaded: LoadedModel) -> Any:
    base = loaded.model.base_model
    return getattr(base, "h", None) or getattr(base, "layers", None) or base.decoder.layers


SCALE = {"gemma2": 1.0, "granite": 0.1}
"""Of the scores, by configuration; elsewhere 1 / sqrt(d_head)."""
ONES = torch.ones(D_MODEL)
BY_HAND: dict[str, tuple[Callable, Callable, Callable, bool, bool]] = {
    # weights of a layer, gain in front, gain behind, whether the mean is removed, rotary
    "gpt2": (of_gpt2, lambda x: x.ln_1.weight, lambda x: ONES, True, False),
    "gpt_neox": (of_gpt_neox, lambda x: x.input_layernorm.weight, lambda x: ONES, True, True),
    "opt": (of_opt, lambda x: x.self_attn_layer_norm.weight, lambda x: ONES, True, False),
    "llama": (of_llama, lambda x: x.input_layernorm.weight, lambda x: ONES, False, True),
    "granite": (of_llama, lambda x: x.input_layernorm.weight, lambda x: ONES, False, True),
    "phi3": (of_phi3, lambda x: x.input_layernorm.weight, lambda x: ONES, False, True),
    "gemma2": (
        of_llama,
        lambda x: 1 + x.input_layernorm.weight,
        lambda x: 1 + x.post_attention_layernorm.weight,
        False,
        True,
    ),
}


def read(loaded: LoadedModel, layer: int = 1) -> LayerWeights:
    return HeadReader(loaded).read(layer)


@pytest.mark.parametrize("chunk", [256, 7], ids=["one call", "several"])
@pytest.mark.parametrize("architecture", BY_HAND)
def test_equals_weights_cut_out_by_hand(architecture: str, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(head_weights, "CHUNK", chunk)
    loaded = model_of(architecture)
    cut, gain_before, gain_after, centres, rotary = BY_HAND[architecture]

    reader = HeadReader(loaded)

    assert reader.layers == [0, 1]
    for number, layer in enumerate(layers_of(loaded)):
        found = reader.read(number)
        query, *others = cut(layer)
        expected = (query * SCALE.get(architecture, D_HEAD**-0.5), *others)
        for weights, wanted in zip((found.query, found.key, found.value, found.output), expected, strict=True):
            assert weights is not None
            # float32 differences of sums as large as the biases, which are of the weights' size
            torch.testing.assert_close(weights, wanted.detach(), atol=2e-6, rtol=1e-5)
        torch.testing.assert_close(found.before.gain, gain_before(layer).detach(), atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(found.after.gain, gain_after(layer).detach(), atol=1e-5, rtol=1e-4)
        assert found.before.centres is centres
        assert not found.after.centres
        assert found.rotary is rotary


def test_circuits_go_from_residual_stream_to_residual_stream() -> None:
    """By autograd: the Jacobian of what one head adds, at unit factors of both normalisations."""
    loaded = model_of("llama")
    layer = layers_of(loaded)[1]

    found = read(loaded).reading_and_writing()

    assert found is not None
    gain, head = layer.input_layernorm.weight.detach(), 3
    value_rows = layer.self_attn.v_proj.weight[(head // 2) * D_HEAD : (head // 2 + 1) * D_HEAD].detach()
    output_columns = layer.self_attn.o_proj.weight[:, head * D_HEAD : (head + 1) * D_HEAD].detach()
    wanted = torch.autograd.functional.jacobian(lambda x: output_columns @ (value_rows @ (gain * x)), torch.zeros(32)).T
    torch.testing.assert_close(found[0][head] @ found[1][head], wanted, atol=1e-5, rtol=1e-4)


def test_after_a_norm_that_centres_circuits_ignore_the_mean() -> None:
    found = read(model_of("gpt2"))

    for reading in (found.reading_and_writing(), found.matching()):
        assert reading is not None
        torch.testing.assert_close((torch.ones(D_MODEL) @ reading[0]), torch.zeros(N_HEADS, D_HEAD), atol=1e-4, rtol=0)


def test_keys_serve_the_query_heads_of_their_group() -> None:
    found = read(model_of("llama"))

    matching = found.matching()

    assert matching is not None
    assert found.key is not None
    for head in range(N_HEADS):
        torch.testing.assert_close(matching[1][head], found.before.gain[:, None] * found.key[head // 2])


def test_normalised_queries_leave_values_and_outputs() -> None:
    loaded = model_of("qwen3")

    found = read(loaded)

    assert (found.query, found.key, found.rotary, found.matching()) == (None, None, None, None)
    torch.testing.assert_close(found.value, of_llama(layers_of(loaded)[1])[2].detach(), atol=2e-6, rtol=1e-5)
    assert found.reading_and_writing() is not None


def test_without_a_norm_in_front_nothing_is_folded_there() -> None:
    loaded = model_of("olmo2")

    found = read(loaded)

    torch.testing.assert_close(found.before.gain, ONES)
    assert not found.before.centres
    gain = layers_of(loaded)[1].post_attention_layernorm.weight.detach()
    torch.testing.assert_close(found.after.gain, gain, atol=1e-5, rtol=1e-4)


def test_layers_without_rotation_are_told_from_those_with() -> None:
    reader = HeadReader(model_of("smollm3"))

    assert [reader.read(layer).rotary for layer in reader.layers] == [True, False]


def test_latent_values_behind_a_norm_are_no_linear_map() -> None:
    found = read(model_of("deepseek_v3"))

    assert found.value is None
    assert found.reading_and_writing() is None
    assert found.output is not None


def test_gated_outputs_are_no_linear_map() -> None:
    found = read(model_of("afmoe"))

    assert found.output is None
    assert found.value is not None


@pytest.mark.parametrize(
    ("architecture", "reason"),
    [("bloom", "interface"), ("mamba", "no attention"), ("bert", "plain normalisation")],
    ids=["without the interface", "without attention", "outputs outside the attention module"],
)
def test_what_cannot_be_read_is_said(architecture: str, reason: str) -> None:
    with pytest.raises(UnknownStructureError, match=reason):
        read(model_of(architecture))


def test_only_layers_that_attend_are_listed() -> None:
    assert HeadReader(model_of("lfm2")).layers == [1]


def test_half_precision_gives_the_rounded_weights() -> None:
    loaded = model_of("llama")
    loaded.model.to(torch.bfloat16)

    found = read(loaded)

    for weights, wanted in zip((found.value, found.output), of_llama(layers_of(loaded)[1])[2:], strict=True):
        torch.testing.assert_close(weights, wanted.detach().float(), atol=0, rtol=2**-8)


def test_leaves_the_model_as_it_was() -> None:
    loaded = model_of("gemma2")
    loaded.model.set_attn_implementation("eager")
    token_ids = torch.randint(1, 60, (2, 9))
    before = loaded.model(token_ids).logits

    read(loaded)

    assert loaded.model.config._attn_implementation == "eager"
    torch.testing.assert_close(loaded.model(token_ids).logits, before, atol=0, rtol=0)
    assert not any(module._forward_pre_hooks or module._forward_hooks for module in loaded.model.modules())
