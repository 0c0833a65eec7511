"""Intervals against programs that are not ours: metafor (validation/reference.R), statsmodels, closed forms."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.proportion import proportion_confint
from statsmodels.stats.weightstats import DescrStatsW

from assets.claims.statistics import pooling
from assets.claims.statistics.pooling import Interval, mean_interval

METAFOR = json.loads((Path(__file__).parents[3] / "validation" / "reference.json").read_text())
DIGITS = 2e-6
"""metafor and we stop the search for tau^2 at different points; the interval differs in the sixth digit."""
VALUES = [0.21, 0.35, 0.18, 0.40, 0.29, 0.33]


def test_a_share_has_the_exact_one_sided_bound() -> None:
    five, nine = (pooling.share_interval(n, n, side="lower") for n in (5, 9))

    assert five.low == pytest.approx(0.05 ** (1 / 5))
    assert round(five.low or 0, 3) == 0.549
    assert nine.low == pytest.approx(0.05 ** (1 / 9))
    assert round(1 - (nine.low or 0), 2) == 0.28
    assert nine.high == 1


@pytest.mark.parametrize(("successes", "n"), [(0, 7), (3, 10), (9, 9), (41, 97)])
def test_a_share_has_the_exact_two_sided_interval(successes: int, n: int) -> None:
    interval = pooling.share_interval(successes, n)

    low, high = proportion_confint(successes, n, alpha=0.05, method="beta")
    assert (interval.low, interval.high) == pytest.approx((0 if successes == 0 else low, 1 if successes == n else high))


def test_a_mean_has_the_t_interval() -> None:
    interval = mean_interval(VALUES)

    expected = DescrStatsW(VALUES).tconfint_mean(alpha=0.05)
    assert (interval.low, interval.high) == pytest.approx(expected)


def test_a_prediction_interval_is_that_of_a_regression_on_nothing() -> None:
    import statsmodels.api as sm

    interval = pooling.prediction_interval(VALUES)

    fitted = sm.OLS(VALUES, np.ones(len(VALUES))).fit().get_prediction(np.ones(1)).summary_frame(alpha=0.05)
    assert (interval.low, interval.high) == pytest.approx((fitted["obs_ci_lower"][0], fitted["obs_ci_upper"][0]))


@pytest.mark.parametrize(
    ("interval", "reason"),
    [
        (mean_interval([]), "no units"),
        (mean_interval([0.4]), "one unit shows no spread"),
        (pooling.prediction_interval([0.4]), "one unit shows no spread"),
        (pooling.share_interval(0, 0), "no units"),
        (pooling.jackknife(lambda kept: float(kept.size), 2), "the jackknife needs three units"),
        (pooling.random_effects([0.4], [0.1]).mean, "fewer than two units"),
        (pooling.agreement([0, 0, 0], 1), "1 categories with tolerance 0 always agree"),
        (pooling.agreement([0, 1, 2, 3], 24), "no two units agree: the jackknife shows no spread"),
    ],
)
def test_where_there_is_no_interval_the_reason_is_told(interval: Interval, reason: str) -> None:
    assert (interval.low, interval.high, interval.reason) == (None, None, reason)
    assert interval.estimate is None or math.isfinite(interval.estimate)
    assert not interval.above(-math.inf)
    assert not interval.below(math.inf)


def test_equal_units_give_an_interval_of_no_width_and_say_so() -> None:
    interval = mean_interval([0.5, 0.5, 0.5])

    assert (interval.low, interval.high) == (0.5, 0.5)
    assert interval.reason == "all 3 units are equal: no width"


def test_a_value_that_is_not_finite_is_refused() -> None:
    with pytest.raises(ValueError, match="not finite"):
        mean_interval([0.1, math.nan])


POOLED = [name for name, reference in METAFOR.items() if "yi" in reference]


def test_the_pinned_data_sets_have_the_hard_cases() -> None:
    sets = [METAFOR[name] for name in POOLED]

    assert {(len(found["yi"]), found["tau2"] == [0]) for found in sets} >= {
        (2, False),
        (2, True),
        (3, False),
        (3, True),
    }
    assert len(sets) >= 8


@pytest.mark.parametrize("name", POOLED)
def test_random_effects_are_those_of_metafor(name: str) -> None:
    """rma(method = "REML", test = "knha") and its predict(), which takes k - 1 degrees of freedom; where units differ
    less than their errors, ours is not shorter than the fixed-effect interval."""
    reference = METAFOR[name]
    k, mean = len(reference["yi"]), reference["mean"][0]
    alike = reference["q"][0] < k - 1
    reach = max(end - mean for end in (reference["ci"][1], *[reference["fixed_ci"][1]] * alike))
    further = max(reference["pi"][1] - mean, reach)

    pooled = pooling.random_effects(reference["yi"], reference["vi"])

    assert pooled.mean.estimate == pytest.approx(mean, rel=DIGITS)
    assert [pooled.mean.low, pooled.mean.high] == pytest.approx([mean - reach, mean + reach], rel=DIGITS, abs=DIGITS)
    found = [pooled.prediction.low, pooled.prediction.high]
    assert found == pytest.approx([mean - further, mean + further], rel=DIGITS, abs=DIGITS)
    assert (pooled.tau or 0) ** 2 == pytest.approx(reference["tau2"][0], rel=DIGITS)
    assert pooled.q == pytest.approx(reference["q"][0], rel=1e-9)
    assert pooled.weights == pytest.approx(reference["weights"], rel=DIGITS)


def test_units_more_alike_than_their_errors_get_the_fixed_effect_interval() -> None:
    reference = METAFOR["alike"]

    pooled = pooling.random_effects(reference["yi"], reference["vi"])

    assert pooled.tau == 0
    assert [pooled.mean.low, pooled.mean.high] == pytest.approx(reference["fixed_ci"], rel=1e-9)
    assert (reference["ci"][1] - reference["ci"][0]) < (reference["fixed_ci"][1] - reference["fixed_ci"][0])
    assert (pooled.prediction.low, pooled.prediction.high) == (pooled.mean.low, pooled.mean.high)


def test_variances_are_used_where_they_matter_and_only_there() -> None:
    spread = float(np.var(VALUES, ddof=1))

    small = pooling.pool(VALUES, [0.04 * spread] * 6)
    large = pooling.pool(VALUES, [0.06 * spread] * 6)
    unknown = pooling.pool(VALUES)

    assert small == unknown
    assert small.mean == mean_interval(VALUES)
    assert large.mean.method.startswith("random effects")


@pytest.mark.parametrize("delta", [0.02, 0.05, 0.08, 0.12])
def test_equivalence_is_two_one_sided_tests(delta: float) -> None:
    values = [0.01, -0.03, 0.06, 0.05, -0.02, 0.04]

    found = pooling.equivalence(lambda confidence: mean_interval(values, confidence), delta)

    p = DescrStatsW(values).ttost_mean(-delta, delta)[0]
    assert (found.decision == "holds") == (p < 0.05)


def test_equivalence_fails_where_the_wide_interval_is_outside() -> None:
    found = pooling.equivalence(lambda confidence: mean_interval(VALUES, confidence), 0.1)
    near = pooling.equivalence(lambda confidence: mean_interval(VALUES, confidence), 0.3)

    assert found.decision == "fails"
    assert near.decision == "inconclusive"
    assert near.narrow.confidence == 0.90
    assert near.wide.confidence == 0.95


def test_the_jackknife_of_a_mean_is_the_t_interval() -> None:
    values = np.array(VALUES)

    interval = pooling.jackknife(lambda kept: float(values[kept].mean()), len(VALUES))

    expected = mean_interval(VALUES)
    assert (interval.estimate, interval.low, interval.high) == pytest.approx(
        (expected.estimate, expected.low, expected.high)
    )


@pytest.mark.parametrize(("categories", "tolerance"), [(6, 0), (6, 1), (24, 1), (5, 2), (3, 7)])
def test_chance_agreement_is_that_of_counting(categories: int, tolerance: int) -> None:
    counted = [abs(a - b) <= tolerance for a in range(categories) for b in range(categories)]

    assert pooling.chance_agreement(categories, tolerance) == pytest.approx(np.mean(counted))


def test_agreement_is_corrected_for_chance() -> None:
    everyone = pooling.agreement([2] * 5, 6)
    most = pooling.agreement([2, 2, 2, 2, 5], 6)
    beside = pooling.agreement([2, 3, 2, 3, 2], 6, tolerance=1)

    assert everyone.estimate == 1
    assert most.estimate == pytest.approx((0.6 - 1 / 6) / (5 / 6))
    assert beside.estimate == 1


@pytest.mark.parametrize(("choices", "tolerance"), [([0, 0, 0, 1], 0), ([0, 1, 0, 2], 0), ([0, 0, 2, 3], 1)])
def test_agreement_by_chance_is_that_of_counting(choices: list[int], tolerance: int) -> None:
    """All 256 outcomes of four draws from four; the simulation's standard error is at most .0036."""
    found = pooling.pairs_agreeing(np.array(choices), tolerance)
    every = [pooling.pairs_agreeing(np.array(drawn), tolerance) for drawn in product(range(4), repeat=4)]

    p = pooling.agreement_by_chance(choices, 4, tolerance)

    assert p == pytest.approx(np.mean(np.array(every) >= found - 1e-9), abs=0.012)


def test_agreement_of_uniform_draws_is_zero_on_average() -> None:
    rng = np.random.default_rng(3)

    drawn = [pooling.agreement(list(rng.integers(0, 6, 9)), 6).estimate or 0.0 for _ in range(400)]

    assert abs(np.mean(drawn)) < 4 * np.std(drawn) / 20


def test_a_choice_that_is_no_category_is_refused() -> None:
    with pytest.raises(ValueError, match=r"outside 0\.\.5"):
        pooling.agreement([1, 6], 6)


def test_means_of_yes_and_no_would_cover_far_too_little() -> None:
    """Why shares go through Clopper and Pearson: at k = 5 and p = .9 the t interval covers 41 %."""

    def covered(interval_of: Callable[[int], Any]) -> float:
        chances = stats.binom.pmf(range(6), 5, 0.9)
        inside = [(i := interval_of(h)).low <= 0.9 <= i.high for h in range(6)]
        return float(chances @ np.array(inside))

    assert round(covered(lambda h: mean_interval([1.0] * h + [0.0] * (5 - h))), 2) == 0.41
    assert covered(lambda h: pooling.share_interval(h, 5)) >= 0.95


def test_the_jackknife_of_two_samples_gives_welchs_interval_for_a_difference_of_means() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(1, 2, 7), rng.normal(0, 0.5, 4)

    found = pooling.jackknife_of_two(lambda i, j: float(a[i].mean() - b[j].mean()), 7, 4)

    welch = stats.ttest_ind(a, b, equal_var=False).confidence_interval(0.95)
    assert (found.low, found.high) == (pytest.approx(welch.low), pytest.approx(welch.high))
    assert found.estimate == pytest.approx(a.mean() - b.mean())


@pytest.mark.parametrize(("n_a", "n_b"), [(2, 9), (9, 2), (1, 1), (0, 3)])
def test_the_jackknife_of_two_samples_needs_three_units_of_each(n_a: int, n_b: int) -> None:
    found = pooling.jackknife_of_two(lambda i, j: float(i.size + j.size), n_a, n_b)

    assert (found.low, found.high) == (None, None)
    assert found.estimate == (n_a + n_b if n_a and n_b else None)
