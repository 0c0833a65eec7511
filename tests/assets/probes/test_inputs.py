from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
import torch

from assets.models.engine.loaded import LoadedModel
from assets.probes.inputs import Shape, sample, sample_recent, sample_walk
from assets.probes.registry import NotApplicable

SHAPE = Shape(n=6, m=2, n_sequences=5)


@pytest.fixture
def loaded(tiny_model: Callable[..., LoadedModel]) -> LoadedModel:
    model = tiny_model("llama")
    return dataclasses.replace(model, ordinary_token_ids=torch.arange(3, 60, 2))


def test_repeated_is_distinct_ordinary_tokens_twice(loaded: LoadedModel) -> None:
    tokens = sample(loaded, "repeated", SHAPE, sample_seed=0)

    assert tokens.shape == (5, 12)
    assert torch.equal(tokens[:, :6], tokens[:, 6:])
    for row in tokens.tolist():
        assert len(set(row)) == 6
        assert set(row) <= set(range(3, 60, 2))


def test_distinct_never_repeats(loaded: LoadedModel) -> None:
    tokens = sample(loaded, "distinct", SHAPE, sample_seed=0)

    assert tokens.shape == (5, 12)
    assert all(len(set(row)) == 12 for row in tokens.tolist())


def test_bos_comes_in_front_of_the_same_tokens(loaded: LoadedModel) -> None:
    plain = sample(loaded, "repeated", SHAPE, sample_seed=0)

    with_bos = sample(dataclasses.replace(loaded, adds_bos=True), "repeated", SHAPE, sample_seed=0)

    assert with_bos[:, 0].tolist() == [0] * 5
    assert torch.equal(with_bos[:, 1:], plain)


def test_seed_alone_decides(loaded: LoadedModel) -> None:
    torch.manual_seed(1)
    first = sample(loaded, "repeated", SHAPE, sample_seed=0)
    torch.manual_seed(2)

    assert torch.equal(sample(loaded, "repeated", SHAPE, sample_seed=0), first)
    assert not torch.equal(sample(loaded, "repeated", SHAPE, sample_seed=1), first)


def test_every_ordinary_token_is_drawn_alike(loaded: LoadedModel) -> None:
    tokens = sample(loaded, "repeated", Shape(n=6, m=1, n_sequences=2000), sample_seed=0)

    counts = torch.bincount(tokens.flatten(), minlength=60)[3:60:2]

    expected = 2000 * 6 / 29
    assert ((counts - expected).abs() < 5 * expected**0.5).all()


def test_too_few_ordinary_tokens(loaded: LoadedModel) -> None:
    with pytest.raises(NotApplicable, match="40 distinct tokens are needed and the model has 29"):
        sample(loaded, "distinct", Shape(n=20, m=2, n_sequences=1), sample_seed=0)


def test_too_short_a_context(loaded: LoadedModel) -> None:
    with pytest.raises(NotApplicable, match="130 tokens are needed and the context is 128"):
        sample(loaded, "repeated", Shape(n=26, m=5, n_sequences=1), sample_seed=0)


def test_recent_repeats_the_last_tokens_alone(loaded: LoadedModel) -> None:
    tokens = sample_recent(loaded, 3, SHAPE, sample_seed=0)

    assert tokens.shape == (5, 12)
    assert torch.equal(tokens[:, 6:9], tokens[:, 9:])
    assert all(len(set(row[:9])) == 9 for row in tokens.tolist())
    assert not torch.equal(sample_recent(loaded, 3, SHAPE, sample_seed=1), tokens)


def test_recent_needs_more_tokens_the_nearer_it_repeats(loaded: LoadedModel) -> None:
    shape = Shape(n=16, m=2, n_sequences=1)

    assert sample_recent(loaded, 3, shape, sample_seed=0).shape == (1, 32)
    with pytest.raises(NotApplicable, match="30 distinct tokens are needed and the model has 29"):
        sample_recent(loaded, 2, shape, sample_seed=0)


def test_walks_are_of_ordinary_tokens_and_decided_by_the_seed(loaded: LoadedModel) -> None:
    walks = sample_walk(loaded, 40, 100, sample_seed=0)

    assert walks.shape == (100, 40)
    assert set(walks.flatten()) == set(range(3, 60, 2))
    assert (sample_walk(loaded, 40, 100, sample_seed=0) == walks).all()
    assert (sample_walk(loaded, 40, 100, sample_seed=1) != walks).any(1).all()
