"""The probe against METRICS' definitions, written out again here over full logits."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from assets.models.engine.loaded import LoadedModel
from assets.probes.inputs import sample_walk
from assets.probes.registry import Measurement, NotApplicable, Setting
from assets.probes.text_loss import LADDER, METRICS, PROBE, Options, ladder_of
from catalog.errors import UserError
from tests.assets.probes.texts import VOCABULARY, WORDS, corpus_of, reading

Key = tuple[str, str]
N_WINDOWS = 4


@pytest.fixture
def setting(tmp_path: Path) -> Setting:
    words = np.random.default_rng(3).choice(WORDS, 700).tolist()
    return Setting("natural", corpus_of(tmp_path, " ".join(words)), Options(n_windows=N_WINDOWS))


def by_key(measurements: list[Measurement]) -> dict[Key, Measurement]:
    found = {(m.metric_id, m.stratum): m for m in measurements}
    assert len(found) == len(measurements)
    return found


def losses(loaded: LoadedModel, x: list[int]) -> list[float]:
    """Of tokens 2, 3, ... of a passage, from the whole of it before them."""
    first = int(loaded.adds_bos)
    with torch.no_grad():
        logits = loaded.model(torch.tensor([[0] * first + x])).logits[0].double()
    return [-logits[first + t - 1].log_softmax(-1)[x[t]].item() for t in range(1, len(x))]


def expected(loaded: LoadedModel, setting: Setting) -> dict[Key, list[float]]:
    """By metric and stratum, the values of the windows; a context of 128 has windows of 128 with the tokens 120, 16."""
    words = setting.corpus.text().split()
    n_bytes, n_tokens = len(setting.corpus.text().encode()), 128 - loaded.adds_bos
    values: dict[Key, list[float]] = {}
    for start in (0, 175, 350, 525):
        x = [VOCABULARY[word] for word in words[start : start + n_tokens]]
        of_token = dict(enumerate(losses(loaded, x), start=2))
        mean = statistics.fmean(of_token.values())
        values.setdefault(("text_loss", ""), []).append(mean)
        values.setdefault(("text_bits_per_byte", ""), []).append(mean / math.log(2) * 700 / n_bytes)
        values.setdefault(("token_loss", "token=120"), []).append(of_token[120])
        values.setdefault(("token_loss", "token=16"), []).append(of_token[16])
        values.setdefault(("icl_score_t120_16", ""), []).append(of_token[120] - of_token[16])
        little = losses(loaded, x[104:120])[-1]
        values.setdefault(("icl_score_paired", ""), []).append(of_token[120] - little)
    return values


@pytest.mark.parametrize("adds_bos", [False, True], ids=["", "bos"])
@pytest.mark.parametrize("architecture", ["gpt2", "gpt_neox", "gemma2", "bloom"])
def test_equals_the_definitions_over_full_logits(
    tiny_model: Callable[..., LoadedModel], architecture: str, adds_bos: bool, setting: Setting
) -> None:
    loaded = reading(tiny_model(architecture, adds_bos))

    found = by_key(PROBE.measure(loaded, setting).measurements)

    wanted = expected(loaded, setting)
    assert found.keys() == wanted.keys()
    for key, values in wanted.items():
        assert found[key].value == pytest.approx(statistics.fmean(values), abs=1e-5)
        assert found[key].value_a == pytest.approx(statistics.fmean(values[0::2]), abs=1e-5)
        assert found[key].standard_error == pytest.approx(statistics.stdev(values) / 2, abs=1e-5)
        assert found[key].n == N_WINDOWS
        assert found[key].chance == (0 if key[0].startswith("icl") else None)
        assert found[key].parameters["corpus"] == setting.corpus.identity
        assert found[key].parameters["bos"] is adds_bos


def with_context(loaded: LoadedModel, context: int) -> LoadedModel:
    loaded.model.config.max_position_embeddings = context
    return loaded


@pytest.mark.parametrize(
    ("context", "late", "early", "metric"),
    [
        (2048, 500, 50, "icl_score"),
        (512, 500, 50, "icl_score"),
        (511, 240, 32, "icl_score_t240_32"),
        (255, 120, 16, "icl_score_t120_16"),
        (64, 60, 8, "icl_score_t60_8"),
    ],
)
def test_tokens_compared_by_context(
    tiny_model: Callable[..., LoadedModel], context: int, late: int, early: int, metric: str
) -> None:
    ladder = ladder_of(with_context(reading(tiny_model("llama")), context))

    assert (ladder.late, ladder.early, ladder.icl_score) == (late, early, metric)
    assert metric in {each.metric_id for each in METRICS}


def test_a_model_of_any_context_gets_the_published_tokens(tiny_model: Callable[..., LoadedModel]) -> None:
    loaded = reading(tiny_model("bloom"))
    loaded.model.config.max_position_embeddings = None

    assert ladder_of(loaded).icl_score == "icl_score"


def test_a_window_holds_its_late_token_even_with_bos() -> None:
    assert all(ladder.late <= ladder.length - 1 for ladder in LADDER)


def test_too_short_a_context(tiny_model: Callable[..., LoadedModel], setting: Setting) -> None:
    with pytest.raises(NotApplicable, match="64 tokens are needed and the context is 63"):
        PROBE.measure(with_context(reading(tiny_model("llama")), 63), setting)


def test_a_model_without_tokenizer_reads_walks(tiny_model: Callable[..., LoadedModel]) -> None:
    loaded, setting = tiny_model("llama"), Setting("calibration")

    found = by_key(PROBE.measure(loaded, setting).measurements)

    wanted = np.array([losses(loaded, walk.tolist()) for walk in sample_walk(loaded, 64, 64, 0)])
    assert found["text_loss", ""].value == pytest.approx(wanted.mean(), abs=1e-5)
    assert found["icl_score_t60_8", ""].value == pytest.approx((wanted[:, 58] - wanted[:, 6]).mean(), abs=1e-5)
    assert found["text_loss", ""].parameters == {"corpus": "walk", "bos": False, "length": 64}
    assert ("text_bits_per_byte", "") not in found


def test_a_model_at_initialisation_learns_nothing_in_context(tiny_model: Callable[..., LoadedModel]) -> None:
    """Logits of a model with small weights are near 0: a loss of ln V everywhere, whatever stands before."""
    loaded = tiny_model("gpt2")
    for parameter in loaded.model.parameters():
        parameter.data *= 0.02

    found = by_key(PROBE.measure(loaded, Setting("calibration")).measurements)

    assert found["text_loss", ""].value == pytest.approx(math.log(61), abs=0.01)
    for metric_id in ("icl_score_t60_8", "icl_score_paired"):
        assert found[metric_id, ""].value == pytest.approx(0, abs=0.01)


def test_the_corpus_is_part_of_the_cache_key(setting: Setting) -> None:
    assert PROBE.parameters(setting) == {"n_windows": N_WINDOWS, "corpus": setting.corpus.identity}
    assert PROBE.parameters(Setting("calibration"))["n_windows"] == 64


def test_nan_is_refused(tiny_model: Callable[..., LoadedModel]) -> None:
    loaded = tiny_model("gpt_neox")
    loaded.model.get_output_embeddings().weight.data[3] = torch.nan

    with pytest.raises(UserError, match="NaN") as caught:
        PROBE.measure(loaded, Setting("calibration"))

    assert caught.value.where == "tiny-gpt_neox@main"
