"""Where windows and sentences are taken from, over a corpus of which every token is known."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from assets.models.engine.loaded import LoadedModel
from assets.probes.corpora import default_corpus
from assets.probes.registry import NotApplicable, Setting
from assets.probes.texts import sentences, split_sentences, text_of, token_ids, windows
from catalog.errors import UserError
from tests.assets.probes.texts import VOCABULARY, WORDS, corpus_of, reading

COUNTED = [WORDS[number % len(WORDS)] for number in range(100)]
"""100 words of which the place of each follows from its neighbours."""


@pytest.fixture
def loaded(tiny_model: Callable[..., LoadedModel]) -> LoadedModel:
    return reading(tiny_model("llama"))


@pytest.fixture
def setting(tmp_path: Path) -> Setting:
    return Setting("natural", corpus_of(tmp_path, " ".join(COUNTED)))


def test_windows_are_disjoint_passages_spread_over_the_corpus(loaded: LoadedModel, setting: Setting) -> None:
    ids = token_ids(loaded, setting.corpus)
    assert ids.tolist() == [VOCABULARY[word] for word in COUNTED]

    found = windows(loaded, setting, length=10, n=4)

    assert found.dtype == torch.int64
    assert found.tolist() == [ids[start : start + 10].tolist() for start in (0, 25, 50, 75)]


def test_bos_is_one_of_a_windows_tokens(loaded: LoadedModel, setting: Setting) -> None:
    plain = windows(loaded, setting, length=10, n=4)

    found = windows(dataclasses.replace(loaded, adds_bos=True), setting, length=11, n=4)

    assert torch.equal(found[:, 1:], plain)
    assert found[:, 0].tolist() == [0] * 4


def test_as_many_windows_as_there_are(loaded: LoadedModel, setting: Setting) -> None:
    found = windows(loaded, setting, length=30, n=50)

    assert len(found) == 3
    assert found[:, 0].tolist() == token_ids(loaded, setting.corpus)[[0, 33, 66]].tolist()


def test_another_sample_seed_takes_other_passages(loaded: LoadedModel, setting: Setting) -> None:
    fresh = dataclasses.replace(setting, sample_seed=1)
    ids = token_ids(loaded, setting.corpus)

    found = windows(loaded, fresh, length=5, n=4)

    assert found.tolist() == [ids[start : start + 5].tolist() for start in (12, 37, 62, 87)]


def test_a_second_sample_shares_no_text_with_the_first_or_there_is_none(loaded: LoadedModel, tmp_path: Path) -> None:
    """Of 100 tokens in parts of 100/n, the second sample begins .618 of what 5 leave of a part later."""
    counted = Setting("natural", corpus_of(tmp_path, " ".join(COUNTED)), sample_seed=1)
    assert len(windows(loaded, counted, length=5, n=7)) == 7
    with pytest.raises(NotApplicable, match="second sample"):
        windows(loaded, counted, length=5, n=8)

    six = Setting("natural", corpus_of(tmp_path, "the old cat sat on . " * 6), sample_seed=1)
    assert len(sentences(loaded, six, n=3)) == 3
    with pytest.raises(NotApplicable, match="second sample"):
        sentences(loaded, six, n=6)


def test_a_short_corpus_is_told(loaded: LoadedModel, setting: Setting) -> None:
    with pytest.raises(UserError, match="120 tokens are needed and it has 100") as told:
        windows(loaded, setting, length=60, n=4)
    assert told.value.where == str(setting.corpus.path)


def test_a_short_context_is_not_applicable(loaded: LoadedModel, setting: Setting) -> None:
    with pytest.raises(NotApplicable, match="129 tokens are needed and the context is 128"):
        windows(loaded, setting, length=129, n=1)


def test_what_looks_like_a_special_token_is_text(tiny_model: Callable[..., LoadedModel], tmp_path: Path) -> None:
    loaded = reading(tiny_model("llama"))
    assert loaded.tokenizer is not None
    loaded.tokenizer.add_special_tokens({"additional_special_tokens": ["cat"]})

    found = token_ids(loaded, corpus_of(tmp_path, "the cat sat"))

    assert found.tolist() == [VOCABULARY[word] for word in ("the", "cat", "sat")]


def test_sentences_end_at_stops_and_lines() -> None:
    text = (
        "CHAPTER I\n\n"
        'The cat sat on the mat. `Too short.\' "Where is the old dog now?" the bird sang!\n'
        "A line without a stop ends\n"
        "the 3.5 cats (and more than one dog.) It ran... under a tree\n" + "word " * 51 + "."
    )

    assert split_sentences(text) == [
        "The cat sat on the mat.",
        '"Where is the old dog now?"',
        "A line without a stop ends",
        "the 3.5 cats (and more than one dog.)",
    ]


def test_sentences_are_spread_and_stand_alone(loaded: LoadedModel, tmp_path: Path) -> None:
    names = ["one", "two", "three", "four", "five", "six"]
    corpus = corpus_of(tmp_path, " ".join(f"the {name} old cat sat ." for name in names))

    def third_words(sample_seed: int) -> list[str]:
        found = sentences(loaded, Setting("natural", corpus, sample_seed=sample_seed), n=3)
        assert all(ids.tolist()[0] == VOCABULARY["the"] and len(ids) == 6 for ids in found)
        return [WORDS[ids[1] - 1] for ids in found]

    assert third_words(sample_seed=0) == ["one", "three", "five"]
    assert third_words(sample_seed=1) == ["two", "four", "six"]


def test_a_corpus_without_sentences_is_told(loaded: LoadedModel, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="two sentences are needed and it has 0"):
        sentences(loaded, Setting("natural", corpus_of(tmp_path, "Too short. Too.")), n=10)


def test_without_a_tokenizer_the_text_is_a_walk(tiny_model: Callable[..., LoadedModel]) -> None:
    loaded, setting = tiny_model("llama"), Setting("calibration")

    found = windows(loaded, setting, length=64, n=200).numpy()

    assert text_of(loaded, setting) == "walk"
    assert text_of(reading(loaded), setting) == default_corpus().identity
    assert set(np.unique(found)) == set(range(1, 61))
    periods = Counter(len(set(row)) for row in found.tolist())
    assert set(periods) == set(range(8, 33)), "that many distinct tokens, and no others in the sequence"
    follows = [
        row[row.index(row[t - 1]) + 1] == row[t]
        for row in found.tolist()
        for t in range(33, 64)
        if row[t - 1] in row[: t - 1]
    ]
    assert 0.98 < np.mean(follows) < 0.995, "each step but one in a hundred goes on along the cycle"


def test_sentences_of_a_walk_have_each_length_alike(tiny_model: Callable[..., LoadedModel]) -> None:
    found = sentences(tiny_model("llama"), Setting("calibration"), n=50)

    assert Counter(map(len, found)) == dict.fromkeys(range(8, 33), 2)


def test_the_corpus_that_comes_along_serves_every_probe_on_text() -> None:
    assert len(split_sentences(default_corpus().text())) > 1000
    assert default_corpus().sha256.startswith("bc29cf3e77ad")
