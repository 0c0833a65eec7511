"""The probes on a transformer whose weights are set by hand to hold known circuits.

A GPT-2 of two layers and four heads. The residual stream has three parts, each a one-hot vector: the token, its
position, and (written by the first layer) the token before it. Layer 0 head 0 looks one position back and writes the
token there; layer 1 head 2 looks for the position whose previous token is the current one, and predicts the token
there: the induction circuit of Elhage et al. (2021). Beside them stand a head that looks n - 1 back whatever the
tokens, one that looks for the current token at another position, and one that looks at the first position. All other
heads have no weights, and so attend uniformly.
"""

from __future__ import annotations

import math
import statistics

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from assets.models.engine.loaded import LoadedModel
from assets.probes.attention import SHUFFLED, AttentionProbe
from assets.probes.registry import Measurement
from assets.probes.repeats import RepeatsProbe
from tests.assets.probes.settings import sized

PART = 64
D_HEAD = 2 * PART
D_MODEL = 4 * D_HEAD
TOKEN, POSITION, PREVIOUS = 0, PART, 2 * PART
"""Where the parts begin in the residual stream."""
SHARPNESS = 30.0
"""Logit of a match; of no match: 0."""
PARAMETERS = {"n": 24, "m": 2, "n_sequences": 8}
N_TOKENS = 49
"""With BOS in front."""

PREVIOUS_TOKEN_HEAD, POSITIONAL_HEAD, DUPLICATE_HEAD, SINK_HEAD, INDUCTION_HEAD = (0, 0), (0, 1), (0, 2), (0, 3), (1, 2)
OTHERS = {(1, 0), (1, 1), (1, 3)}


def read_part(model: GPT2LMHeadModel, layer: int, start: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Weight (D_MODEL, PART) and bias that read one part's one-hot vector through the layer's normalisation.

    All residual vectors are that many ones among zeros, so the normalisation is one affine map, undone here.
    """
    n_ones = layer + 2
    mean = n_ones / D_MODEL
    deviation = math.sqrt(mean - mean**2 + model.config.layer_norm_epsilon)
    weight = torch.zeros(D_MODEL, PART)
    weight[start : start + PART] = torch.eye(PART) * deviation
    return weight, torch.full((PART,), mean)


def set_head(
    model: GPT2LMHeadModel,
    head: tuple[int, int],
    query: int | None,
    key: int,
    back: int = 0,
    elsewhere: bool = False,
    write: tuple[int, int, float] | None = None,
) -> None:
    """Attends where the key's part equals the query's, moved back, or with no query to the key's first one.

    `elsewhere` not at the query's own position; `write` (from, to, size) of what is attended to.
    """
    layer, number = head
    attention = model.transformer.h[layer].attn

    def set_columns(which: int, half: int, weight: torch.Tensor, bias: torch.Tensor) -> None:
        start = which * D_MODEL + number * D_HEAD + half * PART
        attention.c_attn.weight.data[:, start : start + PART] = weight
        attention.c_attn.bias.data[start : start + PART] = bias

    scale = SHARPNESS * math.sqrt(D_HEAD)
    moved = torch.diag(torch.ones(PART - back), -back) * scale
    weight, bias = read_part(model, layer, TOKEN if query is None else query)
    constant = torch.zeros_like(weight), torch.eye(PART)[0] * scale
    set_columns(0, 0, *(constant if query is None else (weight @ moved, bias @ moved)))
    set_columns(1, 0, *read_part(model, layer, key))
    if elsewhere:
        weight, bias = read_part(model, layer, POSITION)
        set_columns(0, 1, -2 * scale * weight, -2 * scale * bias)
        set_columns(1, 1, weight, bias)
    if write is not None:
        start, end, size = write
        set_columns(2, 0, *read_part(model, layer, start))
        rows = slice(number * D_HEAD, number * D_HEAD + PART)
        attention.c_proj.weight.data[rows, end : end + PART] = torch.eye(PART) * size


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
    set_head(model, DUPLICATE_HEAD, TOKEN, TOKEN, elsewhere=True)
    set_head(model, SINK_HEAD, None, POSITION)
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


def test_duplicate_head_scores_one_where_there_is_a_duplicate(measured: list[Measurement]) -> None:
    assert by_head(measured, "duplicate_token")[DUPLICATE_HEAD].value >= 0.999
    assert by_head(measured, "prefix_matching")[DUPLICATE_HEAD].value < 0.001
    assert by_head(measured, "offset_profile", "offset=-1")[DUPLICATE_HEAD].value >= 0.999
    assert by_head(measured, "self_attention")[DUPLICATE_HEAD].value == pytest.approx(1 / N_TOKENS, abs=0.001)


def test_sink_head_scores_one_at_the_first_token_and_nothing_elsewhere(measured: list[Measurement]) -> None:
    assert by_head(measured, "first_token")[SINK_HEAD].value >= 0.999
    for metric_id in ("prefix_matching", "prefix_matching_placebo", "previous_token", "duplicate_token"):
        assert by_head(measured, metric_id)[SINK_HEAD].value < 0.001


def test_all_other_heads_are_at_chance_in_every_metric(measured: list[Measurement]) -> None:
    others = [m for m in measured if (m.layer, m.head) in OTHERS]

    assert len(others) == 3 * (6 + 7 + 1 + 3)
    for m in others:
        assert m.value == pytest.approx(m.chance, abs=0.001), m


@pytest.mark.parametrize(
    ("metric_id", "head"),
    [("previous_token", PREVIOUS_TOKEN_HEAD), ("prefix_matching", INDUCTION_HEAD), ("duplicate_token", DUPLICATE_HEAD)],
)
def test_shuffled_targets_are_at_chance_in_the_heads_that_score_one(
    measured: list[Measurement], metric_id: str, head: tuple[int, int]
) -> None:
    assert by_head(measured, metric_id)[head].value >= 0.999
    assert by_head(measured, metric_id, SHUFFLED)[head].value < 0.05


def test_entropy_counts_the_queries_that_have_nothing_to_look_for(measured: list[Measurement]) -> None:
    """On distinct tokens: such a query attends uniformly (1), all others to one key (0)."""
    entropy, n = by_head(measured, "attention_entropy"), PARAMETERS["n"]

    assert entropy[PREVIOUS_TOKEN_HEAD].value == pytest.approx(0, abs=0.001)
    assert entropy[SINK_HEAD].value == pytest.approx(0, abs=0.001)
    assert entropy[POSITIONAL_HEAD].value == pytest.approx((n - 2) / (N_TOKENS - 1), abs=0.001)
    assert entropy[INDUCTION_HEAD].value == pytest.approx(1, abs=0.001)
    uniform_elsewhere = [math.log(i) / math.log(i + 1) for i in range(1, N_TOKENS)]
    assert entropy[DUPLICATE_HEAD].value == pytest.approx(statistics.fmean(uniform_elsewhere), abs=0.001)


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


def test_induction_recalls_at_every_distance(hand_built: LoadedModel) -> None:
    found = {(m.metric_id, m.stratum): m for m in RepeatsProbe().measure(hand_built, sized(PARAMETERS)).measurements}

    for distance in (8, 16):
        assert found["repeat_recall", f"distance={distance}"].value == 1
        assert found["repeat_loss", f"distance={distance}"].value < 0.001
