"""Pairs by cosine against a brute-force search, and pairs by text over a vocabulary of known spellings."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

from assets.models.engine.loaded import LoadedModel
from assets.probes import neighbours
from assets.probes.neighbours import Pairs, embedding_pairs, surface_pairs
from assets.probes.registry import NotApplicable


def generator() -> np.random.Generator:
    return np.random.default_rng(0)


def with_embedding(loaded: LoadedModel, n_families: int) -> LoadedModel:
    """Rows scattered around a few directions, so that some are near each other; a large common part."""
    rows = np.random.default_rng(5).normal(size=(n_families, 32))[np.arange(61) % n_families]
    rows = rows + np.random.default_rng(6).normal(size=(61, 32)) * 0.7 + 5
    loaded.model.get_input_embeddings().weight.data = torch.tensor(rows, dtype=torch.float32)
    return loaded


@pytest.mark.parametrize("together", [1, 2**24])
def test_embedding_pairs_are_each_others_nearest(
    tiny_model: Callable[..., LoadedModel], together: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neighbours, "COSINES_TOGETHER", together)
    loaded = with_embedding(tiny_model("llama"), n_families=20)
    loaded = dataclasses.replace(loaded, ordinary_token_ids=torch.arange(1, 59))

    found = embedding_pairs(loaded, generator())

    rows = loaded.model.get_input_embeddings().weight.detach().double().numpy()[1:59]
    rows = rows - rows.mean(0)

    def cosine(a: int, b: int) -> float:
        return float(rows[a - 1] @ rows[b - 1] / np.linalg.norm(rows[a - 1]) / np.linalg.norm(rows[b - 1]))

    ids = range(1, 59)
    nearest = {a: max((b for b in ids if b != a), key=lambda b, a=a: cosine(a, b)) for a in ids}
    wanted = sorted((a, b) for a, b in nearest.items() if a < b and nearest[b] == a and cosine(a, b) >= 0.6)
    assert found.ids.tolist() == [list(pair) for pair in wanted]
    assert len(wanted) > 5
    for (i, one), (j, other) in combinations(enumerate(wanted), 2):
        clash = any(cosine(a, b) >= 0.6 for a in one for b in other)
        assert found.clash[i, j] == found.clash[j, i] == clash
    assert 0 < found.clash.mean() < 0.5, "some clash and some do not"


def test_a_common_direction_makes_no_neighbours(tiny_model: Callable[..., LoadedModel]) -> None:
    loaded = tiny_model("llama")
    loaded.model.get_input_embeddings().weight.data += 10

    assert len(embedding_pairs(loaded, generator()).ids) < 5


def test_surface_pairs_differ_in_case_and_space_alone(tiny_model: Callable[..., LoadedModel]) -> None:
    words = ["<s>", " cat", "cat", "Cat", "dog", " DOG", "bird", " 12", "12", " ", "Straße", "STRASSE", "ox", "Ox"]
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(models.WordLevel({word: n for n, word in enumerate(words)}, unk_token="<s>"))
    )
    ordinary = torch.tensor([n for n, word in enumerate(words) if word not in {"<s>", "Ox"}])
    loaded = dataclasses.replace(tiny_model("llama"), tokenizer=tokenizer, ordinary_token_ids=ordinary)

    found = surface_pairs(loaded, generator())

    pairs = [{words[a], words[b]} for a, b in found.ids.tolist()]
    assert len(pairs) == 3
    assert pairs[0] < {" cat", "cat", "Cat"}
    assert pairs[1:] == [{"dog", " DOG"}, {"Straße", "STRASSE"}]
    assert found.clash.tolist() == np.eye(3).astype(bool).tolist()


def test_without_a_tokenizer_there_are_no_surface_pairs(tiny_model: Callable[..., LoadedModel]) -> None:
    with pytest.raises(NotApplicable, match="no tokenizer"):
        surface_pairs(tiny_model("llama"), generator())


CHAIN = Pairs(np.arange(20).reshape(10, 2), np.abs(np.subtract.outer(range(10), range(10))) <= 1)
"""Ten pairs, each of which clashes with those beside it."""


def test_a_draw_has_no_clashes_and_members_either_way_round() -> None:
    random = generator()

    draws = np.stack([CHAIN.draw(3, random) for _ in range(400)])

    places = draws // 2
    assert (places[:, :, 0] == places[:, :, 1]).all()
    gaps = np.abs(places[:, :, None, 0] - places[:, None, :, 0])[:, ~np.eye(3, dtype=bool)]
    assert gaps.min() == 2
    assert set(places.flatten()) == set(range(10))
    assert 0.45 < (draws[:, :, 0] % 2).mean() < 0.55


def test_too_few_pairs_are_told() -> None:
    with pytest.raises(NotApplicable, match=r"7 pairs of neighbours are needed and . of 10 go together"):
        CHAIN.draw(7, generator())
