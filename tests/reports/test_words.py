"""Numbers, ranges and counts as readers see them."""

from __future__ import annotations

from typing import get_args

import pytest

from assets.claims.schema import Estimand
from reports import words


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, words.NONE),
        (float("nan"), words.NONE),
        (0.0, "0"),
        (5e-17, "0"),
        (0.31, "0.31"),
        (0.9128, "0.913"),
        (-0.1774, f"{words.MINUS}0.177"),
        (1.0, "1"),
        (14.067, "14.1"),
        (271.4, "271"),
        (143000, "143,000"),
        (3.4e-6, "3e-06"),
    ],
)  # fmt: skip
def test_number(value, text):
    assert words.number(value) == text


def test_ranges():
    assert words.interval(0.1, 0.25) == "0.1 to 0.25"
    assert words.interval(0.1, None) == "above 0.1"
    assert words.interval(None, 0.2) == "below 0.2"
    assert words.interval(None, None) == ""
    assert words.span(0.9001, 0.9002) == "0.9"
    assert words.span(0.1, 0.2) == f"0.1{words.NONE}0.2"
    assert words.span(-0.1, 0.2) == f"{words.MINUS}0.1 to 0.2"


def test_counts_and_lists():
    assert words.count(1, "run") == "1 run"
    assert words.count(12480, "run") == "12,480 runs"
    assert words.count(2, "family", "families") == "2 families"
    assert words.compact(162_322_944) == "162M"
    assert words.listing(["a", "b", "c"]) == "a, b and c"
    assert words.listing([]) == ""


def test_every_verdict_has_a_word_and_a_symbol(files):
    for word in words.VERDICTS:
        assert f'id="sym-{word.verdict}"'.encode() in files["index.html"]
        style = next(content for path, content in files.items() if path.endswith(".css"))
        assert style.count(f"--v-{word.verdict}:".encode()) == 2


def test_every_kind_of_claim_is_explained():
    kinds, _ = get_args(Estimand)

    assert set(words.KINDS) == {get_args(kind.model_fields["kind"].annotation)[0] for kind in get_args(kinds)}
