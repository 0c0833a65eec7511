"""The probe against METRICS' definitions, over eager attention of one sentence or window at a time."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from assets.models.engine.loaded import LoadedModel
from assets.probes import text_attention
from assets.probes.inputs import sample_walk
from assets.probes.registry import Measurement, NotApplicable, Setting
from assets.probes.text_attention import PROBE, Options
from catalog.errors import UserError
from tests.assets.probes.test_attention import eager_attentions, window_of
from tests.assets.probes.test_hand_built import OTHERS, PREVIOUS_TOKEN_HEAD, SINK_HEAD, hand_built  # noqa: F401
from tests.assets.probes.texts import VOCABULARY, WORDS, corpus_of, reading

Key = tuple[str, int, int]
"""Metric, layer, head."""

SENTENCES = [
    "the cat sat on the mat .",
    "one two three four five six .",
    "The old dog ran under a big red tree !",
    "a bird sang in the new box .",
    "the big cat and the old dog ran on and on in the tree ?",
]


@pytest.fixture
def setting(tmp_path: Path) -> Setting:
    filler = " ".join(np.random.default_rng(3).choice(WORDS[:23], 260))
    text = " ".join(SENTENCES) + "\n" + filler
    return Setting("natural", corpus_of(tmp_path, text), Options(n_sentences=5, n_windows=4))


def by_key(measurements: list[Measurement]) -> dict[Key, Measurement]:
    found = {(m.metric_id, m.layer or 0, m.head or 0): m for m in measurements}
    assert len(found) == len(measurements)
    return found


def expected_on_sentences(loaded: LoadedModel) -> dict[Key, dict[str, float]]:
    values: dict[Key, list[float]] = {}
    chances: dict[tuple[str, int], list[float]] = {}
    for sentence in SENTENCES:
        ids = torch.tensor([[VOCABULARY.get(word, 0) for word in sentence.split()]])
        n_tokens = ids.shape[1]
        for layer, matrix in eager_attentions(loaded, ids).items():
            window = window_of(loaded, layer)
            seen = [min(i + 1, window) for i in range(n_tokens)]
            uniform = {
                "previous_token_all": [1 / seen[i] for i in range(1, n_tokens)],
                "first_token_all": [(i < window) / seen[i] for i in range(n_tokens)],
            }
            for metric_id, chance in uniform.items():
                chances.setdefault((metric_id, layer), []).append(statistics.fmean(chance))
            for head, A in enumerate(matrix[0].double()):  # noqa: N806
                previous = statistics.fmean(A[i, i - 1].item() for i in range(1, n_tokens))
                values.setdefault(("previous_token_all", layer, head), []).append(previous)
                first = statistics.fmean(A[i, 0].item() for i in range(n_tokens))
                values.setdefault(("first_token_all", layer, head), []).append(first)
    return {key: summary(each, statistics.fmean(chances[key[0], key[1]])) for key, each in values.items()}


def summary(values: list[float], chance: float) -> dict[str, float]:
    return {
        "value": statistics.fmean(values),
        "value_a": statistics.fmean(values[0::2]),
        "value_b": statistics.fmean(values[1::2]),
        "standard_error": statistics.stdev(values) / len(values) ** 0.5,
        "chance": chance,
        "n": len(values),
    }


@pytest.mark.parametrize("together", [1, 20, 1024])
@pytest.mark.parametrize("architecture", ["gpt2", "gpt_neox", "llama", "gemma3_text", "gpt_oss", "bloom"])
def test_sentences_equal_eager_attention_of_one_at_a_time(
    tiny_model: Callable[..., LoadedModel],
    architecture: str,
    together: int,
    setting: Setting,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(text_attention, "TOKENS_TOGETHER", together)
    loaded = reading(tiny_model(architecture, adds_bos=True))

    found = by_key(PROBE.measure(loaded, setting).measurements)

    wanted = expected_on_sentences(loaded)
    assert {key for key in found if key[0].endswith("_all")} == wanted.keys()
    for key, fields in wanted.items():
        for field, value in fields.items():
            assert getattr(found[key], field) == pytest.approx(value, abs=1e-5), (key, field)
        assert found[key].parameters == {"corpus": setting.corpus.identity, "bos": False}
    assert max(abs(found[key].value - (found[key].chance or 0)) for key in wanted) > 0.05, "too uniform for a test"


@pytest.mark.parametrize("adds_bos", [False, True], ids=["", "bos"])
def test_sink_rate_is_the_share_of_windows_that_the_first_token_draws(
    tiny_model: Callable[..., LoadedModel], adds_bos: bool, setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a threshold in the midst of the values, so that it tells windows apart."""
    loaded = reading(tiny_model("llama", adds_bos))
    ids = [VOCABULARY.get(word, 0) for word in setting.corpus.text().replace("\n", " ").split()]
    n_tokens = 64 - adds_bos
    starts = [int(number * len(ids) / 4) for number in range(4)]
    windows = torch.tensor([[0] * adds_bos + ids[start : start + n_tokens] for start in starts])
    means = torch.stack([matrix[..., 0].mean(-1) for matrix in eager_attentions(loaded, windows).values()])
    threshold = means.median().item() + 1e-4
    monkeypatch.setattr(text_attention, "SINK_ABOVE", threshold)

    found = by_key(PROBE.measure(loaded, setting).measurements)

    shares = (means > threshold).double().mean(1)
    assert 0 < shares.mean() < 1
    for (layer, head), share in np.ndenumerate(shares.numpy()):
        assert found["sink_rate", layer, head].value == share
        assert found["sink_rate", layer, head].chance == 0
    assert found["sink_rate", 0, 0].parameters == {"corpus": setting.corpus.identity, "bos": adds_bos, "length": 64}


def test_prefix_matching_on_ids_of_the_whole_embedding(
    tiny_model: Callable[..., LoadedModel], setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = reading(tiny_model("gpt_neox", adds_bos=True))
    given: list[torch.Tensor] = []
    monkeypatch.setattr(text_attention, "sample", lambda *args: given.append(real_sample(*args)) or given[-1])

    found = by_key(PROBE.measure(loaded, setting).measurements)

    (tokens,) = given
    assert tokens.shape == (32, 100)
    assert set(tokens.flatten().tolist()) == set(range(61)), "special tokens among them, no BOS in front"
    second = torch.arange(50, 100)
    for layer, matrix in eager_attentions(loaded, tokens).items():
        for head, score in enumerate(matrix[:, :, second, second - 49].mean((0, 2)).tolist()):
            assert found["prefix_matching", layer, head].value == pytest.approx(score, abs=1e-5)
            assert found["prefix_matching", layer, head].chance == pytest.approx(0.013763, abs=5e-7)
    parameters = {"input": "repeated", "n": 50, "m": 2, "bos": False, "tokens": "all"}
    assert found["prefix_matching", 0, 0].parameters == parameters


real_sample = text_attention.sample


def test_circuit_heads_on_walks(hand_built: LoadedModel) -> None:  # noqa: F811
    """The previous-token head scores 1 and the sink head draws every window; heads without weights are at chance."""
    setting = Setting("calibration", options=Options(n_sentences=25, n_windows=4))

    found = by_key(PROBE.measure(dataclasses.replace(hand_built, adds_bos=False), setting).measurements)

    assert found["previous_token_all", *PREVIOUS_TOKEN_HEAD].value >= 0.999
    assert found["first_token_all", *SINK_HEAD].value >= 0.999
    assert found["sink_rate", *SINK_HEAD].value == 1
    assert found["sink_rate", *PREVIOUS_TOKEN_HEAD].value == 0
    harmonic = {n: sum(1 / k for k in range(1, n + 1)) for n in range(8, 33)}
    for metric_id, chance in (
        ("previous_token_all", statistics.fmean((h - 1) / (n - 1) for n, h in harmonic.items())),
        ("first_token_all", statistics.fmean(h / n for n, h in harmonic.items())),
    ):
        for head in OTHERS:
            assert found[metric_id, *head].chance == pytest.approx(chance, abs=1e-9)
            assert found[metric_id, *head].value == pytest.approx(chance, abs=1e-4)
            assert found["sink_rate", *head].value == 0


def test_a_model_at_initialisation_is_at_chance(tiny_model: Callable[..., LoadedModel]) -> None:
    """Small weights: attention is uniform to .01."""
    loaded = tiny_model("gpt2")
    for name, parameter in loaded.model.named_parameters():
        if "ln" not in name:
            parameter.data *= 0.04

    for m in PROBE.measure(loaded, Setting("calibration")).measurements:
        assert m.value == pytest.approx(m.chance, abs=0.01), m


def test_without_a_tokenizer_the_text_is_a_walk(tiny_model: Callable[..., LoadedModel]) -> None:
    loaded = tiny_model("llama")
    setting = Setting("calibration", options=Options(n_sentences=25, n_windows=2))

    found = by_key(PROBE.measure(loaded, setting).measurements)

    walks = sample_walk(loaded, 32, 25, 0)
    wanted = []
    for number, walk in enumerate(walks):
        A = eager_attentions(loaded, torch.from_numpy(walk[None, : 8 + number]))[0][0, 0]  # noqa: N806
        wanted.append(A.diagonal(-1).mean().item())
    assert found["previous_token_all", 0, 0].value == pytest.approx(statistics.fmean(wanted), abs=1e-5)
    assert found["previous_token_all", 0, 0].parameters == {"corpus": "walk", "bos": False}


def test_what_does_not_fit_the_context_is_left_out_and_named(tiny_model: Callable[..., LoadedModel]) -> None:
    loaded = tiny_model("llama")
    loaded.model.config.max_position_embeddings = 63

    result = PROBE.measure(loaded, Setting("calibration"))

    assert {m.metric_id for m in result.measurements} == {"previous_token_all", "first_token_all"}
    left_out = result.notes["left_out"]
    assert left_out["windows"] == "64 tokens are needed and the context is 63."
    assert "100 tokens" in left_out["repeated tokens of the whole embedding"]

    loaded.model.config.max_position_embeddings = 31
    with pytest.raises(NotApplicable, match="32 tokens are needed"):
        PROBE.measure(loaded, Setting("calibration"))


def test_says_how_it_read(tiny_model: Callable[..., LoadedModel]) -> None:
    result = PROBE.measure(tiny_model("gemma3_text"), Setting("calibration"))

    assert result.attention_implementation == "blocks+kernel"
    assert result.notes["row_sum_error"] < 1e-5


def test_another_seed_reads_other_text(tiny_model: Callable[..., LoadedModel], setting: Setting) -> None:
    loaded, few = reading(tiny_model("gpt_neox")), dataclasses.replace(setting, options=Options(n_sentences=2))

    first, again = (by_key(PROBE.measure(loaded, each).measurements) for each in (few, few))
    other = by_key(PROBE.measure(loaded, dataclasses.replace(few, sample_seed=1)).measurements)

    assert first == again
    assert first["previous_token_all", 0, 0].value != other["previous_token_all", 0, 0].value


def test_no_attention_is_not_applicable(tiny_model: Callable[..., LoadedModel]) -> None:
    with pytest.raises(NotApplicable, match="no attention"):
        PROBE.measure(tiny_model("mamba"), Setting("calibration"))


def test_nan_is_refused(tiny_model: Callable[..., LoadedModel]) -> None:
    loaded = tiny_model("llama")
    loaded.model.get_submodule("model.layers.1.self_attn.q_proj").weight.data[0, 0] = torch.nan

    with pytest.raises(UserError, match="layer 1"):
        PROBE.measure(loaded, Setting("calibration"))
