"""Scores by hand."""

from __future__ import annotations

from typing import Any

import pytest

from assets.analyses.prediction_scores import score
from assets.claims.forecasting import Result

PREDICTION: dict[str, Any] = {
    "probability": 0.8,
    "base_rate": 0.5,
    "last_probability": 1.0,
    "variant_id": "v",
    "estimate": 0.6,
    "pi_low": 0.4,
    "pi_high": 0.8,
    "base_estimate": 0.3,
    "last_estimate": 0.7,
}


def came(*values: tuple[bool | None, float | None], variant: str = "v") -> list[Result]:
    return [Result("m", holds, estimate, variant) for holds, estimate in values]


def test_brier_error_coverage_and_skill() -> None:
    found = score(PREDICTION, came((True, 0.7), (True, 0.9), (False, 0.2), (None, 0.4)))

    assert (found["n_scored"], found["outcome"], found["observed"]) == (4, pytest.approx(2 / 3), pytest.approx(0.55))
    assert found["brier"] == pytest.approx((0.04 + 0.04 + 0.64) / 3)
    assert (found["base_brier"], found["last_brier"]) == (pytest.approx(0.25), pytest.approx(1 / 3))
    assert found["covered"] == 0.5
    assert found["squared_error"] == pytest.approx((0.01 + 0.09 + 0.16 + 0.04) / 4)
    assert found["base_squared_error"] == pytest.approx((0.16 + 0.36 + 0.01 + 0.01) / 4)
    assert found["skill"] == pytest.approx(1 - 0.24 / 0.25)
    assert found["skill_over_last"] == pytest.approx(1 - 0.24 * 3)


def test_without_a_probability_skill_is_of_the_estimate() -> None:
    law = {**PREDICTION, "probability": None, "base_rate": None, "last_probability": None}
    found = score(law, came((None, 0.5)))

    assert (found["outcome"], found["brier"]) == (None, None)
    assert (found["skill"], found["skill_over_last"]) == (
        pytest.approx(1 - 0.01 / 0.04),
        pytest.approx(1 - 0.01 / 0.04),
    )


def test_another_variant_says_nothing_about_the_quantity() -> None:
    found = score(PREDICTION, came((True, 0.7), variant="other"))

    assert (found["outcome"], found["observed"], found["covered"], found["squared_error"]) == (1.0, None, None, None)


def test_no_skill_is_given_where_the_base_makes_no_error_or_is_missing() -> None:
    found = score({**PREDICTION, "base_rate": 1.0, "last_probability": None}, came((True, 0.5)))

    assert (found["base_brier"], found["skill"], found["skill_over_last"]) == (0.0, None, None)
