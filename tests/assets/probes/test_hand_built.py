"""The probes on a transformer whose weights are set by hand to hold known circuits.

A GPT-2 of two layers and four heads. The residual stream has three parts, each a one-hot vector: the token, its
position, and (written by the first layer) the token before it. Layer 0 head 0 looks one position back and writes the
token there; layer 1 head 2 looks for the position whose previous token is the current one, and predicts the token
there: the induction circuit of Elhage et al. (2021). All other heads have no weights, and so attend uniformly; one more
can be had that looks n - 1 back whatever the tokens.
"""

from __future__ import annotations

import math

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from assets.models.engine.loaded import LoadedModel
from assets.probes.attention import AttentionProbe
from assets.probes.registry import Measurement
from assets.probes.repeats import RepeatsProbe
from tests.assets.probes.settings import sized

PART = D_HEAD = 64
D_MODEL = 4 * D_HEAD
TOKEN, POSITION, PREVIOUS = 0, PART, 2 * PART
"""Where the parts begin in the residual stream."""
SHARPNESS = 30.0
"""Logit of a match; of no match: 0."""
PARAMETERS = {"n": 24, "m": 2, "n_sequences": 8}

PREVIOUS_TOKEN_HEAD, POSITIONAL_HEAD, INDUCTION_HEAD = (0, 0), (0, 1), (1, 2)


def read_part(model: GPT2LMHeadModel, layer: int, start: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Weight (D_MODEL, D_HEAD) and bias that read one part's one-hot vector through the layer's normalisation.

    All residual vectors are that many ones among zeros, so the normalisation is one affine map, undone here.
    """
    n_ones = layer + 2
    mean = n_ones / D_MODEL
    deviation = math.sqrt(mean - mean**2 + model.config.layer_norm_epsilon)
    weight = torch.zeros(D_MODEL, D_HEAD)
    weight[start : start + PART] = torch.eye(PART) * deviation
    return weight, torch.full((D_HEAD,), mean)


def set_head(
    model: GPT2LMHeadModel,
    head: tuple[int, int],
    query: int,
    key: int,
    back: int = 0,
    write: tuple[int, int, float] | None = None,
) -> None:
    """Attends where the key's part equals the query's, moved back; writes (from, to, size) of what is there."""
    layer, number = head
    attention = model.transformer.h[layer].attn
    columns = [slice(part * D_MODEL + number * D_HEAD, part * D_MODEL + (number + 1) * D_HEAD) for part in range(3)]
    moved = torch.diag(torch.ones(PART - back), -back) * SHARPNESS * math.sqrt(D_HEAD)
    query_weight, query_bias = read_part(model, layer, query)
    attention.c_attn.weight.data[:, columns[0]] = query_weight @ moved
    attention.c_attn.bias.data[columns[0]] = query_bias @ moved
    attention.c_attn.weight.data[:, columns[1]], attention.c_attn.bias.data[columns[1]] = read_part(model, layer, key)
    if write is not None:
        start, end, size = write
        attention.c_attn.weight.data[:, columns[2]], attention.c_attn.bias.data[columns[2]] = read_part(
            model, layer, start
        )
        attention.c_proj.weight.data[columns[0], end : end + PART] = torch.eye(PART) * size


@pytest.fixture(scope="module")
def hand_built() -> LoadedModel:
    config = GPT2Config(
        vocab_size=PART, n_positions=PART, n_embd=D_MODEL, n_layer=2, n_head=4, bos_token_id=0, eos_token_id=0
    )
    model = GPT2LMHeadModel(config)
    for name, parameter in model.named_parameters():
        torch.nn.init.constant_(parameter, 1.0 if "ln_" in name and name.endswith("weight") else 0.0)
    model.transformer.wte.weight.data[:, TOKEN : TOKEN + PART] = torch.eye(PART)
    model.transformer.wpe.weight.data[:, POSITION : POSITION + PART] = torch.eye(PART)
    set_head(model, PREVIOUS_TOKEN_HEAD, POSITION, POSITION, back=1, write=(TOKEN, PREVIOUS, 1.0))
    set_head(model, POSITIONAL_HEAD, POSITION, POSITION, back=PARAMETERS["n"] - 1)
    set_head(model, INDUCTION_HEAD, TOKEN, PREVIOUS, write=(TOKEN, TOKEN, 100.0))
    return LoadedModel("hand-built@main", "calibration", model, torch.arange(1, PART), bos_token_id=0, adds_bos=True)


def by_head(measurements: list[Measurement], metric_id: str, stratum: str = "") -> dict[tuple[int, int], Measurement]:
    return {
        (m.layer, m.head): m
        for m in measurements
        if m.metric_id == metric_id and m.stratum == stratum and m.layer is not None and m.head is not None
    }


@pytest.fixture(scope="module", params=[False, True], ids=["kernel", "blocks"])
def measured(hand_built: LoadedModel, request: pytest.FixtureRequest) -> list[Measurement]:
    return AttentionProbe(request.param).measure(hand_built, sized(PARAMETERS)).measurements


def test_circuit_heads_score_one(measured: list[Measurement]) -> None:
    assert by_head(measured, "previous_token")[PREVIOUS_TOKEN_HEAD].value >= 0.999
    assert by_head(measured, "prefix_matching")[INDUCTION_HEAD].value >= 0.999


def test_all_other_heads_are_at_chance_in_every_metric(measured: list[Measurement]) -> None:
    others = [m for m in measured if (m.layer, m.head) not in {PREVIOUS_TOKEN_HEAD, POSITIONAL_HEAD, INDUCTION_HEAD}]

    assert len(others) == 5 * (6 + 7)
    for m in others:
        assert m.value == pytest.approx(m.chance, abs=0.001), m


def test_circuit_heads_do_nothing_else(measured: list[Measurement]) -> None:
    assert by_head(measured, "prefix_matching")[PREVIOUS_TOKEN_HEAD].value < 0.001
    assert by_head(measured, "duplicate_token")[INDUCTION_HEAD].value < 0.001
    for offset in (-3, -2, -1, 1, 2, 3):
        assert by_head(measured, "offset_profile", f"offset={offset}")[INDUCTION_HEAD].value < 0.001
    assert by_head(measured, "offset_profile", "offset=0")[INDUCTION_HEAD].value >= 0.999


def test_placebo_tells_a_positional_head_from_an_induction_head(measured: list[Measurement]) -> None:
    score, placebo = by_head(measured, "prefix_matching"), by_head(measured, "prefix_matching_placebo")

    assert score[POSITIONAL_HEAD].value >= 0.999
    assert placebo[POSITIONAL_HEAD].value >= 0.999
    assert placebo[INDUCTION_HEAD].value == pytest.approx(placebo[INDUCTION_HEAD].chance, abs=0.001)


def test_induction_recalls_the_second_copy(hand_built: LoadedModel) -> None:
    found = {(m.metric_id, m.stratum): m for m in RepeatsProbe().measure(hand_built, sized(PARAMETERS)).measurements}

    assert found["repeat_recall", ""].value == 1
    assert found["repeat_loss", "part=second"].value < 0.001
    assert found["repeat_loss", "part=first"].value > math.log(24)
    assert found["repeat_gain", ""].value > 4
