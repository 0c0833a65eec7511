"""Bounds against trying every corner of small cases and many random assignments of larger ones."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from scipy import stats

from assets.claims.statistics.bounds import CORNERS, Cells, mean_bounds, reversal, slope_bounds, spread_bounds
from assets.claims.statistics.pooling import mean_interval
from assets.claims.statistics.trends import slope_interval

INF = math.inf


def boxes(n: int, seed: int) -> tuple[list[float], list[float]]:
    rng = np.random.default_rng(seed)
    low = rng.normal(0, 1, n)
    return low.tolist(), (low + rng.exponential(0.5, n)).tolist()


def inside(low: list[float], high: list[float], seed: int, n: int = 300) -> list[list[float]]:
    """Random assignments, half of them at corners."""
    rng = np.random.default_rng(seed)
    share = np.concatenate([rng.random((n // 2, len(low))), rng.integers(0, 2, (n // 2, len(low)))])
    return (np.array(low) + share * (np.array(high) - np.array(low))).tolist()


@pytest.mark.parametrize("seed", range(3))
def test_the_slopes_limits_hold_every_assignment_and_are_reached(seed: int) -> None:
    x = [7.1, 7.8, 8.2, 8.6, 9.0]
    low, high = boxes(5, seed)

    found = slope_bounds(x, low, high)

    corners = [slope_interval(x, list(y)) for y in product(*zip(low, high, strict=True))]
    assert found.least == pytest.approx(min(c.estimate or 0 for c in corners))
    assert found.greatest == pytest.approx(max(c.estimate or 0 for c in corners))
    assert found.low == pytest.approx(min(c.low or 0 for c in corners))
    assert found.high == pytest.approx(max(c.high or 0 for c in corners))
    within = [slope_interval(x, y) for y in inside(low, high, seed)]
    assert all(found.low - 1e-9 <= (i.low or 0) and (i.high or 0) <= found.high + 1e-9 for i in within)


@pytest.mark.parametrize("n", [4, CORNERS + 3])
def test_the_means_limits_hold_every_assignment(n: int) -> None:
    """Exact up to CORNERS units; above that wider, never narrower."""
    low, high = boxes(n, n)

    found = mean_bounds(low, high)

    within = [mean_interval(y) for y in inside(low, high, 1)]
    assert found.least == pytest.approx(np.mean(low))
    assert found.greatest == pytest.approx(np.mean(high))
    assert all(found.low - 1e-9 <= (i.low or 0) and (i.high or 0) <= found.high + 1e-9 for i in within)
    if n <= CORNERS:
        corners = [mean_interval(y) for y in product(*zip(low, high, strict=True))]
        assert (found.low, found.high) == pytest.approx(
            (min(c.low or 0 for c in corners), max(c.high or 0 for c in corners))
        )


def test_without_width_they_are_the_t_intervals() -> None:
    x, y = [1.0, 2.0, 3.0, 5.0], [0.1, 0.5, 0.4, 1.0]
    slope, mean = slope_interval(x, y), mean_interval(y)

    found, average = slope_bounds(x, y, y), mean_bounds(y, y)

    assert (found.least, found.greatest) == pytest.approx((slope.estimate, slope.estimate))
    assert (found.low, found.high) == pytest.approx((slope.low, slope.high))
    assert (average.middle, average.low, average.high) == pytest.approx((mean.estimate, mean.low, mean.high))


def test_an_open_end_leaves_a_mean_without_limits() -> None:
    found = mean_bounds([1.0, 1.0, 1.0], [1.1, 1.1, INF])

    assert (found.least, found.greatest) == (pytest.approx(1.0), INF)
    assert (found.low, found.high, found.middle) == (-INF, INF, None)


def test_an_open_end_may_leave_a_slope_one_limit() -> None:
    """A point far out on the axis turns the line as it goes up: the slope's lower limit stays where it is closed.

    One in the middle only bends it: no limit.
    """
    x = [0.0, 0.01, 0.02, 0.03, 0.04, 10.0]
    low, high = [0.0, 0.01, 0.02, 0.03, 0.04, 10.0], [0.0, 0.01, 0.02, 0.03, 0.04, INF]

    far = slope_bounds(x, low, high)
    near = slope_bounds(x, low, [0.0, 0.01, INF, 0.03, 0.04, 10.0])

    lower = [slope_interval(x, [*low[:5], y]).low or 0 for y in (10.0, 11.0, 100.0, 1e6)]
    assert lower == sorted(lower)
    assert far.low == pytest.approx(lower[0])
    assert far.high == INF
    assert near.low == -INF


@pytest.mark.parametrize(("k", "reason"), [(1, "one point"), (2, "no scatter")])
def test_few_points_have_no_limits(k: int, reason: str) -> None:
    found = slope_bounds(list(range(k)), [0.0] * k, [1.0] * k)

    assert (found.low, found.high) == (-INF, INF), reason


@pytest.mark.parametrize("n", [5, CORNERS + 3])
def test_the_spread_lies_between_its_bounds(n: int) -> None:
    low, high = boxes(n, 5)

    least, greatest = spread_bounds(low, high)

    found = [float(np.var(y, ddof=1)) for y in inside(low, high, 2)]
    grid = [float(np.var(np.clip(point, low, high), ddof=1)) for point in np.linspace(min(low), max(high), 20001)]
    assert least - 1e-12 <= min(found)
    assert greatest >= max(found)
    assert least == pytest.approx(min(grid), rel=1e-4)
    if n <= CORNERS:
        assert greatest == pytest.approx(max(np.var(y, ddof=1) for y in product(*zip(low, high, strict=True))))


def test_the_spread_of_intervals_that_meet_may_be_nothing() -> None:
    assert spread_bounds([0.0, 1.0, 1.5], [2.0, 2.0, 3.0])[0] == 0
    assert spread_bounds([0.0, 1.0], [2.0, INF])[1] == INF


def cells(low: list[float], high: list[float]) -> Cells:
    return Cells("m", 0.0, tuple(low), tuple(high))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("direction", [1, -1])
def test_no_assignment_has_a_p_outside_of_its_bounds(seed: int, direction: int) -> None:
    """Welch's p where the assignment reverses the step, 1 where it does not; the models a step of 1.2 apart."""
    a, b = boxes(5, seed), boxes(6, seed + 10)
    b = ([y - 1.2 for y in b[0]], [y - 1.2 for y in b[1]])

    least, greatest = reversal(cells(*a), cells(*b), direction) or (0.0, 0.0)

    for lower, upper in zip(inside(*a, seed), inside(*b, seed), strict=True):
        reversed_ = direction * (np.mean(upper) - np.mean(lower)) < 0
        p = float(stats.ttest_ind(upper, lower, equal_var=False).pvalue) if reversed_ else 1.0
        assert least - 1e-12 <= p <= greatest + 1e-12


def test_a_step_is_surely_reversed_only_where_every_assignment_reverses_it() -> None:
    early, late = cells([2.0] * 5, [2.2] * 5), cells([3.0] * 5, [3.2] * 5)
    over = cells([2.1] * 5, [3.1] * 5)

    assert (reversal(late, early, 1) or (1, 1))[1] < 0.001
    assert reversal(early, late, 1) == (1.0, 1.0)
    assert reversal(late, over, 1) == (0.0, 1.0)
    assert reversal(early, cells([3.0], [3.1]), 1) is None
    assert (reversal(cells([2.0, 2.0], [2.1, INF]), early, 1) or (0, 0))[1] == 1.0


def test_an_interval_the_wrong_way_round_is_a_fault_of_the_caller() -> None:
    with pytest.raises(ValueError, match="low <= high"):
        mean_bounds([1.0, 2.0], [1.0, 1.9])
