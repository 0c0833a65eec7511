"""The probe against METRICS' definitions, written out again here over full logits."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable

import pytest
import torch

from assets.models.engine import predict
from assets.models.engine.loaded import LoadedModel
from assets.probes.inputs import Shape, sample
from assets.probes.registry import Measurement
from assets.probes.repeats import PROBE, bag_recall
from catalog.errors import UserError
from tests.assets.probes.settings import sized

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


def test_batches_give_the_same_as_one_pass(
    tiny_model: Callable[..., LoadedModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = tiny_model("llama")
    whole = by_key(PROBE.measure(loaded, sized(SMALL)).measurements)

    monkeypatch.setattr(predict, "LOGITS_BYTES", 1)
    single = by_key(PROBE.measure(loaded, sized(SMALL)).measurements)

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
