from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from assets.claims.reading.onsets import OnsetInterval, coincides, largest_change, onset_interval, precedes
from assets.claims.reading.summaries import Trajectory


def run(values: Sequence[float], steps: Sequence[int] | None = None) -> Trajectory:
    """A trajectory with ten tokens a step."""
    step = np.arange(len(values)) if steps is None else np.array(steps)
    none = np.full(len(values), -1)
    return Trajectory("r", "m", "f", step, 10.0 * step, np.array(values, dtype=float), none, none)


def between(low: int, high: int) -> OnsetInterval:
    return OnsetInterval("none", low, high, 10.0 * low, 10.0 * high)


LEFT = OnsetInterval("left", None, 4, None, 40.0)
NEVER = OnsetInterval("right", 8, None, 80.0, None)
UNCONFIRMED = OnsetInterval("unconfirmed", 4, 8, 40.0, 80.0)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.0, 0.1, 0.4, 0.5], OnsetInterval("none", 1, 2, 10.0, 20.0)),
        ([0.0, 0.4, 0.1, 0.4, 0.5], OnsetInterval("none", 2, 3, 20.0, 30.0)),
        ([0.4, 0.4, 0.1], OnsetInterval("left", None, 0, None, 0.0)),
        ([0.0, 0.4, 0.1, 0.4], OnsetInterval("unconfirmed", 2, 3, 20.0, 30.0)),
        ([0.0, 0.3, 0.3], OnsetInterval("right", 2, None, 20.0, None)),
        ([0.0, 0.4, 0.2], OnsetInterval("right", 2, None, 20.0, None)),
        ([0.4], OnsetInterval("unconfirmed", None, 0, None, 0.0)),
        ([], None),
    ],
)
def test_an_onset_is_the_interval_in_which_the_threshold_is_passed_to_stay(
    values: list[float], expected: OnsetInterval | None
) -> None:
    assert onset_interval(run(values), 0.3) == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.0, -0.1, -0.9, -1.0], OnsetInterval("none", 1, 2, 10.0, 20.0)),
        ([0.0, -0.5, -1.0, -1.0], OnsetInterval("none", 0, 1, 0.0, 10.0)),
        ([0.0, -0.1, -0.2, -1.0], OnsetInterval("unconfirmed", 2, 3, 20.0, 30.0)),
        ([0.0, 0.9, 0.95, 1.0], OnsetInterval("right", 3, None, 30.0, None)),
        ([0.0, -0.2, -0.1, 0.0], OnsetInterval("right", 3, None, 30.0, None)),
        ([0.0], None),
    ],
)
def test_the_largest_drop_is_between_neighbours_and_large_enough(
    values: list[float], expected: OnsetInterval | None
) -> None:
    assert largest_change(run(values), "drop", 0.25) == expected
    assert largest_change(run([-value for value in values]), "rise", 0.25) == expected


@pytest.mark.parametrize(
    ("onset", "steps", "tokens"),
    [
        (between(3, 8), (4, 8), (40, 80)),
        (between(0, 100), (1, 100), (10, 1000)),
        (LEFT, (0, 4), (0, 40)),
        (NEVER, (8, math.inf), (80, math.inf)),
        (UNCONFIRMED, (5, math.inf), (50, math.inf)),
        (OnsetInterval("right", 0, None, 0.0, None), (0, math.inf), (0, math.inf)),
        (OnsetInterval("left", None, 0, None, 0.0), (0, 1), (0, 1)),
    ],
)
def test_the_ends_on_a_log_scale(onset: OnsetInterval, steps: tuple[float, float], tokens: tuple[float, float]) -> None:
    """The earliest is one step after the checkpoint without it; censored ends are open."""
    for clock, ends in (("steps", steps), ("tokens", tokens)):
        expected = tuple(-math.inf if end == 0 else math.log10(end) for end in ends)
        assert onset.log10(clock) == pytest.approx(expected)  # type: ignore[arg-type]


def test_without_known_tokens_there_is_no_clock_but_steps() -> None:
    onset = OnsetInterval("none", 3, 8, None, None)

    assert onset.log10("tokens") is None
    assert onset.log10("steps") is not None


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (between(1, 4), between(4, 8), ("h", "steps (1, 4] before (4, 8]")),
        (between(4, 8), between(1, 4), ("f", "steps (4, 8] after (1, 4]")),
        (between(1, 4), between(1, 4), ("u", "both lie in the same interval (1, 4] of steps")),
        (between(1, 4), between(2, 8), ("u", "the intervals (1, 4] and (2, 8] of steps overlap")),
    ],
)
def test_the_order_of_two_onsets_is_decided_only_where_the_intervals_are_disjoint(
    first: OnsetInterval, second: OnsetInterval, expected: tuple[str, str]
) -> None:
    assert precedes(first, second) == expected


@pytest.mark.parametrize(
    ("first", "second", "factor", "outcome"),
    [
        (between(1, 4), between(1, 4), None, "h"),
        (between(1, 4), between(4, 8), None, "f"),
        (between(1, 4), between(2, 8), None, "u"),
        (between(256, 512), between(256, 512), 2.0, "h"),
        (between(1000, 10000), between(1000, 10000), 2.0, "u"),  # one wide interval does not say that they are near
        (between(230, 240), between(240, 250), 2.0, "h"),
        (between(100, 110), between(300, 310), 2.0, "f"),
        (between(300, 310), between(100, 110), 2.0, "f"),
        (between(100, 150), between(200, 350), 2.0, "u"),
    ],
)
def test_together_in_one_interval_or_within_a_factor(
    first: OnsetInterval, second: OnsetInterval, factor: float | None, outcome: str
) -> None:
    assert coincides(first, second, factor)[0] == outcome
    assert coincides(second, first, factor)[0] == outcome


def test_a_factor_is_told_as_the_range_over_both_intervals() -> None:
    """Steps 101 to 150 and 201 to 350: at least 201/150, at most 350/101 apart."""
    assert coincides(between(100, 150), between(200, 350), 2.0)[1].endswith("a factor of 1.34 to 3.47 apart")
