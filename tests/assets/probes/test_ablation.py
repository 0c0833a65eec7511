from __future__ import annotations

from collections.abc import Callable
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import torch

from assets.models.engine.calls import hooked
from assets.models.engine.loaded import LoadedModel
from assets.probes.ablation import PROBE, Options
from assets.probes.inputs import Shape, sample, sample_walk
from assets.probes.registry import Measurement, NotApplicable, Result, Setting
from catalog.errors import UserError
from tests.assets.probes.circuits import induction_circuit
from tests.assets.probes.test_hand_built import INDUCTION_HEAD, PREVIOUS_TOKEN_HEAD
from tests.assets.probes.texts import corpus_of, reading

N, N_SEQUENCES = 24, 12
OPTIONS = Options(n_sequences=N_SEQUENCES, sweep=4)
PROJECTIONS = {
    "gpt_neox": "gpt_neox.layers.{}.attention.dense",
    "llama": "model.layers.{}.self_attn.o_proj",
    "gemma2": "model.layers.{}.self_attn.o_proj",
    "bloom": "transformer.h.{}.self_attention.dense",
}


def measured(loaded: LoadedModel, options: Options = OPTIONS) -> Result:
    return PROBE.measure(loaded, Setting("calibration", options=options))


def value(
    measurements: list[Measurement], metric_id: str, kind: str = "zero", outcome: str = "repeat_loss", **about: object
) -> float:
    (found,) = (
        m
        for m in measurements
        if (m.metric_id, m.parameters["kind"], m.parameters["outcome"]) == (metric_id, kind, outcome)
        and all(getattr(m, name) == wanted for name, wanted in about.items())
    )
    return found.value


class ByHand:
    """Ablations by hooks on the output projections by their authors' names, a whole pass for each, all sequences."""

    def __init__(self, loaded: LoadedModel, architecture: str, tokens: torch.Tensor) -> None:
        self.model, self.reference, self.tokens = loaded.model, tokens[::2], tokens[1::2]
        self.projections = [self.model.get_submodule(PROJECTIONS[architecture].format(layer)) for layer in (0, 1)]

    def written(self, layer: int, tokens: torch.Tensor) -> torch.Tensor:
        kept: list[torch.Tensor] = []
        with hooked([self.projections[layer].register_forward_pre_hook(lambda _, given: kept.append(given[0]))]):
            self.losses(tokens)
        return kept[0]

    def losses(self, tokens: torch.Tensor) -> torch.Tensor:
        """(sequences, tokens - 1)"""
        with torch.no_grad():
            logits = self.model(tokens).logits[:, :-1].log_softmax(-1)
        return -logits.gather(-1, tokens[:, 1:, None])[..., 0].double()

    def replacement(self, kind: str, layer: int) -> torch.Tensor:
        if kind == "zero":
            return torch.zeros(1)
        if kind == "mean":
            return torch.stack([self.written(layer, tokens[None])[0] for tokens in self.reference]).mean(0)
        others = [self.tokens[number - 1] for number in range(len(self.tokens))]
        return torch.stack([self.written(layer, tokens[None])[0] for tokens in others])

    def effect(self, kind: str, heads: set[tuple[int, int]]) -> torch.Tensor:
        """Change of every loss, (sequences, tokens - 1)."""

        def hook_of(layer: int) -> Callable[..., torch.Tensor]:
            replacement = self.replacement(kind, layer)
            columns = torch.tensor([(layer, column // 8) in heads for column in range(32)])
            return lambda _, given: torch.where(columns, replacement, given[0])

        hooks = [hook_of(layer) for layer in (0, 1)]
        clean = self.losses(self.tokens)
        handles = [at.register_forward_pre_hook(hook) for at, hook in zip(self.projections, hooks, strict=True)]
        with hooked(handles):
            return self.losses(self.tokens) - clean


@pytest.mark.parametrize("architecture", PROJECTIONS)
def test_effects_are_those_of_an_explicit_loop(tiny_model: Callable[..., LoadedModel], architecture: str) -> None:
    loaded = tiny_model(architecture, role="calibration")
    by_hand = ByHand(loaded, architecture, sample(loaded, "repeated", Shape(N, 2, N_SEQUENCES), sample_seed=0))

    result = measured(loaded)

    found = result.measurements
    assert result.notes["shares_layers"] == (architecture != "bloom")
    for kind in ("zero", "mean", "resample"):
        for stratum in ("set=top1", "set=top2"):
            heads = {tuple(head) for head in result.notes[stratum]["heads"]}
            effect = by_hand.effect(kind, heads)[:, N:].mean().item()
            assert value(found, "ablation_effect", kind, stratum=stratum) == pytest.approx(effect, abs=2e-5)
    ((layer, top),) = result.notes["set=top1"]["heads"]
    controls = [by_hand.effect("zero", {(layer, other)})[:, N:].mean().item() for other in {0, 1, 2, 3} - {top}]
    specific = by_hand.effect("zero", {(layer, top)})[:, N:].mean().item() - np.mean(controls)
    assert value(found, "specific_ablation_effect", stratum="set=top1") == pytest.approx(specific, abs=2e-5)
    assert abs(specific) > 1e-3


def test_the_sweep_is_a_loop_of_forward_passes(tiny_model: Callable[..., LoadedModel]) -> None:
    loaded = tiny_model("llama", role="calibration")
    by_hand = ByHand(loaded, "llama", sample(loaded, "repeated", Shape(N, 2, N_SEQUENCES), sample_seed=0))

    found = measured(loaded).measurements

    for layer in (0, 1):
        for head in range(4):
            effect = by_hand.effect("zero", {(layer, head)})[:4, N:].mean().item()
            swept = value(found, "head_ablation_effect", layer=layer, head=head)
            assert swept == pytest.approx(effect, abs=2e-5)
            assert abs(effect) > 1e-3


def test_icl_score_at_its_late_and_early_token(tiny_model: Callable[..., LoadedModel]) -> None:
    loaded = tiny_model("gpt_neox", role="calibration")
    walks = torch.from_numpy(sample_walk(loaded, 64, N_SEQUENCES, 0))
    by_hand = ByHand(loaded, "gpt_neox", walks)

    result = measured(loaded)

    heads = {tuple(head) for head in result.notes["set=top2"]["heads"]}
    change = by_hand.effect("zero", heads).mean(0)
    early, late = change[6].item(), change[58].item()  # of predicting tokens 8 and 60, 1-based
    effects = {
        outcome: value(result.measurements, "ablation_effect", outcome=outcome, stratum="set=top2")
        for outcome in ("loss_at_8", "loss_at_60", "icl_score_t60_8")
    }
    assert effects == pytest.approx({"loss_at_8": early, "loss_at_60": late, "icl_score_t60_8": late - early}, abs=2e-5)
    assert min(abs(early), abs(late), abs(late - early)) > 1e-3


@pytest.fixture(scope="module")
def of_circuit() -> Result:
    return measured(induction_circuit(), Options(n_sequences=6, outcomes=("repeat_loss",)))


@pytest.mark.parametrize("kind", ["zero", "mean", "resample"])
def test_without_its_induction_head_a_circuit_recalls_nothing(of_circuit: Result, kind: str) -> None:
    """Nats: one who knows the bag of tokens loses ln 24 = 3.2."""
    assert of_circuit.notes["set=top1"]["heads"] == [INDUCTION_HEAD]
    assert value(of_circuit.measurements, "ablation_effect", kind, stratum="set=top1") > 3
    assert value(of_circuit.measurements, "specific_ablation_effect", kind, stratum="set=top1") > 3
    alone = {(m.layer, m.head): m.value for m in of_circuit.measurements if m.metric_id == "head_ablation_effect"}
    assert min(alone[INDUCTION_HEAD], alone[PREVIOUS_TOKEN_HEAD]) > 3
    assert max(abs(effect) for head, effect in alone.items() if head not in {INDUCTION_HEAD, PREVIOUS_TOKEN_HEAD}) < 0.1


def test_nothing_specific_in_a_model_that_learnt_nothing() -> None:
    from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

    torch.manual_seed(0)
    size = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    model = GPTNeoXForCausalLM(GPTNeoXConfig(vocab_size=64, max_position_embeddings=64, **size))
    loaded = LoadedModel("step0@0", "calibration", model, torch.arange(1, 64))

    specific = [m for m in measured(loaded).measurements if m.metric_id == "specific_ablation_effect"]

    assert len(specific) == 2 * 3 * (1 + 3)
    assert max(abs(m.value) for m in specific) < 0.02  # nats; a circuit's is above 3


def test_each_sequence_takes_its_own_control_sets_in_turn(tiny_model: Callable[..., LoadedModel]) -> None:
    options = Options(kinds=("zero",), outcomes=("repeat_loss",), sets=("top1",), n_sequences=12, controls=1, sweep=0)
    loaded = tiny_model("llama", role="calibration")
    by_hand = ByHand(loaded, "llama", sample(loaded, "repeated", Shape(N, 2, 12), sample_seed=0))

    result = measured(loaded, options)

    (top,) = result.notes["set=top1"]["heads"]
    controls = {head: by_hand.effect("zero", {(top[0], head)})[:, N:].mean(1) for head in {0, 1, 2, 3} - {top[1]}}
    effect = by_hand.effect("zero", {tuple(top)})[:, N:].mean().item()
    beyond = value(result.measurements, "specific_ablation_effect")
    possible = [
        effect - np.mean([controls[order[number % 3]][number].item() for number in range(6)])
        for order in permutations(controls)
    ]
    assert min(abs(beyond - each) for each in possible) < 2e-5
    assert len(result.measurements) == 2


def test_options_are_in_the_parameters() -> None:
    given = PROBE.parameters(Setting("calibration", options=Options(kinds=("mean",), controls=5)))

    assert given["kinds"] == "mean"
    assert given["controls"] == 5
    assert given["sets"] == "top1+top2"
    assert "corpus" in given
    assert "corpus" not in PROBE.parameters(Setting("natural"))


def test_one_sequence_is_not_resampled_from_itself(tiny_model: Callable[..., LoadedModel], tmp_path: Path) -> None:
    """A corpus of three windows leaves one to measure on, on which resampling would change nothing."""
    loaded = reading(tiny_model("llama"))
    corpus = corpus_of(tmp_path, "the cat sat " * 128)  # 384 tokens in windows of 128
    options = Options(outcomes=("icl_score",), n_sequences=8)

    with pytest.raises(UserError, match="512 tokens are needed and it has 384"):
        PROBE.measure(loaded, Setting("calibration", corpus, options))


def test_what_is_stated_twice_is_measured_once() -> None:
    twice = Options(kinds=("mean", "zero", "mean"), outcomes=("repeat_loss", "repeat_loss"), sets=("top1", "top1"))

    assert (twice.kinds, twice.outcomes, twice.sets) == (("mean", "zero"), ("repeat_loss",), ("top1",))


def test_weights_that_are_no_numbers_are_refused(tiny_model: Callable[..., LoadedModel]) -> None:
    loaded = tiny_model("llama", role="calibration")
    loaded.model.lm_head.weight.data[0, 0] = torch.nan

    with pytest.raises(UserError, match="NaN"):
        measured(loaded)


def test_undefined_without_attention(tiny_model: Callable[..., LoadedModel]) -> None:
    with pytest.raises(NotApplicable, match="no attention"):
        measured(tiny_model("mamba", role="calibration"))
