"""The probe against full matrices, circuits with known answers, and the expectation for random heads."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from assets.models.engine.loaded import LoadedModel
from assets.probes import k_composition
from assets.probes.k_composition import PROBE
from assets.probes.registry import Measurement, NotApplicable, Setting
from catalog.errors import UserError

SETTING = Setting("natural")
D_MODEL, D_HEAD, N_HEADS = 32, 8, 4

Edge = tuple[int | None, ...]


def by_edge(measurements: list[Measurement]) -> dict[Edge, Measurement]:
    """By sender's layer and head, receiver's layer and head."""
    return {(m.sender_layer, m.sender_head, m.layer, m.head): m for m in measurements}


def matrices(model: GPT2LMHeadModel, layer: int, head: int) -> tuple[torch.Tensor, torch.Tensor]:
    """W_OV and W_QK of a head as Elhage et al. write them, for column vectors: both (d_model, d_model)."""
    block = model.transformer.h[layer]
    columns = slice(head * D_HEAD, (head + 1) * D_HEAD)
    read = torch.diag(block.ln_1.weight) @ block.attn.c_attn.weight
    read = read - read.mean(0)
    query, key, value = (part[:, columns] for part in read.detach().split(D_MODEL, dim=1))
    return (value @ block.attn.c_proj.weight.detach()[columns]).T, query @ key.T


def test_equals_the_full_matrices(tiny_model: Callable[..., LoadedModel]) -> None:
    loaded = tiny_model("gpt2")
    for block in loaded.model.transformer.h:
        torch.nn.init.uniform_(block.ln_1.weight, 0.2, 2.0)

    found = by_edge(PROBE.measure(loaded, SETTING).measurements)

    assert found.keys() == {(0, sender, 1, receiver) for sender in range(N_HEADS) for receiver in range(N_HEADS)}
    for (below, sender, above, receiver), measurement in found.items():
        ov, _ = matrices(loaded.model, below, sender)
        _, qk = matrices(loaded.model, above, receiver)
        wanted = (qk @ ov).norm() / (qk.norm() * ov.norm())
        assert measurement.value == pytest.approx(wanted.item(), rel=1e-4)
        assert measurement.chance == pytest.approx(D_MODEL**-0.5)


def test_opt_too(tiny_model: Callable[..., LoadedModel]) -> None:
    assert len(PROBE.measure(tiny_model("opt"), SETTING).measurements) == N_HEADS**2


def test_known_answers(tiny_model: Callable[..., LoadedModel]) -> None:
    """Head (0, 1) writes one direction of the residual stream; head (1, 2) matches by it alone, (1, 0) by another."""
    loaded = tiny_model("gpt2")
    below, above = (block.attn for block in loaded.model.transformer.h)
    wire = torch.zeros(D_MODEL)
    wire[4], wire[5] = 1.0, -1.0
    other = wire.roll(10)
    below.c_proj.weight.data[D_HEAD : 2 * D_HEAD] = torch.randn(D_HEAD, 1) * wire
    for head, direction in ((2, wire), (0, other)):
        above.c_attn.weight.data[:, D_MODEL + head * D_HEAD :][:, :D_HEAD] = direction[:, None] * torch.randn(D_HEAD)

    found = by_edge(PROBE.measure(loaded, SETTING).measurements)

    assert found[0, 1, 1, 2].value == pytest.approx(1, abs=1e-5)
    assert found[0, 1, 1, 0].value == pytest.approx(0, abs=1e-5)


def test_a_head_without_weights_composes_with_none(tiny_model: Callable[..., LoadedModel]) -> None:
    loaded = tiny_model("gpt2")
    loaded.model.transformer.h[0].attn.c_proj.weight.data[:D_HEAD] = 0

    found = by_edge(PROBE.measure(loaded, SETTING).measurements)

    assert [found[0, 0, 1, receiver].value for receiver in range(N_HEADS)] == [0] * N_HEADS


def test_random_heads_are_at_chance() -> None:
    """Mean square over some thousand edges against 1 / (d_model - 1): LayerNorm leaves one dimension less."""
    torch.manual_seed(0)
    sizes = {"n_embd": 64, "n_layer": 6, "n_head": 8, "vocab_size": 20, "n_positions": 16}
    model = GPT2LMHeadModel(GPT2Config(**sizes, bos_token_id=0, eos_token_id=0))

    found = PROBE.measure(LoadedModel("random@main", "natural", model, torch.arange(20)), SETTING).measurements

    squares = np.square([m.value for m in found])
    assert len(squares) == 15 * 64
    # writers still fill all 64 dimensions, of which the readers see 63: 63/64 * 1/63
    assert squares.mean() == pytest.approx(1 / 64, rel=0.02)
    assert found[0].chance == 1 / 8


def test_of_too_many_edges_the_strongest_are_kept(
    tiny_model: Callable[..., LoadedModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = tiny_model("gpt2")
    every = sorted(m.value for m in PROBE.measure(loaded, SETTING).measurements)
    monkeypatch.setattr(k_composition, "MOST_EDGES", 5)

    result = PROBE.measure(loaded, SETTING)

    assert sorted(m.value for m in result.measurements) == every[-5:]
    assert result.notes == {"edges": 16, "edges_kept": 5}


@pytest.mark.parametrize(
    ("architecture", "reason"),
    [
        ("llama", "rotary"),
        ("gpt_neox", "rotary"),
        ("qwen3", "normalised"),
        ("bloom", "interface"),
        ("mamba", "no attention"),
    ],
)
def test_not_applicable(tiny_model: Callable[..., LoadedModel], architecture: str, reason: str) -> None:
    with pytest.raises(NotApplicable, match=reason):
        PROBE.measure(tiny_model(architecture), SETTING)


def test_grouped_keys_without_rotation_are_not_applicable() -> None:
    from transformers import SmolLM3Config, SmolLM3ForCausalLM

    from tests.assets.conftest import GROUPED

    config = SmolLM3Config(**GROUPED, no_rope_layers=[0, 0], layer_types=["full_attention"] * 2)
    loaded = LoadedModel("grouped@main", "natural", SmolLM3ForCausalLM(config), torch.arange(1, 60))

    with pytest.raises(NotApplicable, match="groups"):
        PROBE.measure(loaded, SETTING)


def test_one_layer_is_not_applicable() -> None:
    model = GPT2LMHeadModel(GPT2Config(n_embd=8, n_layer=1, n_head=2, vocab_size=20, n_positions=16))

    with pytest.raises(NotApplicable, match="two layers"):
        PROBE.measure(LoadedModel("one@main", "natural", model, torch.arange(20)), SETTING)


def test_nan_is_refused(tiny_model: Callable[..., LoadedModel]) -> None:
    loaded = tiny_model("opt")
    loaded.model.model.decoder.layers[0].self_attn.v_proj.weight.data[3] = torch.nan

    with pytest.raises(UserError, match=r"layers\.0\.self_attn\.v_proj"):
        PROBE.measure(loaded, SETTING)
