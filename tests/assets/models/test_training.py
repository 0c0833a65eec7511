"""The recipe: its schedule, repeatable training, and that it forms what it is there to form."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from transformers import (
    Gemma2ForCausalLM,
    GPT2LMHeadModel,
    GPTNeoXForCausalLM,
    LlamaForCausalLM,
    PreTrainedModel,
    Qwen3ForCausalLM,
)

from assets.models.engine.loaded import LoadedModel
from assets.models.runs import training_runs
from assets.models.sources import TrainingRun
from assets.models.training import Recipe, configuration, rate, train
from assets.probes.fuzzy_prefix_matching import PROBE as FUZZY
from assets.probes.registry import Setting
from assets.study import Study
from tests.assets.models.conftest import RECIPE


def recipe(**changes: Any) -> Recipe:
    return Recipe(**RECIPE | changes)


def sha256(model: PreTrainedModel) -> str:
    return hashlib.sha256(b"".join(p.detach().numpy().tobytes() for p in model.parameters())).hexdigest()


def weights(of: Recipe, seed: int, keep: list[int]) -> dict[int, str]:
    return {step: sha256(model) for step, model in train(of, seed, keep)}


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


@pytest.mark.parametrize(("architecture", "kv_heads"), [("gpt2", None), ("llama", 2), ("gemma2", 2), ("qwen3", 2)])
def test_every_architecture_is_repeatable(architecture: str, kv_heads: int | None) -> None:
    of = recipe(architecture=architecture, kv_heads=kv_heads, layers=2)

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
        ("gpt2", {}, GPT2LMHeadModel),
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


def test_gpt2_learns_positions_and_drops_nothing_out() -> None:
    _, model = next(train(recipe(architecture="gpt2"), 0, [0]))

    dropouts = {module.p for module in model.modules() if isinstance(module, torch.nn.Dropout)}
    assert model.get_parameter("transformer.wpe.weight").shape == (64, 32)
    assert model.get_parameter("transformer.h.0.mlp.c_fc.weight").shape == (32, 64)
    assert dropouts == {0}


# Recipes


def test_the_revision_follows_what_decides_the_weights() -> None:
    same = recipe(seeds=[1, 2], checkpoints=[3])
    others = [recipe(learning_rate=0.02), recipe(text={"kind": "iid"}), recipe(batch=3), recipe(cooldown=2)]

    assert same.revision == recipe().revision
    assert len({recipe().revision, *(other.revision for other in others)}) == 5


PINNED = {
    "calibration-neox": "ce7b826c001b727265db6149b1b619351eb38db73db57d010f5d526bf6aa89f7",
    "calibration-llama": "62bb05eb97f29e094355af52e9053417ab4325b96307b0ebbc708d9dcfbeb887",
    "calibration-gemma2": "78aaa4ccfc05a1b09e6b72e8f6083d434bd9a97af4395df034c0d1d65d53aa02",
    "calibration-qwen3": "1f2f9f880abdead83ddcfcbcc05a437f5e87be24c2bba1cb32676bc3dc0c8825",
    "calibration-bytepairs": "275007f89263df9c397527c5f1a0e5b7745fe27daee4d71a187740ad5f6c23bb",
    "calibration-gpt2": "559e1280a2b35de44ade9448716de93ec4bf470d013932c06c9f972d7171630b",
    "calibration-previous-first": "e18816fd038e0547bfaf18c9e6e8eba7723243dd5b5ec650bd9b0908210ac7d5",
    "calibration-synonyms": "8198899e18650fef19be422890d74375d9c4eddde0171237fc8c62d8f352fae0",
    "control-one-layer": "a9fc7d93b9c47db1b9d0360571a9ed051298992d80a7dd1d1f564bd95ab0586d",
    "control-no-repeats": "d5e3ef4574274590683ea6d59afb9aa52dcbe72062b9964d2e11293353caae39",
}


@pytest.mark.parametrize("family", PINNED)
def test_what_recipes_learn_to_say_does_not_touch_those_that_stand(family: str) -> None:
    assert first_run(family).spec.revision == PINNED[family]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"checkpoints": [0, 1]}, "end with steps"),
        ({"checkpoints": [1, 0, 3]}, "rise"),
        ({"checkpoints": []}, "end with steps"),
        ({"seeds": []}, "at least one"),
        ({"seeds": [1, 1]}, "distinct"),
        ({"heads": 3}, "multiple"),
        ({"kv_heads": 2}, "gpt_neox has no grouped keys"),
        ({"architecture": "gpt2", "kv_heads": 2}, "gpt2 has no grouped keys"),
        ({"window": 8}, "gemma2"),
        ({"architecture": "llama", "kv_heads": 3}, "one of kv_heads"),
        ({"optimiser": "sgd"}, "Extra inputs"),
    ],
)
def test_a_recipe_that_can_not_be_followed_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        recipe(**changes)


# What the families show


def scores(model: PreTrainedModel, n: int = 24, n_sequences: int = 64) -> dict[str, float]:
    """Best excess of prefix matching over its placebo, best previous-token score, recall and loss on the second copy,
    by eager attention, as METRICS defines them; `fuzzy` is prefix matching over its placebo where the second copy holds
    ids 2k for 2k + 1 and the other way round."""
    generator = torch.Generator().manual_seed(3)
    vocabulary = model.config.vocab_size
    tokens = torch.rand(n_sequences, vocabulary, generator=generator).argsort(1)
    first = tokens[:, :n]
    one_of_pair = 2 * torch.rand(n_sequences, vocabulary // 2, generator=generator).argsort(1)[:, :n]
    one_of_pair += torch.randint(2, one_of_pair.shape, generator=generator)
    model.eval()
    model.set_attn_implementation("eager")

    def run(second: torch.Tensor, first: torch.Tensor = first) -> Any:
        with torch.no_grad():
            return model(torch.cat([first, second], 1), output_attentions=True)

    queries, later = torch.arange(n, 2 * n), torch.arange(2, 2 * n)

    def best(of: Any, than: Any) -> float:
        matching, placebo = (
            torch.stack([a[:, :, queries, queries - n + 1].mean((0, 2)) for a in run.attentions]) for run in (of, than)
        )
        return (matching - placebo).max().item()

    repeated, distinct = run(first), run(tokens[:, n : 2 * n])
    previous = torch.stack([a[:, :, later, later - 1].mean((0, 2)) for a in distinct.attentions])
    logits, following = repeated.logits[:, n : 2 * n - 1], first[:, 1:]
    return {
        "induction": best(repeated, distinct),
        "fuzzy": best(run(one_of_pair ^ 1, one_of_pair), distinct),
        "previous": previous.max().item(),
        "recall": (logits.argmax(-1) == following).float().mean().item(),
        "loss": torch.nn.functional.cross_entropy(logits.flatten(0, 1), following.flatten()).item(),
    }


def neighbours(model: PreTrainedModel) -> float:
    """Share of the tokens whose nearest other token, by cosine of the embedding, is their synonym."""
    rows = torch.nn.functional.normalize(model.get_input_embeddings().get_parameter("weight").detach())
    nearest = (rows @ rows.T).fill_diagonal_(-1).argmax(1)
    return (nearest == torch.arange(len(rows)) ^ 1).float().mean().item()


def first_run(family: str) -> TrainingRun:
    return training_runs(Study(name="test", families=[family], probes=[]))[0]


def trained(family: str) -> dict[int, dict[str, float]]:
    """Scores of a family's first training run at the start and the end."""
    run = first_run(family)
    return {step: scores(model) for step, model in train(run.spec, run.seed or 0, [0, run.spec.steps])}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("family", "previous"),
    [
        ("calibration-neox", 0.5),
        ("calibration-llama", 0.5),
        ("calibration-gemma2", 0.5),
        ("calibration-qwen3", 0.5),
        ("calibration-gpt2", 0.3),  # learned at the positions that need it, which are half of those measured
    ],
)
def test_two_layers_learn_to_match_prefixes_and_to_recall(family: str, previous: float) -> None:
    start, end = trained(family).values()

    assert start["induction"] < 0.05
    assert end["induction"] > 0.8
    assert end["fuzzy"] < 0.05
    assert end["previous"] > previous
    assert start["recall"] < 0.05
    assert end["recall"] > 0.95


def probed(model: PreTrainedModel) -> float:
    """What probe fuzzy_prefix_matching says of the head that matches equal tokens best."""
    loaded = LoadedModel("synonyms@end", "calibration", model, torch.arange(model.config.vocab_size))
    found = FUZZY.measure(loaded, Setting("calibration")).measurements
    best = max((m for m in found if m.stratum == "part=exact"), key=lambda m: m.value)
    (ratio,) = [m.value for m in found if (m.stratum, m.layer, m.head) == ("", best.layer, best.head)]
    return ratio


@pytest.mark.slow
def test_two_layers_learn_which_tokens_mean_the_same() -> None:
    run = first_run("calibration-synonyms")
    start, end = {
        step: {**scores(model), "neighbours": neighbours(model), "probed": probed(model) if step else 0.0}
        for step, model in train(run.spec, run.seed or 0, [0, run.spec.steps])
    }.values()

    assert start["fuzzy"] < 0.05
    assert start["neighbours"] < 0.05
    assert end["fuzzy"] > 0.8
    assert end["neighbours"] == 1
    assert end["probed"] > 0.9


@pytest.mark.slow
def test_three_layers_look_one_token_back_before_they_match_prefixes() -> None:
    run = first_run("calibration-previous-first")
    early, end = (scores(model) for _, model in train(run.spec, run.seed or 0, [80, 300]))

    assert early["previous"] > 0.7
    assert early["induction"] < 0.05
    assert end["previous"] > 0.7
    assert end["induction"] > 0.8
    assert end["recall"] > 0.8


@pytest.mark.slow
def test_byte_pair_models_keep_their_induction_heads_when_prose_begins() -> None:
    run = first_run("calibration-bytepairs")
    early, late = (scores(model) for _, model in train(run.spec, run.seed or 0, [0, 560]))

    assert early["induction"] < 0.05
    assert late["induction"] > 0.8
    assert late["fuzzy"] < 0.05
    assert late["previous"] > 0.8
    assert late["recall"] > 0.75  # and .95 at the end: prose has just begun


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
