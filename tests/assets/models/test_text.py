"""Training texts: what each kind lets a model learn, and nothing else."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from pydantic import ValidationError

from assets.models.text import CORPORA, Prose
from tests.assets.models.test_training import recipe

if TYPE_CHECKING:
    from numpy.typing import NDArray


ALICE = hashlib.sha256((CORPORA / "alice.txt").read_bytes()).hexdigest()


def drawn(text: dict[str, Any], n: int, **changes: int) -> NDArray[np.int64]:
    """n sequences of a recipe's text."""
    of = recipe(text=text, **changes)
    return of.text.draw(n, of.context, of.vocabulary, np.random.default_rng(0))


def test_repeats_walk_a_cycle_of_distinct_tokens() -> None:
    text = drawn({"kind": "repeats", "jump": 0}, 500)

    periods = [len(set(sequence)) for sequence in text.tolist()]
    assert text.shape == (500, 64)
    assert set(periods) == set(range(8, 33))
    for sequence, period in zip(text, periods, strict=True):
        assert (sequence[period:] == sequence[:-period]).all()


def test_jumps_break_the_cycle_as_often_as_asked_but_not_in_the_first_pass() -> None:
    text = drawn({"kind": "repeats", "jump": 0.2}, 2000)

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
    text = drawn({"kind": "iid"}, 4000)

    counts = np.bincount(text.ravel(), minlength=64)
    same_as_before = (text[:, 1:] == text[:, :-1]).mean()
    assert abs(counts / counts.sum() - 1 / 64).max() < 0.001
    assert same_as_before == pytest.approx(1 / 64, abs=0.001)


def test_synonyms_walk_a_cycle_of_pairs_and_show_either_member_anew() -> None:
    text = drawn({"kind": "synonyms", "jump": 0}, 1000, vocabulary=128)

    pairs, members = text // 2, text % 2
    again = same = 0
    for pair, member in zip(pairs, members, strict=True):
        period = len(set(pair.tolist()))
        assert 8 <= period <= 32
        assert (pair[period:] == pair[:-period]).all()
        again += len(pair) - period
        same += int((member[period:] == member[:-period]).sum())
    # tolerances: four standard errors of a share of one half
    assert text.max() == 127
    assert members.mean() == pytest.approx(0.5, abs=2 / np.sqrt(members.size))
    assert same / again == pytest.approx(0.5, abs=2 / np.sqrt(again))


def test_echoes_tell_the_next_token_by_the_one_before_the_last() -> None:
    text = drawn({"kind": "echoes", "echo": 0.7}, 4000)

    repeated = {distance: (text[:, distance:] == text[:, :-distance]).mean() for distance in (1, 2, 4)}
    assert repeated[1] == pytest.approx(1 / 64, abs=0.001)
    assert repeated[2] == pytest.approx(0.7 + 0.3 / 64, abs=0.005)
    assert repeated[4] == pytest.approx(0.7**2 + (1 - 0.7**2) / 64, abs=0.005)


def test_a_mixture_takes_whole_sequences_of_either_text() -> None:
    walk, echoes = {"kind": "repeats", "jump": 0}, {"kind": "echoes", "echo": 1}
    text = drawn({"kind": "mixture", "mostly": walk, "also": echoes, "share": 0.3}, 4000)

    n_tokens = np.array([len(set(sequence)) for sequence in text.tolist()])
    echoing = (text[:, 2:] == text[:, :-2]).all(axis=1)
    assert set(n_tokens[~echoing]) == set(range(8, 33))
    assert echoing.mean() == pytest.approx(0.3, abs=4 * np.sqrt(0.3 * 0.7 / 4000))


def test_a_mixture_can_begin_with_one_text_alone() -> None:
    echoes = {"kind": "echoes", "echo": 1}
    text = drawn({"kind": "mixture", "mostly": {"kind": "iid"}, "also": echoes, "share": 1, "after": 0.4}, 1000)

    echoing = (text[:, 2:] == text[:, :-2]).all(axis=1)
    assert not echoing[:400].any()
    assert echoing[400:].all()


def test_prose_is_pieces_of_the_corpus_in_byte_pairs() -> None:
    corpus = (CORPORA / "alice.txt").read_text(encoding="utf-8")
    text = Prose(kind="prose", corpus="alice", sha256=ALICE)
    tokenizer = text.tokenizer(512)

    pieces = tokenizer.batch_decode(text.draw(50, 64, 512, np.random.default_rng(0)))

    # a piece may begin or end inside a character, which is at most four bytes
    assert all(piece.strip("\ufffd") in corpus for piece in pieces)
    assert len(set(pieces)) == 50
    assert (len(tokenizer), tokenizer.all_special_ids) == (512, [])
    assert tokenizer("a").input_ids == tokenizer.convert_tokens_to_ids(["a"])


@pytest.mark.parametrize(
    ("text", "vocabulary", "message"),
    [
        ({"kind": "repeats", "longest": 65}, 64, "longest <= vocabulary"),
        ({"kind": "repeats", "shortest": 9, "longest": 8}, 64, "shortest <= longest"),
        ({"kind": "repeats", "shortest": 1}, 64, "2 <= shortest"),
        ({"kind": "repeats", "jump": 1.1}, 64, "less than or equal to 1"),
        ({"kind": "synonyms"}, 63, "pairs of tokens"),
        ({"kind": "synonyms", "longest": 33}, 64, "vocabulary / 2"),
        ({"kind": "rhymes"}, 64, "repeats"),
        ({"kind": "prose", "corpus": "alice", "sha256": "0"}, 512, "other text"),
        ({"kind": "prose", "corpus": "none", "sha256": ALICE}, 512, "not there"),
        ({"kind": "prose", "corpus": "alice", "sha256": ALICE}, 255, "256 or more"),
        ({"kind": "mixture", "mostly": {"kind": "iid"}, "also": {"kind": "repeats"}, "share": 0.5}, 31, "longest"),
        ({"kind": "mixture", "mostly": {"kind": "mixture"}, "also": {"kind": "iid"}, "share": 0.5}, 64, "iid"),
    ],
)
def test_a_text_that_can_not_be_drawn_is_refused(text: dict[str, Any], vocabulary: int, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        recipe(text=text, vocabulary=vocabulary)
