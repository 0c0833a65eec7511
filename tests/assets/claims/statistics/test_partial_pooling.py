"""Partial pooling against lme4 where the groups' likeness is known, and by hand where the answer is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import integrate, stats

from assets.claims.statistics.partial_pooling import Covariate, Forecast, forecast, mixture

LME4: dict[str, dict[str, Any]] = json.loads(
    (Path(__file__).parents[3] / "validation" / "partial_pooling.json").read_text(encoding="utf-8")
)


@pytest.mark.parametrize("name", LME4)
def test_at_the_estimated_correlation_predictions_are_those_of_lme4(name: str) -> None:
    """To 1e-6 of the value: the last digit of lme4's optimum."""
    pinned = LME4[name]
    between, rest = pinned["variances"]

    for i, group in enumerate(pinned["new_groups"]):
        size = Covariate(pinned["sizes"], pinned["new_sizes"][i]) if pinned["sizes"] else None
        found = mixture(
            pinned["values"], pinned["groups"], group, size, correlations=np.array([between / (between + rest)])
        )
        assert found.mean[0] == pytest.approx(pinned["predicted"][i], rel=1e-6)


@pytest.mark.parametrize("name", LME4)
def test_correlations_are_weighted_by_lme4s_restricted_likelihood(name: str) -> None:
    """lme4's criterion at ratios of standard deviations of 0, 1 and 2; differences, since constants are left out."""
    pinned = LME4[name]
    squares = np.square(pinned["ratios"])
    size = Covariate(pinned["sizes"], 0.0) if pinned["sizes"] else None

    found = mixture(pinned["values"], pinned["groups"], "new", size, correlations=squares / (1 + squares))

    assert np.diff(found.log_likelihood) == pytest.approx(np.diff(pinned["log_likelihoods"]), abs=1e-7)
    assert np.log(found.weight[1] / found.weight[0]) == pytest.approx(np.diff(pinned["log_likelihoods"])[0], abs=1e-7)


def test_variance_of_the_prediction_is_that_of_generalised_least_squares_with_dense_matrices() -> None:
    values, groups, r = [1.0, 1.4, 0.2, 0.9, 2.0], ["a", "a", "b", "b", "c"], 0.6
    same = np.array([[a == b for b in groups] for a in groups])
    v = (1 - r) * np.eye(5) + r * same
    k = r * np.array([group == "b" for group in groups])
    inverse, one, y = np.linalg.inv(v), np.ones(5), np.array(values)
    mean = one @ inverse @ y / (one @ inverse @ one)
    variance = (y - mean) @ inverse @ (y - mean) / 4
    factor = 1 - k @ inverse @ k + (1 - one @ inverse @ k) ** 2 / (one @ inverse @ one)

    found = mixture(values, groups, "b", correlations=np.array([r]))

    assert found.mean[0] == pytest.approx(mean + k @ inverse @ (y - mean), rel=1e-12)
    assert found.scale[0] == pytest.approx(np.sqrt(variance * factor), rel=1e-12)
    assert found.df == 4


def test_without_relatives_it_is_the_mean_with_its_prediction_interval() -> None:
    values = [0.1, 0.4, 0.35, 0.8]
    half = stats.t.ppf(0.975, 3) * np.std(values, ddof=1) * np.sqrt(1 + 1 / 4)

    found = forecast(values, ["a", "b", "c", "d"], "e")

    assert (found.mean, found.n) == (pytest.approx(np.mean(values)), 4)
    assert (found.low, found.high) == (pytest.approx(np.mean(values) - half), pytest.approx(np.mean(values) + half))


def test_a_family_that_differs_is_followed_and_one_that_does_not_is_drawn_to_all() -> None:
    apart = forecast([0.10, 0.12, 0.11, 0.90, 0.91, 0.89, 0.50, 0.52], list("aaabbbcc"), "b")
    alike = forecast([0.10, 0.90, 0.50, 0.12, 0.91, 0.48, 0.52, 0.88], list("aaabbbcc"), "b")

    assert apart.mean == pytest.approx(0.90, abs=0.01)
    assert alike.mean == pytest.approx(np.mean([0.10, 0.90, 0.50, 0.12, 0.91, 0.48, 0.52, 0.88]), abs=0.03)


@pytest.mark.parametrize(("carried", "expected"), [(1.0, 0.95), (0.0, 0.5)])
def test_as_much_of_the_early_value_is_carried_over_as_the_others_say(carried: float, expected: float) -> None:
    """Six units that gain .3 from where they start, and six of which all end at .5 but for noise; .65 early on."""
    early = np.array([0.1, 0.2, 0.4, 0.5, 0.6, 0.3])
    noise = np.array([0.001, -0.002, 0.001, 0.002, -0.001, -0.001])
    final = (early + 0.3 if carried else np.full(6, 0.5)) + noise

    found = forecast(list(final), list("aabbcc"), "d", early=Covariate(list(early), 0.65))

    assert found.mean == pytest.approx(expected, abs=0.01)


def test_interval_is_the_mixtures_own() -> None:
    """Integrating the mixture's density between the ends gives .95."""
    found = mixture([0.1, 0.2, 0.8, 0.75], list("aabb"), "a")
    ends = found.forecast(4)

    def density(x: float) -> float:
        return float(found.weight @ stats.t.pdf(x, found.df, found.mean, found.scale))

    assert ends.low is not None
    assert ends.high is not None
    assert integrate.quad(density, ends.low, ends.high, points=[0.15, 0.775], limit=200)[0] == pytest.approx(
        0.95, abs=1e-6
    )


def test_units_that_are_all_alike_are_followed_with_next_to_no_width() -> None:
    found = forecast([0.7, 0.7, 0.7], ["a", "a", "b"], "b")

    assert found.mean == pytest.approx(0.7)
    assert found.low is not None
    assert found.low > 0.6999


def test_one_unit_gives_no_interval_and_too_few_give_no_line() -> None:
    found = forecast([0.4], ["a"], "b")

    assert found == Forecast(pytest.approx(0.4), None, None, 1)
    with pytest.raises(ValueError, match="1 units can't determine 2"):
        forecast([0.4], ["a"], "a", size=Covariate([1.0], 2.0))


def test_scatter_within_a_model_widens_the_interval() -> None:
    narrow, wide = (forecast([0.1, 0.3, 0.5], ["a", "b", "c"], "a", within=w) for w in (0.0, 0.04))

    assert narrow.mean == wide.mean
    assert narrow.low is not None
    assert wide.low is not None
    assert wide.low < narrow.low
