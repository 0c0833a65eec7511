from __future__ import annotations

import pytest

from assets.claims.outcomes import Verdict
from assets.claims.statistics.pooling import Interval, equivalence, mean_interval
from assets.claims.verdicts import (
    Direction,
    by_interval,
    equivalence_rule,
    family_rule,
    in_every,
    lower_bound,
    mean_rule,
    side,
    vote,
    votes_rule,
)


@pytest.mark.parametrize(
    ("n_h", "n_f", "n_u", "verdict"),
    [
        (5, 0, 0, "holds"),  # bound .549
        (4, 0, 0, "inconclusive"),  # bound .473
        (4, 0, 1, "inconclusive"),  # bound .343: undecided runs count against
        (7, 0, 1, "holds"),  # bound .529
        (6, 0, 1, "inconclusive"),  # bound .479
        (9, 0, 0, "holds"),
        (8, 1, 0, "mixed"),
        (1, 8, 0, "mixed"),
        (0, 5, 0, "fails"),
        (0, 4, 1, "inconclusive"),
        (0, 0, 9, "inconclusive"),
        (0, 0, 0, "inconclusive"),
    ],
)
def test_in_every(n_h: int, n_f: int, n_u: int, verdict: Verdict) -> None:
    ruling = in_every(n_h, n_f, n_u)

    assert ruling.verdict == verdict
    assert (ruling.n_h, ruling.n_f, ruling.n_u) == (n_h, n_f, n_u)


def test_the_bound_is_that_of_clopper_and_pearson() -> None:
    """With n of n the one-sided bound is .05^(1/n)."""
    assert lower_bound(5, 5) == pytest.approx(0.05 ** (1 / 5), abs=1e-9) == pytest.approx(0.549, abs=5e-4)
    assert lower_bound(9, 9) == pytest.approx(0.05 ** (1 / 9), abs=1e-9)


def test_holding_says_what_is_not_excluded() -> None:
    ruling = in_every(9, 0, 0)

    assert ruling.reason == "Holds in all 9 training runs; not excluded: exceptions in up to 28 %."
    assert ruling.estimate == 1.0
    assert ruling.flips == ({"when": "one training run in which it fails", "becomes": "mixed"},)


def test_inconclusive_says_how_many_more_would_decide() -> None:
    """With one undecided run, seven that hold are needed: 5 + 2."""
    ruling = in_every(5, 0, 1)

    assert {"when": "2 more training runs in which it holds", "becomes": "holds"} in ruling.flips
    assert not [flip for flip in ruling.flips if flip["becomes"] == "fails"]


@pytest.mark.parametrize(
    ("low", "high", "direction", "threshold", "outcome"),
    [
        (0.31, 0.40, "above", 0.3, "h"),
        (0.20, 0.29, "above", 0.3, "f"),
        (0.29, 0.31, "above", 0.3, "u"),
        (0.20, 0.29, "below", 0.3, "h"),
        (0.31, 0.40, "below", 0.3, "f"),
        (-0.04, 0.04, "within", 0.05, "h"),
        (0.06, 0.08, "within", 0.05, "f"),
        (-0.08, -0.06, "within", 0.05, "f"),
        (0.04, 0.06, "within", 0.05, "u"),
        (-0.06, 0.01, "within", 0.05, "u"),
    ],
)
def test_side(low: float, high: float, direction: Direction, threshold: float, outcome: str) -> None:
    assert side((low + high) / 2, low, high, direction, threshold)[0] == outcome


@pytest.mark.parametrize(
    ("value", "direction", "outcome"),
    [(0.31, "above", "h"), (0.30, "above", "f"), (0.30, "below", "f"), (0.2, "below", "h")],
)
def test_without_an_interval_the_point_decides_and_says_so(value: float, direction: Direction, outcome: str) -> None:
    found, reason = side(value, None, None, direction, 0.3)

    assert found == outcome
    assert "no standard error" in reason


@pytest.mark.parametrize(
    ("values", "threshold", "delta", "verdict"),
    [
        ([0.4, 0.5, 0.6, 0.5, 0.5], 0.3, None, "holds"),
        ([0.1, 0.2, 0.15, 0.1, 0.2], 0.3, None, "fails"),
        ([0.1, 0.5, 0.3, 0.2, 0.6], 0.3, None, "inconclusive"),
        ([0.010, 0.011, 0.012, 0.010, 0.011], 0.0, 0.05, "fails"),  # above 0, by less than matters
        ([0.10, 0.11, 0.12, 0.10, 0.11], 0.0, 0.05, "holds"),
        ([0.10, -0.11, 0.12, 0.0, 0.01], 0.0, 0.05, "inconclusive"),
    ],
)
def test_mean_rule(values: list[float], threshold: float, delta: float | None, verdict: Verdict) -> None:
    assert mean_rule(values, None, "above", threshold, delta, "excess").verdict == verdict


def test_the_mean_rule_is_mirrored_for_below() -> None:
    values = [0.1, 0.2, 0.15, 0.1, 0.2]

    assert mean_rule(values, None, "below", 0.3, None, "excess").verdict == "holds"
    assert mean_rule([-v for v in values], None, "below", 0.0, 0.3, "excess").verdict == "fails"


def test_the_mean_has_the_t_interval_and_a_wider_prediction_interval() -> None:
    """Mean 3, s 1.5811, t(4) 2.7764: half-widths 1.9633 and 4.8090."""
    ruling = mean_rule([1.0, 2.0, 3.0, 4.0, 5.0], None, "above", 0.0, None, "excess")

    assert (ruling.low, ruling.high) == pytest.approx((3 - 1.96324, 3 + 1.96324), abs=1e-4)
    assert (ruling.pi_low, ruling.pi_high) == pytest.approx((3 - 4.80898, 3 + 4.80898), abs=1e-4)
    assert sum(ruling.weights) == pytest.approx(1)


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ([0.01, -0.01, 0.0, 0.005, -0.005], "holds"),
        ([0.5, 0.51, 0.49, 0.5, 0.52], "fails"),
        ([0.3, -0.3, 0.2, -0.2, 0.1], "inconclusive"),
    ],
)
def test_equivalence_rule(values: list[float], verdict: Verdict) -> None:
    ruling = equivalence_rule(equivalence(lambda c: mean_interval(values, c), 0.1), 0.1, "correlation", "Mean")

    assert ruling.verdict == verdict
    assert "equivalence" in ruling.reason or verdict == "fails"


def test_an_estimate_without_an_interval_decides_nothing() -> None:
    interval = Interval(0.9, None, None, 2, "jackknife", reason="the jackknife needs three units")

    ruling = by_interval(interval, "above", 0.0, None, "agreement", "Agreement")

    assert ruling.verdict == "inconclusive"
    assert "the jackknife needs three units" in ruling.reason


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        (["holds", "holds"], "holds"),
        (["holds", "holds", "inconclusive"], "holds"),
        (["fails", "fails", "fails"], "fails"),
        (["holds", "fails"], "mixed"),
        (["holds", "mixed"], "mixed"),
        (["mixed", "mixed"], "mixed"),
        (["holds", "inconclusive"], "inconclusive"),
        (["inconclusive", "inconclusive"], "inconclusive"),
    ],
)
def test_family_rule(verdicts: list[Verdict], expected: Verdict) -> None:
    ruling = family_rule({f"m{i}": verdict for i, verdict in enumerate(verdicts)})

    assert ruling.verdict == expected
    assert (ruling.n_h or 0) + (ruling.n_f or 0) + (ruling.n_u or 0) == len(verdicts)


@pytest.mark.parametrize(
    ("decided", "expected"),
    [
        (["holds", "holds"], "h"),
        (["fails"], "f"),
        (["holds", "fails"], "m"),
        (["mixed"], "m"),
        (["h", "h"], "h"),
        (["h", "f"], "m"),
        ([], None),
    ],
)
def test_vote(decided: list[str], expected: str | None) -> None:
    assert vote(decided) == expected


@pytest.mark.parametrize(
    ("votes", "expected"),
    [
        ("hhhhh", "holds"),
        ("fffff", "fails"),
        ("hhhhf", "mixed"),
        ("hhhhm", "mixed"),
        ("m", "mixed"),
        ("hhhh", "inconclusive"),
    ],
)
def test_votes_rule(votes: str, expected: Verdict) -> None:
    assert votes_rule({f"family{i}": letter for i, letter in enumerate(votes)}).verdict == expected  # type: ignore[misc]
