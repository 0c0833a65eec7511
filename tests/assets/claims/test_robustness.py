from __future__ import annotations

import pytest

from assets.claims.outcomes import Verdict
from assets.claims.robustness import flips_by_choice, flips_without, robustness, told_of_thresholds


@pytest.mark.parametrize(
    ("verdict", "specifications", "without", "expected"),
    [
        ("holds", ["holds"] * 4 + ["inconclusive"], {}, "robust"),
        ("holds", ["holds"] * 3 + ["inconclusive"] * 2, {}, "sensitive"),
        ("holds", ["holds"] * 9 + ["fails"], {}, "fragile"),
        ("holds", ["holds"] * 9, {"r": "fails"}, "fragile"),
        ("holds", ["holds"] * 9, {"r": "inconclusive"}, "robust"),
        ("fails", ["fails", "holds"], {}, "fragile"),
        ("holds", ["holds", "insufficient", "not_applicable"], {}, "robust"),
        ("inconclusive", ["inconclusive"] * 4 + ["holds"], {}, "robust"),
        ("mixed", ["mixed", "holds"], {}, "sensitive"),
        ("holds", [], {}, None),
        ("holds", [], {"r": "fails"}, "fragile"),
        ("holds", ["insufficient"], {}, None),
        ("insufficient", ["holds"], {}, None),
        ("not_applicable", ["holds"], {}, None),
    ],
)
def test_robustness(
    verdict: Verdict, specifications: list[Verdict], without: dict[str, Verdict], expected: str | None
) -> None:
    assert robustness(verdict, specifications, without) == expected


def test_units_that_carry_the_verdict_are_named_together() -> None:
    found = flips_without("mixed", {"a": "holds", "b": "mixed", "c": "holds", "d": "insufficient"})

    assert found == [{"when": "without any one of a, c", "becomes": "holds"}]


def test_choices_that_change_the_verdict_are_named() -> None:
    assert flips_by_choice("holds", {"threshold=0.5": "fails", "split=x": "holds"}) == [
        {"when": "with threshold: 0.5", "becomes": "fails"}
    ]


def test_thresholds_are_told_only_where_they_matter() -> None:
    assert told_of_thresholds("holds", {"threshold=0.2": "holds", "split=x": "fails"}) == ""
    assert told_of_thresholds("holds", {"threshold=0.2": "holds", "threshold=0.5": "not_applicable"}) == ""
    assert told_of_thresholds("holds", {"threshold=0.2": "holds", "threshold=0.5": "fails"}) == (
        " With other thresholds (0.2: holds, 0.5: fails)."
    )
