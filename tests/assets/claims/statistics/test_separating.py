"""Two groups told apart: by brute force, by scipy's permutation test, and at chance where there is nothing to tell."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from assets.claims.statistics.separating import grouped_jackknife, separation


def likeness(values: np.ndarray) -> np.ndarray:
    """Minus the distance of numbers: higher = more alike."""
    return -np.abs(values[:, None] - values[None, :])


def difference(alike: np.ndarray, first: set[int]) -> float:
    """Mean within less mean between, pair by pair."""
    pairs = list(combinations(range(len(alike)), 2))
    within = [alike[i, j] for i, j in pairs if (i in first) == (j in first)]
    between = [alike[i, j] for i, j in pairs if (i in first) != (j in first)]
    return float(np.mean(within) - np.mean(between))


@pytest.mark.parametrize("size", [3, 4])
def test_the_p_is_that_of_every_parting(size: int) -> None:
    """Seven or eight members, also of two groups of one size, whose swap changes nothing."""
    alike = likeness(np.random.default_rng(1).normal(size=size + 4) + np.array([1.0] * size + [0.0] * 4))
    every = [difference(alike, set(chosen)) for chosen in combinations(range(size + 4), size)]

    found = separation(alike, size)

    assert found.interval.estimate == pytest.approx(every[0])
    assert found.p == pytest.approx(np.mean(np.array(every) >= every[0] - 1e-12))


def test_the_p_of_means_is_scipys() -> None:
    """With likeness -(x - y)^2 the difference rises with the squared distance of the means, for one sum of squares."""
    values = np.random.default_rng(2).normal(size=10) + np.repeat([0.8, 0.0], 5)
    expected = stats.permutation_test(
        (values[:5], values[5:]), lambda a, b: abs(np.mean(a) - np.mean(b)), n_resamples=np.inf, alternative="greater"
    )

    found = separation(-((values[:, None] - values[None, :]) ** 2), 5)

    assert found.p == pytest.approx(expected.pvalue)


def test_many_members_are_drawn_and_agree_with_scipy() -> None:
    """Two of twelve: 2.7 million partings, 50,000 drawn; four standard errors of a p of .03 are .003."""
    values = np.random.default_rng(4).normal(size=24) + np.repeat([0.7, 0.0], 12)
    drawn = stats.permutation_test(
        (values[:12], values[12:]),
        lambda a, b, axis: np.abs(a.mean(axis=axis) - b.mean(axis=axis)),
        vectorized=True,
        n_resamples=50_000,
        alternative="greater",
        rng=np.random.default_rng(5),
    )

    found = separation(-((values[:, None] - values[None, :]) ** 2), 12)

    assert found.p == pytest.approx(drawn.pvalue, abs=0.004)


def test_at_no_difference_p_is_uniform() -> None:
    """1,000 catalogs of five and five alike: three standard errors above each level."""
    rng = np.random.default_rng(3)
    found = np.array([separation(likeness(values), 5).p for values in rng.normal(size=(1000, 10))])

    for level in (0.05, 0.1, 0.5, 0.9):
        assert np.mean(found <= level) < level + 3 * np.sqrt(level * (1 - level) / 1000)
    assert np.mean(found <= 0.1) > 0.05


@pytest.mark.parametrize("spread", [0.5, 1.0, 2.0])
def test_the_interval_of_a_difference_covers_it(spread: float) -> None:
    """Five and five normal numbers, 1 apart: mean distance 2 s/sqrt(pi) within, that of N(1, 2 s^2) from 0 between.

    Coverage of 300 within .92 and 1, or 2.4 standard errors below .95; the jackknife alone covers .86 at spread 1.
    """
    rng = np.random.default_rng(6)
    s = spread * np.sqrt(2)
    between = s * np.sqrt(2 / np.pi) * np.exp(-1 / (2 * s**2)) + 1 - 2 * stats.norm.cdf(-1 / s)
    truth = between - 2 * spread / np.sqrt(np.pi)
    drawn = rng.normal(scale=spread, size=(300, 10)) + np.repeat([0.0, 1.0], 5)
    intervals = [separation(likeness(values), 5).interval for values in drawn]

    assert np.mean([(i.low or 0) <= truth <= (i.high or 0) for i in intervals]) >= 0.92


def test_the_jackknife_of_a_difference_of_means_is_the_usual_one() -> None:
    """Var = s1^2/n1 + s2^2/n2, with n1 + n2 - 2 degrees of freedom."""
    a, b = np.array([1.0, 2.0, 4.0]), np.array([0.0, 1.0, 5.0, 7.0])
    left = [
        np.array([np.delete(a, i).mean() - b.mean() for i in range(3)]),
        np.array([a.mean() - np.delete(b, i).mean() for i in range(4)]),
    ]

    found = grouped_jackknife(a.mean() - b.mean(), left)

    error = np.sqrt(a.var(ddof=1) / 3 + b.var(ddof=1) / 4)
    assert found.high == pytest.approx(a.mean() - b.mean() + stats.t.ppf(0.975, 5) * error)


def test_groups_of_one_and_pairs_not_compared_are_refused() -> None:
    alike = likeness(np.arange(6.0))
    with pytest.raises(ValueError, match="two groups of two"):
        separation(alike, 1)
    alike[0, 3] = np.nan
    with pytest.raises(ValueError, match="all pairs compared"):
        separation(alike, 3)
