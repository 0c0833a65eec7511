"""The probe against METRICS' definitions, written out again here over full logits."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from assets.models.engine.loaded import LoadedModel
from assets.probes.inputs import Shape, sample, sample_recent
from assets.probes.registry import Measurement
from assets.probes.repeats import PROBE, bag_recall, bag_recall_at
from catalog.errors import UserError
from tests.assets.probes.settings import sized
from tests.assets.probes.texts import VOCABULARY, WORDS, corpus_of, reading

SMALL = {"n": 6, "m": 2, "n_sequences": 4}
ARCHITECTURES = ["gpt2", "gpt_neox", "opt", "llama", "gemma2", "gpt_oss", "bloom", "gptj", "mamba"]


def expected(loaded: LoadedModel, sample_seed: int) -> dict[tuple[str, str], list[float]]:
    """By metric and stratum, the values of the sequences."""
    n, first = SMALL["n"], int(loaded.adds_bos)
    values: dict[tuple[str, str], list[float]] = {}
    for token_ids in sample(loaded, "repeated", Shape(**SMALL), sample_seed):
        with torch.no_grad():
            logits = loaded.model(token_ids[None]).logits[0]
        x = token_ids[first:].tolist()
        log_probability = logits[first:].log_softmax(-1)
        loss_first = statistics.fmean(-log_probability[i - 1, x[i]].item() for i in range(1, n))
        loss_second = statistics.fmean(-log_probability[i - 1, x[i]].item() for i in range(n + 1, 2 * n))
        recalled = [logits[first + i].argmax().item() == x[i - n + 1] for i in range(n, 2 * n - 1)]
        values.setdefault(("repeat_recall", ""), []).append(statistics.fmean(recalled))
        values.setdefault(("repeat_gain", ""), []).append(loss_first - loss_second)
        values.setdefault(("repeat_loss", "part=first"), []).append(loss_first)
        values.setdefault(("repeat_loss", "part=second"), []).append(loss_second)
    return values


def by_key(measurements: list[Measurement]) -> dict[tuple[str, str], Measurement]:
    return {(m.metric_id, m.stratum): m for m in measurements}


@pytest.mark.parametrize("adds_bos", [False, True], ids=["", "bos"])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_equals_the_definitions_over_full_logits(
    tiny_model: Callable[..., LoadedModel], architecture: str, adds_bos: bool
) -> None:
    loaded = tiny_model(architecture, adds_bos)

    found = by_key(PROBE.measure(loaded, sized(SMALL, 5)).measurements)

    wanted = expected(loaded, sample_seed=5)
    assert found.keys() == wanted.keys()
    for key, values in wanted.items():
        assert found[key].value == pytest.approx(statistics.fmean(values), abs=1e-5)
        assert found[key].value_a == pytest.approx(statistics.fmean(values[0::2]), abs=1e-5)
        assert found[key].value_b == pytest.approx(statistics.fmean(values[1::2]), abs=1e-5)
        assert found[key].standard_error == pytest.approx(statistics.stdev(values) / 2, abs=1e-5)
        assert found[key].n == 4


def test_batches_give_the_same_as_one_pass(tiny_model: Callable[..., LoadedModel]) -> None:
    loaded = tiny_model("llama")
    whole = by_key(PROBE.measure(loaded, sized(SMALL)).measurements)

    single = by_key(PROBE.measure(dataclasses.replace(loaded, activation_bytes=1), sized(SMALL)).measurements)

    assert {key: m.value for key, m in single.items()} == pytest.approx({key: m.value for key, m in whole.items()})


def test_nulls(tiny_model: Callable[..., LoadedModel]) -> None:
    found = by_key(PROBE.measure(tiny_model("gpt2"), sized(SMALL)).measurements)

    assert found["repeat_recall", ""].chance == bag_recall(6)
    assert found["repeat_gain", ""].chance == 0
    assert found["repeat_loss", "part=first"].chance is None
    assert found["repeat_loss", "part=second"].chance == math.log(6)


@pytest.mark.parametrize(("n", "recall"), [(50, 0.090), (24, 0.157)])
def test_bag_recall_as_in_the_definitions(n: int, recall: float) -> None:
    assert bag_recall(n) == pytest.approx(recall, abs=0.0005)


def test_nan_is_refused(tiny_model: Callable[..., LoadedModel]) -> None:
    loaded = tiny_model("gpt_neox")
    loaded.model.get_output_embeddings().weight.data[3] = torch.nan

    with pytest.raises(UserError, match="NaN") as caught:
        PROBE.measure(loaded, sized(SMALL))

    assert caught.value.where == "tiny-gpt_neox@main"


NEAR = {"n": 20, "m": 2, "n_sequences": 4}


@pytest.mark.parametrize("adds_bos", [False, True], ids=["", "bos"])
def test_strata_by_distance(tiny_model: Callable[..., LoadedModel], adds_bos: bool) -> None:
    loaded = tiny_model("gpt_neox", adds_bos)

    found = by_key(PROBE.measure(loaded, sized(NEAR, 5)).measurements)

    assert {stratum for _, stratum in found} == {"", "part=first", "part=second", "distance=8", "distance=16"}
    for distance in (8, 16):
        inputs = sample_recent(loaded, distance, Shape(**NEAR), sample_seed=5)
        losses, gains, recalls = [], [], []
        for token_ids in inputs:
            x = token_ids[int(adds_bos) :].tolist()
            assert len(x) == 40
            assert x[40 - distance :] == x[40 - 2 * distance : 40 - distance]
            assert len(set(x)) == 40 - distance
            with torch.no_grad():
                logits = loaded.model(token_ids[None]).logits[0, int(adds_bos) :]
            loss = {t: -logits[t - 1].log_softmax(-1)[x[t]].item() for t in range(1, 40)}
            second = range(40 - distance + 1, 40)
            losses.append(statistics.fmean(loss[t] for t in second))
            gains.append(statistics.fmean(loss[t - distance] - loss[t] for t in second))
            recalls.append(statistics.fmean(logits[t - 1].argmax().item() == x[t] for t in second))
        for metric_id, values in (("repeat_loss", losses), ("repeat_gain", gains), ("repeat_recall", recalls)):
            assert found[metric_id, f"distance={distance}"].value == pytest.approx(statistics.fmean(values), abs=1e-5)
            assert found[metric_id, f"distance={distance}"].n == 4


@pytest.mark.parametrize(("distance", "n_tokens"), [(8, 48), (16, 48), (24, 48)])
def test_chance_at_a_distance_is_the_recall_of_one_who_knows_the_bag(distance: int, n_tokens: int) -> None:
    """Played out: guess among the tokens seen once."""
    generator = np.random.default_rng(0)
    hits = []
    for _ in range(4000):
        seen_once = list(range(n_tokens - distance))
        for token in range(n_tokens - 2 * distance, n_tokens - distance - 1):
            seen_once.remove(token)
            hits.append(seen_once[generator.integers(len(seen_once))] == token + 1)

    assert bag_recall_at(distance, n_tokens) == pytest.approx(np.mean(hits), abs=5 * np.std(hits) / len(hits) ** 0.5)


def test_nulls_by_distance(tiny_model: Callable[..., LoadedModel]) -> None:
    found = by_key(PROBE.measure(tiny_model("gpt2"), sized(NEAR)).measurements)

    assert found["repeat_recall", "distance=8"].chance == bag_recall_at(8, 40)
    assert found["repeat_gain", "distance=8"].chance == 0
    assert found["repeat_loss", "distance=8"].chance == math.log(32)


def test_a_distance_that_needs_more_tokens_than_there_are_is_left_out(tiny_model: Callable[..., LoadedModel]) -> None:
    loaded = dataclasses.replace(tiny_model("gpt2"), ordinary_token_ids=torch.arange(1, 26))

    found = by_key(PROBE.measure(loaded, sized(NEAR)).measurements)

    assert {stratum for _, stratum in found} == {"", "part=first", "part=second", "distance=16"}


def test_strata_by_frequency(tiny_model: Callable[..., LoadedModel], tmp_path: Path) -> None:
    """Five words often, five once in 20,000 tokens, the others never."""
    often, once = WORDS[:5], WORDS[5:10]
    corpus = corpus_of(tmp_path, " ".join([*often * 4000, *once]))
    classes = {**{VOCABULARY[word]: "high" for word in often}, **{VOCABULARY[word]: "low" for word in once}}
    loaded = dataclasses.replace(reading(tiny_model("gpt_neox")), ordinary_token_ids=torch.arange(1, len(WORDS) + 1))
    setting = dataclasses.replace(sized(NEAR), corpus=corpus)

    found = by_key(PROBE.measure(loaded, setting).measurements)

    outcomes: dict[str, list[list[tuple[float, float, float]]]] = {"high": [], "low": [], "unseen": []}
    for token_ids in sample(loaded, "repeated", Shape(**NEAR), 0):
        with torch.no_grad():
            logits = loaded.model(token_ids[None]).logits[0]
        x, log_probability = token_ids.tolist(), logits.log_softmax(-1)
        of_class: dict[str, list[tuple[float, float, float]]] = {name: [] for name in outcomes}
        for t in range(21, 40):
            second, first = (log_probability[at - 1, x[t]].item() for at in (t, t - 20))
            right = float(logits[t - 1].argmax().item() == x[t])
            of_class[classes.get(x[t], "unseen")].append((right, second - first, -second))
        for name, values in of_class.items():
            outcomes[name].append(values)
    for name, sequences in outcomes.items():
        together = [values for sequence in sequences for values in sequence]
        for number, metric_id in enumerate(("repeat_recall", "repeat_gain", "repeat_loss")):
            measurement = found[metric_id, f"frequency={name}"]
            assert measurement.value == pytest.approx(statistics.fmean(v[number] for v in together), abs=1e-5)
            assert measurement.n == sum(bool(sequence) for sequence in sequences)
            assert measurement.parameters["corpus"] == corpus.identity
            assert measurement.chance == found[metric_id, "part=second" * (metric_id == "repeat_loss")].chance


def test_a_class_that_was_not_drawn_has_no_values(tiny_model: Callable[..., LoadedModel], tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path, " ".join(WORDS * 3))
    loaded = dataclasses.replace(reading(tiny_model("gpt_neox")), ordinary_token_ids=torch.arange(1, len(WORDS) + 1))

    found = by_key(PROBE.measure(loaded, dataclasses.replace(sized(SMALL), corpus=corpus)).measurements)

    assert {stratum for _, stratum in found if stratum.startswith("frequency")} == {"frequency=high"}
