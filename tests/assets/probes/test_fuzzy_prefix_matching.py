"""The probe against its definition over eager attention, and on circuits that match equal or paired tokens."""

from __future__ import annotations

import copy
import dataclasses
import statistics
from collections.abc import Callable

import numpy as np
import pytest
import torch

from assets.models.engine.loaded import LoadedModel
from assets.probes import neighbours
from assets.probes.fuzzy_prefix_matching import PROBE, Options, draw_inputs
from assets.probes.inputs import Shape
from assets.probes.neighbours import Pairs
from assets.probes.registry import Measurement, NotApplicable, Setting
from tests.assets.probes.test_attention import eager_attentions
from tests.assets.probes.test_hand_built import D_HEAD, INDUCTION_HEAD, PART, hand_built  # noqa: F401

Key = tuple[str, int, int]
"""Stratum, layer, head."""
SHAPE = Shape(n=5, m=2, n_sequences=6)
SETTING = Setting("calibration", options=Options(n=SHAPE.n, n_sequences=SHAPE.n_sequences))
OF_TWO = Pairs(np.arange(2, 60).reshape(29, 2), np.eye(29, dtype=bool))
"""Ids 2k and 2k + 1."""


@pytest.fixture
def known_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one set of neighbours is OF_TWO."""
    monkeypatch.delitem(neighbours.NEIGHBOURS, "surface")
    monkeypatch.setitem(neighbours.NEIGHBOURS, "embedding", lambda model, generator: OF_TWO)


def by_key(measurements: list[Measurement]) -> dict[Key, Measurement]:
    found = {(m.stratum, m.layer or 0, m.head or 0): m for m in measurements}
    assert len(found) == len(measurements)
    return found


@pytest.mark.usefixtures("known_pairs")
def test_blocks_differ_in_likeness_alone(tiny_model: Callable[..., LoadedModel]) -> None:
    inputs = draw_inputs(tiny_model("llama"), "embedding", SHAPE, sample_seed=0)

    assert list(inputs) == ["exact", "fuzzy", "control"]
    for exact, fuzzy, control in zip(*(tokens.tolist() for tokens in inputs.values()), strict=True):
        assert exact[:5] == exact[5:] == fuzzy[:5] == control[:5]
        assert all(a ^ 1 == b for a, b in zip(exact[:5], fuzzy[5:], strict=True))
        assert len({token // 2 for token in (*exact, *control)}) == 10, "no neighbours among different places"


@pytest.mark.usefixtures("known_pairs")
@pytest.mark.parametrize("adds_bos", [False, True], ids=["", "bos"])
@pytest.mark.parametrize("architecture", ["gpt2", "llama", "gemma3_text", "bloom"])
def test_equals_the_definition_over_eager_attention(
    tiny_model: Callable[..., LoadedModel], architecture: str, adds_bos: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assets.probes.fuzzy_prefix_matching.FLOOR", 0.002)
    loaded = tiny_model(architecture, adds_bos)

    found = by_key(PROBE.measure(loaded, SETTING).measurements)

    scores: dict[Key, list[float]] = {}
    for part, tokens in draw_inputs(loaded, "embedding", SHAPE, sample_seed=0).items():
        tokens = np.pad(tokens, ((0, 0), (int(adds_bos), 0)))
        second = torch.arange(5, 10) + int(adds_bos)
        for layer, matrix in eager_attentions(loaded, torch.from_numpy(tokens)).items():
            for head in range(4):
                means = matrix[:, head, second, second - 4].double().mean(1).tolist()
                scores[f"part={part}", layer, head] = means
    ratios = 0
    for layer, head in {(layer, head) for _, layer, head in scores}:
        if ("part=exact", layer, head) not in found:
            assert max(map(max, (scores[f"part={part}", layer, head] for part in ("exact", "fuzzy")))) == 0, "window"
            continue
        for part in ("exact", "fuzzy", "control"):
            key = (f"part={part}", layer, head)
            assert found[key].value == pytest.approx(statistics.fmean(scores[key]), abs=1e-5)
        exact, fuzzy, control = (np.array(scores[f"part={p}", layer, head]) for p in ("exact", "fuzzy", "control"))
        above, below = fuzzy - control, exact - control
        assert (("", layer, head) in found) == (below.mean() >= 0.002)
        if below.mean() >= 0.002:
            ratios += 1
            ratio = found["", layer, head]
            assert ratio.value == pytest.approx(above.sum() / below.sum(), rel=1e-3)
            assert ratio.value_a == pytest.approx(above[::2].sum() / below[::2].sum(), rel=1e-3)
            without = [np.delete(above, i).sum() / np.delete(below, i).sum() for i in range(6)]
            assert ratio.standard_error == pytest.approx((5 * np.var(without)) ** 0.5, rel=1e-3)
            assert (ratio.n, ratio.chance) == (6, 0)
            assert ratio.parameters == {"neighbours": "embedding", "n": 5, "m": 2, "bos": adds_bos}
    assert ratios


@pytest.fixture
def matches_pairs(hand_built: LoadedModel) -> LoadedModel:  # noqa: F811
    """The induction head's query is of both tokens of a pair, to which its keys answer alike."""
    model = copy.deepcopy(hand_built.model)
    queries = model.get_submodule("transformer.h.1.attn").c_attn
    columns = slice(INDUCTION_HEAD[1] * D_HEAD, INDUCTION_HEAD[1] * D_HEAD + PART)
    both = torch.block_diag(*[torch.ones(2, 2)] * (PART // 2))
    queries.weight.data[:, columns] = queries.weight.data[:, columns] @ both
    queries.bias.data[columns] = queries.bias.data[columns] @ both
    return dataclasses.replace(hand_built, model=model)


CIRCUIT = Setting("calibration", options=Options(n=12, n_sequences=8))


@pytest.mark.usefixtures("known_pairs")
def test_a_head_that_matches_equal_tokens_alone_scores_zero(hand_built: LoadedModel) -> None:  # noqa: F811
    found = by_key(PROBE.measure(hand_built, CIRCUIT).measurements)

    assert found["part=exact", *INDUCTION_HEAD].value >= 0.999
    assert found["", *INDUCTION_HEAD].value == pytest.approx(0, abs=1e-3)


@pytest.mark.usefixtures("known_pairs")
def test_a_head_that_matches_either_of_two_scores_one(matches_pairs: LoadedModel) -> None:
    found = by_key(PROBE.measure(matches_pairs, CIRCUIT).measurements)

    control = found["part=control", *INDUCTION_HEAD]
    assert found["part=fuzzy", *INDUCTION_HEAD].value >= 0.999
    assert control.value == pytest.approx(control.chance, abs=1e-3)
    assert found["", *INDUCTION_HEAD].value == pytest.approx(1, abs=1e-3)


@pytest.mark.usefixtures("known_pairs")
def test_heads_that_do_not_match_have_no_ratio(hand_built: LoadedModel) -> None:  # noqa: F811
    """Neither those without weights nor the one that looks a fixed distance back, which scores alike on all parts."""
    found = PROBE.measure(hand_built, CIRCUIT).measurements

    assert {(m.layer, m.head) for m in found if not m.stratum} == {INDUCTION_HEAD}
    assert len(found) == 3 * 8 + 1


def test_without_neighbours_it_is_not_applicable(tiny_model: Callable[..., LoadedModel]) -> None:
    with pytest.raises(NotApplicable, match=r"embedding: 32 pairs of neighbours are needed.*surface: It has no token"):
        PROBE.measure(tiny_model("llama"), Setting("calibration"))


@pytest.mark.usefixtures("known_pairs")
def test_a_set_of_too_few_is_named(tiny_model: Callable[..., LoadedModel], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(neighbours.NEIGHBOURS, "surface", neighbours.surface_pairs)

    result = PROBE.measure(tiny_model("gemma3_text"), SETTING)

    assert result.notes["left_out"] == {"surface": "It has no tokenizer."}
    assert result.notes["row_sum_error"] < 1e-5
    assert {m.parameters["neighbours"] for m in result.measurements} == {"embedding"}


@pytest.mark.usefixtures("known_pairs")
def test_no_attention_is_not_applicable(tiny_model: Callable[..., LoadedModel]) -> None:
    with pytest.raises(NotApplicable, match="no attention"):
        PROBE.measure(tiny_model("mamba"), SETTING)


def test_sizes_by_role() -> None:
    assert PROBE.parameters(Setting("natural")) == {"n": 50, "m": 2, "n_sequences": 16}
    assert PROBE.parameters(SETTING) == {"n": 5, "m": 2, "n_sequences": 6}
