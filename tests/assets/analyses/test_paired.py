"""The sign-flip test against scipy and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from assets.analyses.paired import LEAST_UNITS, compare, sign_flip_p


@pytest.mark.parametrize("n", [4, 7, 10])
def test_exact_p_is_scipys(n: int) -> None:
    d = np.random.default_rng(n).normal(0.4, 1, n)
    theirs = stats.permutation_test((d,), np.mean, permutation_type="samples", n_resamples=np.inf).pvalue

    assert sign_flip_p(list(d)) == pytest.approx(theirs, rel=1e-12)


def test_many_units_are_tested_by_draws_that_come_near_the_normal_limit() -> None:
    """200 units: p of a z of about 2; tolerance three standard errors of 10,000 draws."""
    d = np.random.default_rng(1).normal(0.14, 1, 200)
    normal = 2 * stats.norm.sf(abs(d.sum()) / np.sqrt((d**2).sum()))

    assert sign_flip_p(list(d)) == pytest.approx(normal, abs=3 * np.sqrt(normal / 10_000) + 0.002)
    assert sign_flip_p(list(d)) == sign_flip_p(list(d))


def test_no_difference_gives_one_and_no_unit_none() -> None:
    assert sign_flip_p([0.0, 0.0, 0.0]) == 1.0
    assert sign_flip_p([]) is None


def test_fewer_units_than_needed_never_tell() -> None:
    n = LEAST_UNITS
    less, more = [0.1 + i / 100 for i in range(n)], [1.0] * n

    assert compare(less[:-1], more[:-1]).better == "cannot_tell"
    assert compare(less, more).better == "a_better"
    assert compare(more, less).better == "b_better"
    assert compare(less, more).p == 2 / 2**n


def test_the_interval_is_that_of_the_mean_difference() -> None:
    found = compare([0.1, 0.2, 0.4, 0.3], [0.2, 0.4, 0.3, 0.5])
    theirs = stats.ttest_rel([0.1, 0.2, 0.4, 0.3], [0.2, 0.4, 0.3, 0.5]).confidence_interval()

    assert found.difference.estimate == pytest.approx(-0.1)
    assert (found.difference.low, found.difference.high) == (pytest.approx(theirs.low), pytest.approx(theirs.high))
