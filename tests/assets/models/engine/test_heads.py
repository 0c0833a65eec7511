from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from assets.models.engine.calls import UnknownStructureError
from assets.models.engine.heads import edited, head_outputs, log_probabilities, mean_outputs, nothing, replacing
from assets.models.engine.loaded import LoadedModel
from assets.models.engine.sites import find_sites

AT = torch.arange(3, 11)
LAST_PROJECTION = {
    "gpt2": "transformer.h.1.attn.c_proj",
    "gpt_neox": "gpt_neox.layers.1.attention.dense",
    "opt": "model.decoder.layers.1.self_attn.out_proj",
    "llama": "model.layers.1.self_attn.o_proj",
    "mistral": "model.layers.1.self_attn.o_proj",
    "qwen3": "model.layers.1.self_attn.o_proj",
    "gemma2": "model.layers.1.self_attn.o_proj",
    "gemma3_text": "model.layers.1.self_attn.o_proj",
    "gpt_oss": "model.layers.1.self_attn.o_proj",
    "lfm2": "model.layers.1.self_attn.out_proj",
    "bloom": "transformer.h.1.self_attention.dense",
    "gptj": "transformer.h.1.attn.out_proj",
    "gpt_neo": "transformer.h.1.attn.attention.out_proj",
}
"""By architecture the projection that takes what the heads of layer 1 write, by the name that its authors gave it."""


@pytest.fixture
def token_ids() -> torch.Tensor:
    return torch.randint(1, 60, (3, 12), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("architecture", LAST_PROJECTION)
def test_sites_are_the_output_projections(tiny_model: Callable[..., LoadedModel], architecture: str) -> None:
    loaded = tiny_model(architecture)

    sites = find_sites(loaded)

    assert list(sites) == ([1] if architecture == "lfm2" else [0, 1])
    assert sites[1].projection is loaded.model.get_submodule(LAST_PROJECTION[architecture])
    assert (sites[1].n_heads, sites[1].d_value) == (4, 8)


@pytest.mark.parametrize("architecture", LAST_PROJECTION)
@pytest.mark.parametrize("head", [0, 2])
def test_ablation_is_zeroing_the_slice_of_the_output_projection(
    tiny_model: Callable[..., LoadedModel], token_ids: torch.Tensor, architecture: str, head: int
) -> None:
    loaded = tiny_model(architecture)
    sites = find_sites(loaded)
    with torch.no_grad(), edited(sites, replacing(sites, [frozenset({(1, head)})] * 3, nothing(loaded, sites))):
        ablated = log_probabilities(loaded, token_ids, AT)

    weight = loaded.model.get_submodule(LAST_PROJECTION[architecture]).weight.data
    (weight.mT if architecture == "gpt2" else weight)[:, 8 * head : 8 * (head + 1)] = 0
    with torch.no_grad():
        by_hand = loaded.model(token_ids).logits[:, AT].log_softmax(-1)

    by_hand = by_hand.gather(-1, token_ids[:, AT + 1, None])[..., 0]
    torch.testing.assert_close(ablated, by_hand, atol=1e-5, rtol=1e-5)  # of some 5 nats: float32 rounding
    assert (ablated - log_probabilities(tiny_model(architecture), token_ids, AT)).abs().max() > 0.01


def test_head_outputs_are_attention_times_values(
    tiny_model: Callable[..., LoadedModel], token_ids: torch.Tensor
) -> None:
    loaded = tiny_model("llama")
    loaded.model.set_attn_implementation("eager")
    layer = loaded.model.model.layers[0]
    with torch.no_grad():
        matrix = loaded.model(token_ids, output_attentions=True).attentions[0]
        values = layer.self_attn.v_proj(layer.input_layernorm(loaded.model.model.embed_tokens(token_ids)))

    z = head_outputs(loaded, find_sites(loaded), token_ids)[0]

    of_key_head = values.unflatten(-1, (2, 8))
    for head in range(4):
        by_hand = matrix[:, head] @ of_key_head[:, :, head // 2]
        torch.testing.assert_close(z[:, :, head], by_hand, atol=1e-6, rtol=1e-5)


def test_mean_outputs_are_those_of_an_explicit_loop(
    tiny_model: Callable[..., LoadedModel], token_ids: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = tiny_model("gpt_neox")
    sites = find_sites(loaded)
    each = [head_outputs(loaded, sites, token_ids[number : number + 1]) for number in range(3)]

    monkeypatch.setattr("assets.models.engine.batches.TOKENS_PER_BATCH", 24)
    means = mean_outputs(loaded, sites, token_ids)

    for layer in sites:
        by_hand = (each[0][layer] + each[1][layer] + each[2][layer]) / 3
        torch.testing.assert_close(means[layer], by_hand, atol=1e-6, rtol=1e-5)


def test_replacing_changes_the_heads_of_each_set_alone(tiny_model: Callable[..., LoadedModel]) -> None:
    sites = find_sites(tiny_model("llama"))
    edit = replacing(sites, [frozenset({(0, 1), (1, 3)}), frozenset({(1, 0)})], dict.fromkeys(sites, torch.tensor(5.0)))

    low, high = edit(0, torch.ones(1, 2, 4, 8)), edit(1, torch.ones(2, 2, 4, 8))

    assert low[:, 0, :, 0].tolist() == [[1, 5, 1, 1], [1, 1, 1, 1]]
    assert high[:, 1, :, 7].tolist() == [[1, 1, 1, 5], [5, 1, 1, 1]]


def test_hooks_are_gone_after_an_error(tiny_model: Callable[..., LoadedModel], token_ids: torch.Tensor) -> None:
    loaded = tiny_model("llama")
    sites = find_sites(loaded)

    def fail(layer: int, z: torch.Tensor) -> torch.Tensor:
        raise ArithmeticError

    with pytest.raises(ArithmeticError), edited(sites, fail):
        loaded.model(token_ids)

    loaded.model(token_ids)
    assert not any(site.projection._forward_pre_hooks for site in sites.values())


def test_no_attention_is_said(tiny_model: Callable[..., LoadedModel]) -> None:
    with pytest.raises(UnknownStructureError, match="no attention"):
        find_sites(tiny_model("mamba"))


def test_heads_that_are_mixed_before_the_projection_are_not_told_apart(
    tiny_model: Callable[..., LoadedModel],
) -> None:
    loaded = tiny_model("llama")
    projection = loaded.model.model.layers[1].self_attn.o_proj
    projection.register_forward_pre_hook(lambda _, given: (torch.nn.functional.rms_norm(given[0], (32,)),))

    with pytest.raises(UnknownStructureError, match="layer 1 mixes"):
        find_sites(loaded)


def test_a_frozen_model_has_the_same_sites(tiny_model: Callable[..., LoadedModel]) -> None:
    loaded = tiny_model("gpt2")
    loaded.model.requires_grad_(False)

    assert [site.n_heads for site in find_sites(loaded).values()] == [4, 4]


def test_heads_without_weights_have_their_site(tiny_model: Callable[..., LoadedModel]) -> None:
    loaded = tiny_model("llama")
    loaded.model.model.layers[0].self_attn.v_proj.weight.data.zero_()

    assert list(find_sites(loaded)) == [0, 1]
