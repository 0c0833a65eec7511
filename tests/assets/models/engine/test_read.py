from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, BertConfig, BertLMHeadModel, DeepseekV32Config, DogeConfig

from assets.models.engine.loaded import LoadedModel
from assets.models.engine.read import NoAttentionError, _from_matrix, read_attention
from assets.models.engine.readouts import Plan

PREVIOUS = {"previous": (np.arange(1, 10), np.arange(9))}


@pytest.fixture
def token_ids() -> torch.Tensor:
    return torch.randint(1, 60, (7, 10), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("architecture", ["llama", "gemma3_text", "gpt_oss", "bloom"])
def test_batches_give_the_same_as_one_pass(
    tiny_model: Callable[..., LoadedModel],
    token_ids: torch.Tensor,
    architecture: str,
) -> None:
    loaded = tiny_model(architecture)
    whole = read_attention(loaded, token_ids, PREVIOUS, rows=True)

    widths = []
    loaded.model.base_model.register_forward_pre_hook(lambda _, given: widths.append(len(given[0])))
    batched = read_attention(dataclasses.replace(loaded, activation_bytes=1), token_ids, PREVIOUS, rows=True)

    assert widths[-7:] == [1] * 7
    assert batched.entropy.keys() == whole.entropy.keys() == {0, 1}
    for layer, entropy in whole.entropy.items():
        np.testing.assert_allclose(batched.entropy[layer], entropy, atol=1e-6)
    assert batched.sink_share.keys() == whole.sink_share.keys()

    assert batched.scores.keys() == whole.scores.keys()
    for key, score in whole.scores.items():
        assert score.values.shape == (7, 4)
        np.testing.assert_allclose(batched.scores[key].values, score.values, atol=1e-6)
        assert batched.scores[key].chance == score.chance


def test_reads_the_output_of_the_model_as_it_would_be_without_reading(
    tiny_model: Callable[..., LoadedModel], token_ids: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = tiny_model("qwen3")
    plain = loaded.model.base_model(token_ids).last_hidden_state
    seen = []
    loaded.model.base_model.register_forward_hook(lambda *call: seen.append(call[2].last_hidden_state))

    for portable in (False, True):
        read_attention(loaded, token_ids, PREVIOUS, portable)

    assert len(seen) == 2
    for hidden in seen:
        torch.testing.assert_close(hidden, plain, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("architecture", ["llama", "gemma2", "gpt_oss"])
def test_half_precision_is_read_as_eager_attention_computes_it(
    tiny_model: Callable[..., LoadedModel], token_ids: torch.Tensor, architecture: str
) -> None:
    loaded = tiny_model(architecture)
    loaded.model.to(torch.bfloat16).set_attn_implementation("eager")
    with torch.no_grad():
        first = loaded.model(token_ids, output_attentions=True).attentions[0]

    reading = read_attention(loaded, token_ids, PREVIOUS)

    wanted = first[:, :, PREVIOUS["previous"][0], PREVIOUS["previous"][1]].float().mean(-1)
    rounding = 2**-8  # of one bfloat16 just below 1
    np.testing.assert_allclose(reading.scores[0, "previous"].values, wanted, atol=rounding)


def test_a_torch_without_the_kernel_goes_by_blocks(
    tiny_model: Callable[..., LoadedModel], token_ids: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.ops, "aten", object())

    assert read_attention(tiny_model("llama"), token_ids, PREVIOUS).implementation == "blocks"


def test_an_argument_of_unknown_meaning_sends_to_eager(
    tiny_model: Callable[..., LoadedModel], token_ids: torch.Tensor
) -> None:
    loaded = tiny_model("llama")
    known = read_attention(loaded, token_ids, PREVIOUS)
    for layer in loaded.model.model.layers:
        layer.self_attn.register_forward_pre_hook(
            lambda _, given, named: (given, named | {"gain": 2.0}), with_kwargs=True
        )

    fallback = read_attention(loaded, token_ids, PREVIOUS)

    assert fallback.implementation == "eager"
    for key, score in known.scores.items():
        np.testing.assert_allclose(fallback.scores[key].values, score.values, atol=1e-5)


def test_no_layer_is_named_where_eager_attention_names_none(
    tiny_model: Callable[..., LoadedModel], token_ids: torch.Tensor
) -> None:
    loaded = tiny_model("lfm2")
    loaded.model.model.layers[1].self_attn.register_forward_pre_hook(
        lambda _, given, named: (given, named | {"gain": 2.0}), with_kwargs=True
    )

    with pytest.raises(NoAttentionError, match="which layers"):
        read_attention(loaded, token_ids, PREVIOUS)


def test_attention_free(tiny_model: Callable[..., LoadedModel], token_ids: torch.Tensor) -> None:
    with pytest.raises(NoAttentionError):
        read_attention(tiny_model("mamba"), token_ids, PREVIOUS)


def test_entropy_and_sink_share_of_a_model(tiny_model: Callable[..., LoadedModel], token_ids: torch.Tensor) -> None:
    loaded = tiny_model("gpt_oss")
    plain = read_attention(loaded, token_ids, PREVIOUS)
    loaded.model.set_attn_implementation("eager")
    with torch.no_grad():
        matrices = loaded.model(token_ids, output_attentions=True).attentions

    reading = read_attention(loaded, token_ids, PREVIOUS, rows=True)

    assert (plain.entropy, plain.sink_share) == ({}, {})
    assert reading.entropy.keys() == reading.sink_share.keys() == {0, 1}
    for layer, matrix in enumerate(matrices):
        np.testing.assert_allclose(reading.sink_share[layer], (1 - matrix.sum(-1)).mean(-1), atol=1e-6)
        p = (matrix / matrix.sum(-1, keepdim=True)).double()
        n_visible = torch.arange(1, 11).clamp(max=8 if layer == 0 else 10)
        entropy = (torch.special.entr(p).sum(-1)[:, :, 1:] / n_visible[1:].log()).mean(-1)
        np.testing.assert_allclose(reading.entropy[layer], entropy, atol=1e-5)


@pytest.mark.parametrize("architecture", ["bloom", "gpt_neo"])
def test_entropy_from_matrices_that_a_model_shows(
    tiny_model: Callable[..., LoadedModel], token_ids: torch.Tensor, architecture: str
) -> None:
    loaded = tiny_model(architecture)
    with torch.no_grad():
        matrices = loaded.model(token_ids, output_attentions=True).attentions

    reading = read_attention(loaded, token_ids, PREVIOUS, rows=True)

    for layer, matrix in enumerate(matrices):
        n_visible = torch.arange(1, 11).clamp(max=8 if (architecture, layer) == ("gpt_neo", 0) else 10)
        entropy = (torch.special.entr(matrix).sum(-1)[:, :, 1:] / n_visible[1:].log()).mean(-1)
        np.testing.assert_allclose(reading.entropy[layer], entropy, atol=1e-5)


def test_no_causal_model_is_not_read(tiny_model: Callable[..., LoadedModel], token_ids: torch.Tensor) -> None:
    config = BertConfig(vocab_size=61, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48)
    loaded = LoadedModel("bert@main", "natural", BertLMHeadModel(config), torch.arange(1, 61))

    with pytest.raises(NoAttentionError, match="later tokens"):
        read_attention(loaded, token_ids, PREVIOUS)


def test_what_is_no_probability_is_not_read(
    tiny_model: Callable[..., LoadedModel], token_ids: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = tiny_model("bloom")
    block = loaded.model.transformer.h[1].self_attention
    block.attention_dropout.forward = lambda probabilities: 2 * probabilities

    with pytest.raises(NoAttentionError, match="layer 1 do not sum to one"):
        read_attention(loaded, token_ids, PREVIOUS)


def test_keys_selected_by_content_are_not_read(token_ids: torch.Tensor) -> None:
    """Of DeepSeek-V3.2, which shows attention to what it selected alone, and of Doge, which masks what it did not."""
    sizes = {"vocab_size": 61, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 1}
    latent = {"q_lora_rank": 16, "kv_lora_rank": 16, "qk_nope_head_dim": 8, "qk_rope_head_dim": 8, "v_head_dim": 8}
    indexer = {"index_n_heads": 2, "index_head_dim": 8, "index_topk": 4, "head_dim": 8}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 4}
    for config in (
        DeepseekV32Config(**sizes, **heads, **latent, **indexer, first_k_dense_replace=1, n_routed_experts=8),
        DogeConfig(**sizes, **heads, keep_window_size=4),
    ):
        model = AutoModelForCausalLM.from_config(config)
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter)
        with pytest.raises(NoAttentionError, match="selects the keys"):
            read_attention(LoadedModel("run@main", "natural", model, torch.arange(61)), token_ids, PREVIOUS)


@pytest.mark.parametrize("portable", [False, True])
def test_later_keys_are_never_attended_to(
    tiny_model: Callable[..., LoadedModel], token_ids: torch.Tensor, portable: bool
) -> None:
    loaded = tiny_model("llama")
    for layer in loaded.model.model.layers:
        layer.self_attn.q_proj.weight.data *= 100  # exp(logit) of a later key overflows
    both = (np.array([3, 3]), np.array([2, 7]))

    reading = read_attention(
        loaded,
        token_ids,
        {"both": both, "before": (np.array([3]), np.array([2])), "after": (np.array([3]), np.array([7]))},
        portable,
    )

    assert {name for _, name in reading.scores} == {"both", "before"}
    for layer in (0, 1):
        assert np.isfinite(reading.scores[layer, "both"].values).all()
        np.testing.assert_array_equal(reading.scores[layer, "both"].values, reading.scores[layer, "before"].values)


@pytest.mark.parametrize(("n_hidden", "refused"), [(1, False), (3, True)])
def test_a_probability_that_underflowed_is_no_selection_of_keys(n_hidden: int, refused: bool) -> None:
    """Of the 960 pairs that eight sequences of 15 tokens can attend to."""
    logits = torch.randn(8, 3, 15, 15, generator=torch.Generator().manual_seed(0))
    hidden = torch.ones(15, 15, dtype=torch.bool).triu(1).expand(8, 3, 15, 15).clone()
    hidden[0, :, 14, 3 : 3 + n_hidden] = True
    matrix = torch.softmax(logits.masked_fill(hidden, -torch.inf), dim=-1)
    plan = Plan.of({"previous": (np.arange(1, 15), np.arange(14))}, 15, torch.device("cpu"))

    if refused:
        with pytest.raises(NoAttentionError, match="selects the keys"):
            _from_matrix(matrix, 0, plan)
    else:
        scores = _from_matrix(matrix, 0, plan).scores
        torch.testing.assert_close(scores[:, :, 0], matrix.diagonal(-1, 2, 3).mean(-1))
