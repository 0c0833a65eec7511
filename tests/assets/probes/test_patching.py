from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch

from assets.models.engine.calls import hooked
from assets.models.engine.loaded import LoadedModel
from assets.probes import patching
from assets.probes.inputs import Shape, sample
from assets.probes.patching import PROBE, Options, pairs_of
from assets.probes.registry import NotApplicable, Result, Setting
from tests.assets.probes.circuits import UNLINKED_HEAD, induction_circuit
from tests.assets.probes.test_hand_built import INDUCTION_HEAD, PREVIOUS_TOKEN_HEAD

N = 24
SETTING = Setting("calibration", options=Options(n_sequences=6))
LAST_PROJECTIONS = {"gpt_neox": "gpt_neox.layers.{}.attention.dense", "llama": "model.layers.{}.self_attn.o_proj"}


@pytest.fixture(scope="module")
def circuit() -> LoadedModel:
    return induction_circuit()


def values(result: Result, metric_id: str) -> dict[tuple[int | None, int | None], float]:
    return {(m.layer, m.head): m.value for m in result.measurements if m.metric_id == metric_id}


def test_an_induction_head_brings_all_back(circuit: LoadedModel) -> None:
    result = PROBE.measure(circuit, SETTING)

    patched = values(result, "activation_patching")
    assert patched[INDUCTION_HEAD] == pytest.approx(1, abs=1e-4)
    assert patched[UNLINKED_HEAD] == pytest.approx(0, abs=1e-3)
    assert patched[PREVIOUS_TOKEN_HEAD] < 0.1  # finds the place again, where another token stands now
    assert patched[1, 0] == 0
    assert result.notes["clean_minus_corrupt"] > 3


def test_pairs_differ_in_their_first_half_alone(circuit: LoadedModel) -> None:
    distinct = sample(circuit, "distinct", Shape(N, 2, 5), sample_seed=0)

    clean, corrupt = pairs_of(distinct, N)

    assert clean.shape == corrupt.shape == (5, 2 * N + 1)
    assert torch.equal(clean[:, 1 : N + 1], clean[:, N + 1 :])
    assert torch.equal(clean[:, N + 1 :], corrupt[:, N + 1 :])
    assert torch.equal(clean[:, 0], corrupt[:, 0])
    assert all(len(set(row.tolist())) == 2 * N + 1 for row in corrupt)


@pytest.mark.parametrize("architecture", LAST_PROJECTIONS)
def test_patching_is_what_hooks_by_name_do(
    tiny_model: Callable[..., LoadedModel], architecture: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patching, "LEAST", -math.inf)
    loaded = tiny_model(architecture, role="calibration")
    clean, corrupt = pairs_of(sample(loaded, "distinct", Shape(N, 2, 6), sample_seed=0), N)

    def outcome(tokens: torch.Tensor) -> float:
        with torch.no_grad():
            log_probability = loaded.model(tokens).logits[:, N:-1].log_softmax(-1)
        return log_probability.gather(-1, tokens[:, N + 1 :, None]).double().mean().item()

    def patched(layer: int, head: int) -> float:
        projection = loaded.model.get_submodule(LAST_PROJECTIONS[architecture].format(layer))
        kept: list[torch.Tensor] = []
        with hooked([projection.register_forward_pre_hook(lambda _, given: kept.append(given[0]))]):
            outcome(clean)
        columns = torch.arange(32) // 8 == head
        with hooked([projection.register_forward_pre_hook(lambda _, given: torch.where(columns, kept[0], given[0]))]):
            return outcome(corrupt)

    result = PROBE.measure(loaded, SETTING)

    gain = outcome(clean) - outcome(corrupt)
    assert result.notes["clean_minus_corrupt"] == pytest.approx(gain, abs=1e-5)
    found = values(result, "activation_patching")
    assert len(found) == 8
    for (layer, head), share in found.items():
        assert share * gain == pytest.approx(patched(layer, head) - outcome(corrupt), abs=2e-5)  # of some 5 nats


def test_only_heads_of_large_attribution_are_patched_where_there_are_many(circuit: LoadedModel) -> None:
    result = PROBE.measure(circuit, Setting("calibration", options=Options(n_sequences=2, screen=3)))

    attribution, patched = values(result, "attribution"), values(result, "activation_patching")
    assert len(attribution) == 8
    assert set(patched) == set(sorted(attribution, key=lambda head: -abs(attribution[head]))[:3])


def test_shares_of_nothing_are_not_given(tiny_model: Callable[..., LoadedModel]) -> None:
    loaded = tiny_model("llama", role="calibration")
    loaded.model.lm_head.weight.data.zero_()

    result = PROBE.measure(loaded, SETTING)

    assert {m.metric_id for m in result.measurements} == {"attribution"}
    assert result.notes["clean_minus_corrupt"] == pytest.approx(0, abs=1e-5)


def test_undefined_without_attention(tiny_model: Callable[..., LoadedModel]) -> None:
    with pytest.raises(NotApplicable, match="no attention"):
        PROBE.measure(tiny_model("mamba"), SETTING)
