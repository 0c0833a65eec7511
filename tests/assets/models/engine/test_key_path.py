"""Cutting keys against path patching written out for two architectures, module by module, without the engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from transformers.models.gpt_neox.modeling_gpt_neox import apply_rotary_pos_emb as rotate_neox
from transformers.models.llama.modeling_llama import apply_rotary_pos_emb as rotate_llama

from assets.models.engine.calls import UnknownStructureError
from assets.models.engine.heads import mean_outputs, nothing
from assets.models.engine.key_path import opened
from assets.models.engine.loaded import LoadedModel
from assets.models.engine.read import read_attention
from assets.models.engine.sites import find_sites

N_TOKENS, N_HEADS, D_HEAD = 16, 4, 8
QUERIES = np.arange(9, 16)
READOUT = (QUERIES, QUERIES - 7)
CAUSAL = torch.ones(N_TOKENS, N_TOKENS, dtype=torch.bool).tril()


@pytest.fixture
def token_ids() -> torch.Tensor:
    return torch.randint(1, 60, (3, N_TOKENS), generator=torch.Generator().manual_seed(0))


def read(query: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
    """The readout of (sequences, heads, tokens, d_head), causal, scaled as usual."""
    logits = (query @ key.mT / D_HEAD**0.5).masked_fill(~CAUSAL, -torch.inf)
    return logits.softmax(-1)[:, :, READOUT[0], READOUT[1]].mean(-1)


def written_out_neox(model: Any, token_ids: torch.Tensor, head: int, mean: torch.Tensor | None) -> torch.Tensor:
    """Scores of layer 1 when head of layer 0 is taken from its keys."""
    body = model.gpt_neox
    embedded = body.embed_in(token_ids)
    rotations = body.rotary_emb(embedded, torch.arange(N_TOKENS)[None])

    def projected(layer: Any, residual: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        fused = layer.attention.query_key_value(layer.input_layernorm(residual))
        query, key, value = fused.view(3, N_TOKENS, N_HEADS, 3 * D_HEAD).transpose(1, 2).chunk(3, -1)
        return *rotate_neox(query, key, *rotations), value

    low, high = body.layers
    query, key, value = projected(low, embedded)
    z = (((query @ key.mT) / D_HEAD**0.5).masked_fill(~CAUSAL, -torch.inf).softmax(-1) @ value).transpose(1, 2)
    residual = embedded + low.attention.dense(z.flatten(2)) + low.mlp(low.post_attention_layernorm(embedded))
    columns = slice(head * D_HEAD, (head + 1) * D_HEAD)
    removed = (z[:, :, head] - (0 if mean is None else mean)) @ low.attention.dense.weight[:, columns].T
    return read(projected(high, residual)[0], projected(high, residual - removed)[1])


def written_out_llama(model: Any, token_ids: torch.Tensor, head: int, mean: torch.Tensor | None) -> torch.Tensor:
    """The same, with two key heads for four heads."""
    body = model.model
    embedded = body.embed_tokens(token_ids)
    rotations = body.rotary_emb(embedded, torch.arange(N_TOKENS)[None])

    def projected(layer: Any, residual: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        normalised, attention = layer.input_layernorm(residual), layer.self_attn
        query, key, value = (
            projection(normalised).view(3, N_TOKENS, -1, D_HEAD).transpose(1, 2)
            for projection in (attention.q_proj, attention.k_proj, attention.v_proj)
        )
        query, key = rotate_llama(query, key, *rotations)
        return query, key.repeat_interleave(2, 1), value.repeat_interleave(2, 1)

    low, high = body.layers
    query, key, value = projected(low, embedded)
    z = (((query @ key.mT) / D_HEAD**0.5).masked_fill(~CAUSAL, -torch.inf).softmax(-1) @ value).transpose(1, 2)
    residual = embedded + low.self_attn.o_proj(z.flatten(2))
    residual = residual + low.mlp(low.post_attention_layernorm(residual))
    columns = slice(head * D_HEAD, (head + 1) * D_HEAD)
    removed = (z[:, :, head] - (0 if mean is None else mean)) @ low.self_attn.o_proj.weight[:, columns].T
    return read(projected(high, residual)[0], projected(high, residual - removed)[1])


@pytest.mark.parametrize(
    ("architecture", "written_out"), [("gpt_neox", written_out_neox), ("llama", written_out_llama)]
)
@pytest.mark.parametrize("kind", ["zero", "mean"])
@pytest.mark.parametrize("head", range(N_HEADS))
def test_cut_keys_are_those_of_path_patching_written_out(
    tiny_model: Callable[..., LoadedModel],
    token_ids: torch.Tensor,
    architecture: str,
    written_out: Callable[..., torch.Tensor],
    kind: str,
    head: int,
) -> None:
    loaded = tiny_model(architecture)
    sites = find_sites(loaded)
    replacement = nothing(loaded, sites) if kind == "zero" else mean_outputs(loaded, sites, token_ids)
    sender = replacement[0][:, :, head]

    with opened(loaded, sites, token_ids, READOUT) as path:
        path.check(0, 1)
        clean, cut = path.scores(1), path.scores(1, path.contribution(0, head, sender))

    with torch.no_grad():
        expected = written_out(loaded.model, token_ids, head, None if kind == "zero" else sender)
    torch.testing.assert_close(cut, expected, atol=2e-6, rtol=1e-4)
    assert (cut - clean).abs().max() > 0.01


@pytest.mark.parametrize("architecture", ["gpt2", "opt", "mistral", "qwen3", "gemma2", "gemma3_text", "gpt_oss"])
def test_nothing_removed_is_the_score_that_is_read_elsewhere(
    tiny_model: Callable[..., LoadedModel], token_ids: torch.Tensor, architecture: str
) -> None:
    loaded = tiny_model(architecture)
    sites = find_sites(loaded)
    read_there = read_attention(loaded, token_ids, {"readout": READOUT})

    with opened(loaded, sites, token_ids, READOUT) as path:
        path.check(0, 1)
        for layer in (0, 1):
            score = read_there.scores.get((layer, "readout"))
            if score is not None:  # None: the window is too short to see it
                np.testing.assert_allclose(path.scores(layer), score.values, atol=1e-6)


@pytest.mark.parametrize("architecture", ["gpt_neox", "llama", "gemma2", "gpt_oss", "opt"])
def test_contributions_of_all_heads_add_up_where_nothing_follows_the_projection(
    tiny_model: Callable[..., LoadedModel], token_ids: torch.Tensor, architecture: str
) -> None:
    """With a normalisation of what attention writes (Gemma 2) they do not: each is what is lost with that head."""
    loaded = tiny_model(architecture)
    sites = find_sites(loaded)
    written: list[torch.Tensor] = []
    sites[0].projection.register_forward_hook(lambda *call: written.append(call[2]))
    loaded.model(token_ids)
    bias = sites[0].projection.bias
    attention = written[0].detach() - (0 if bias is None else bias.detach())

    with opened(loaded, sites, token_ids, READOUT) as path:
        zero = torch.zeros(1, 1, D_HEAD)
        total = sum(path.contribution(0, head, zero) for head in range(N_HEADS))

    same = torch.allclose(total, attention, atol=1e-4, rtol=1e-4)
    assert same == (architecture != "gemma2")


def test_contribution_through_a_normalisation_is_what_the_residual_stream_loses(
    tiny_model: Callable[..., LoadedModel], token_ids: torch.Tensor
) -> None:
    loaded = tiny_model("gemma2")
    sites, layer = find_sites(loaded), loaded.model.model.layers[0]
    written: list[torch.Tensor] = []
    sites[0].projection.register_forward_pre_hook(lambda _, given: written.append(given[0]))
    with opened(loaded, sites, token_ids, READOUT) as path:
        z = written[0]
        contribution = path.contribution(0, 2, torch.zeros(1, 1, D_HEAD))

    without = z.clone()
    without[:, :, 2 * D_HEAD : 3 * D_HEAD] = 0
    with torch.no_grad():
        normalised = [layer.post_attention_layernorm(layer.self_attn.o_proj(each)) for each in (z, without)]
    torch.testing.assert_close(contribution, normalised[0] - normalised[1], atol=1e-5, rtol=1e-4)


def test_multipliers_are_in_the_contribution(tiny_model: Callable[..., LoadedModel], token_ids: torch.Tensor) -> None:
    from transformers import GraniteConfig, GraniteForCausalLM

    torch.manual_seed(7)
    config = tiny_model("llama").model.config.to_dict() | {"residual_multiplier": 0.25}
    config = {key: config[key] for key in ("vocab_size", "hidden_size", "intermediate_size", "residual_multiplier")}
    model = GraniteForCausalLM(GraniteConfig(**config, num_hidden_layers=2, num_attention_heads=4, pad_token_id=0))
    loaded = LoadedModel("granite@main", "natural", model, torch.arange(1, 60))
    sites = find_sites(loaded)
    written: list[torch.Tensor] = []
    sites[0].projection.register_forward_hook(lambda *call: written.append(call[2].detach()))

    with opened(loaded, sites, token_ids, READOUT) as path:
        total = sum(path.contribution(0, head, torch.zeros(1, 1, D_HEAD)) for head in range(N_HEADS))

    torch.testing.assert_close(total, 0.25 * written[0], atol=1e-5, rtol=1e-4)


def test_a_residual_stream_that_is_normalised_itself_is_refused(
    tiny_model: Callable[..., LoadedModel], token_ids: torch.Tensor
) -> None:
    loaded = tiny_model("opt")
    for layer in loaded.model.model.decoder.layers:
        layer.do_layer_norm_before = False  # as OPT-350m is

    with (
        pytest.raises(UnknownStructureError, match="do not add"),
        opened(loaded, find_sites(loaded), token_ids, READOUT) as path,
    ):
        path.check(0, 1)


def test_architectures_outside_the_interface_are_refused(
    tiny_model: Callable[..., LoadedModel], token_ids: torch.Tensor
) -> None:
    loaded = tiny_model("bloom")
    with (
        pytest.raises(UnknownStructureError, match="told apart"),
        opened(loaded, find_sites(loaded), token_ids, READOUT),
    ):
        pass
