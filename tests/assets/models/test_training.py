"""The recipe: its text, its schedule, repeatable training, and that it forms what it is there to form."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from transformers import Gemma2ForCausalLM, GPTNeoXForCausalLM, LlamaForCausalLM, PreTrainedModel, Qwen3ForCausalLM

from assets.models.runs import training_runs
from assets.models.training import Recipe, configuration, draw_text, rate, train
from assets.study import Study
from tests.assets.models.conftest import RECIPE


def recipe(**changes: Any) -> Recipe:
    return Recipe(**RECIPE | changes)


def sha256(model: PreTrainedModel) -> str:
    return hashlib.sha256(b"".join(p.detach().numpy().tobytes() for p in model.parameters())).hexdigest()


def weights(of: Recipe, seed: int, keep: list[int]) -> dict[int, str]:
    return {step: sha256(model) for step, model in train(of, seed, keep)}


# Text


def test_repeats_walk_a_cycle_of_distinct_tokens() -> None:
    text = draw_text(recipe(text={"kind": "repeats", "jump": 0}), 500, np.random.default_rng(0))

    periods = [len(set(sequence)) for sequence in text.tolist()]
    assert text.shape == (500, 64)
    assert set(periods) == set(range(8, 33))
    for sequence, period in zip(text, periods, strict=True):
        assert (sequence[period:] == sequence[:-period]).all()


def test_jumps_break_the_cycle_as_often_as_asked_but_not_in_the_first_pass() -> None:
    text = draw_text(recipe(text={"kind": "repeats", "jump": 0.2}), 2000, np.random.default_rng(0))

    broken = steps = 0
    for sequence in text.tolist():
        order = list(dict.fromkeys(sequence))  # a cycle is walked whole before it can be left
        place = {token: i for i, token in enumerate(order)}
        period = len(order)
        assert sequence[:period] == order
        for t in range(period, len(sequence)):
            steps += 1
            broken += place[sequence[t]] != (place[sequence[t - 1]] + 1) % period
    # one jump in `period` lands where the walk would have gone, with periods around 20
    assert broken / steps == pytest.approx(0.2 * (1 - 1 / 20), abs=0.01)


def test_independent_text_is_uniform_and_has_no_memory() -> None:
    text = draw_text(recipe(text={"kind": "iid"}), 4000, np.random.default_rng(0))

    counts = np.bincount(text.ravel(), minlength=64)
    same_as_before = (text[:, 1:] == text[:, :-1]).mean()
    assert abs(counts / counts.sum() - 1 / 64).max() < 0.001
    assert same_as_before == pytest.approx(1 / 64, abs=0.001)


# Schedule


def test_the_rate_warms_up_stays_and_cools_down_to_zero() -> None:
    of = recipe(steps=10, checkpoints=[10], warmup=2, cooldown=5, learning_rate=1.0)

    rates = [rate(of, step) for step in range(11)]

    assert rates == pytest.approx([0.5, 1, 1, 1, 1, 1, 0.8, 0.6, 0.4, 0.2, 0])


# Training


def test_a_seed_gives_the_same_bits_again_and_another_seed_others() -> None:
    first, again, other = (weights(recipe(), seed, [0, 3]) for seed in (5, 5, 6))

    assert first == again
    assert first[0] != first[3]
    assert set(first.values()).isdisjoint(other.values())


@pytest.mark.parametrize("architecture", ["llama", "gemma2", "qwen3"])
def test_every_architecture_is_repeatable(architecture: str) -> None:
    of = recipe(architecture=architecture, kv_heads=2, layers=2)

    assert weights(of, 1, [3]) == weights(of, 1, [3])


def test_neither_threads_nor_other_checkpoints_nor_random_state_change_the_bits() -> None:
    expected = weights(recipe(), 5, [0, 1, 3])[3]
    threads = torch.get_num_threads()

    torch.set_num_threads(threads + 1)
    torch.manual_seed(99)
    try:
        assert weights(recipe(), 5, [3])[3] == expected
        assert torch.get_num_threads() == threads + 1
    finally:
        torch.set_num_threads(threads)


def test_training_leaves_the_global_random_state_alone() -> None:
    torch.manual_seed(1)
    expected = torch.rand(1)

    torch.manual_seed(1)
    weights(recipe(), 5, [1])

    assert torch.equal(torch.rand(1), expected)


def test_a_training_that_diverges_is_told() -> None:
    with pytest.raises(FloatingPointError, match="not finite"):
        weights(recipe(learning_rate=1e38, steps=6, checkpoints=[6]), 5, [6])


# Architectures


@pytest.mark.parametrize(
    ("architecture", "options", "of_class"),
    [
        ("gpt_neox", {}, GPTNeoXForCausalLM),
        ("llama", {"kv_heads": 2}, LlamaForCausalLM),
        ("gemma2", {"kv_heads": 2, "window": 16, "layers": 2}, Gemma2ForCausalLM),
        ("qwen3", {"kv_heads": 2}, Qwen3ForCausalLM),
    ],
)
def test_models_are_transformers_own(architecture: str, options: dict[str, int], of_class: type) -> None:
    of = recipe(architecture=architecture, **options)

    _, model = next(train(of, 0, [0]))

    assert type(model) is of_class
    assert model.config.num_attention_heads == 4
    assert getattr(model.config, "num_key_value_heads", None) == options.get("kv_heads")
    assert model.get_input_embeddings().weight.shape == (64, 32)
    assert model.get_output_embeddings().weight is not model.get_input_embeddings().weight
    if "window" in options:
        assert (model.config.sliding_window, model.config.layer_types[0]) == (16, "sliding_attention")


def test_rotary_positions_cover_the_whole_head() -> None:
    assert configuration(recipe()).rope_parameters["partial_rotary_factor"] == 1


# Recipes


def test_the_revision_follows_what_decides_the_weights() -> None:
    same = recipe(seeds=[1, 2], checkpoints=[3])
    others = [recipe(learning_rate=0.02), recipe(text={"kind": "iid"}), recipe(batch=3), recipe(cooldown=2)]

    assert same.revision == recipe().revision
    assert len({recipe().revision, *(other.revision for other in others)}) == 5


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"checkpoints": [0, 1]}, "end with steps"),
        ({"checkpoints": [1, 0, 3]}, "rise"),
        ({"checkpoints": []}, "end with steps"),
        ({"seeds": []}, "at least one"),
        ({"seeds": [1, 1]}, "distinct"),
        ({"heads": 3}, "multiple"),
        ({"kv_heads": 2}, "leave out kv_heads"),
        ({"window": 8}, "gemma2"),
        ({"architecture": "llama", "kv_heads": 3}, "one of kv_heads"),
        ({"text": {"kind": "repeats", "longest": 65}}, "vocabulary"),
        ({"text": {"kind": "repeats", "jump": 1.1}}, "less than or equal to 1"),
        ({"text": {"kind": "prose"}}, "repeats"),
        ({"optimiser": "sgd"}, "Extra inputs"),
    ],
)
def test_a_recipe_that_can_not_be_followed_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        recipe(**changes)


# What the families show


def scores(model: PreTrainedModel, n: int = 24, n_sequences: int = 64) -> dict[str, float]:
    """Best excess of prefix matching over its placebo, best previous-token score, recall and loss on the second copy,
    by eager attention, as METRICS defines them."""
    generator = torch.Generator().manual_seed(3)
    tokens = torch.rand(n_sequences, 64, generator=generator).argsort(1)
    repeated, distinct = tokens[:, :n].repeat(1, 2), tokens[:, : 2 * n]
    model.eval()
    model.set_attn_implementation("eager")
    with torch.no_grad():
        on_repeated = model(repeated, output_attentions=True)
        on_distinct = model(distinct, output_attentions=True)
    queries, later = torch.arange(n, 2 * n), torch.arange(2, 2 * n)
    matching = torch.stack([a[:, :, queries, queries - n + 1].mean((0, 2)) for a in on_repeated.attentions])
    placebo = torch.stack([a[:, :, queries, queries - n + 1].mean((0, 2)) for a in on_distinct.attentions])
    previous = torch.stack([a[:, :, later, later - 1].mean((0, 2)) for a in on_distinct.attentions])
    logits, following = on_repeated.logits[:, n : 2 * n - 1], repeated[:, n + 1 :]
    return {
        "induction": (matching - placebo).max().item(),
        "previous": previous.max().item(),
        "recall": (logits.argmax(-1) == following).float().mean().item(),
        "loss": torch.nn.functional.cross_entropy(logits.flatten(0, 1), following.flatten()).item(),
    }


def trained(family: str) -> dict[int, dict[str, float]]:
    """Scores of a family's first training run at the start and the end."""
    run = training_runs(Study(name="test", families=[family], probes=["attention"]))[0]
    return {step: scores(model) for step, model in train(run.spec, run.seed or 0, [0, run.spec.steps])}


@pytest.mark.slow
@pytest.mark.parametrize("family", ["calibration-neox", "calibration-llama", "calibration-gemma2", "calibration-qwen3"])
def test_two_layers_learn_to_match_prefixes_and_to_recall(family: str) -> None:
    start, end = trained(family).values()

    assert start["induction"] < 0.05
    assert end["induction"] > 0.8
    assert end["previous"] > 0.5
    assert start["recall"] < 0.05
    assert end["recall"] > 0.95


@pytest.mark.slow
def test_one_layer_knows_the_bag_of_tokens_and_matches_no_prefix() -> None:
    start, end = trained("control-one-layer").values()

    n = 24
    bag = (sum(1 / k for k in range(1, n)) + 1 / n) / n
    assert end["induction"] < 0.02
    assert abs(end["recall"] - bag) < 0.05
    assert start["loss"] > 4.2
    assert end["loss"] < np.log(n) + 0.1


@pytest.mark.slow
def test_without_repeats_nothing_is_learned() -> None:
    _, end = trained("control-no-repeats").values()

    assert end["induction"] < 0.02
    assert end["recall"] < 0.05
    assert end["loss"] == pytest.approx(np.log(64), abs=0.02)
