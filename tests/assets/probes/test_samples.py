from __future__ import annotations

import numpy as np
import pytest

from assets.probes.samples import over_sequences, ratios_over_sequences, refuse_nan
from catalog.errors import UserError


def test_mean_halves_and_standard_error() -> None:
    summary = over_sequences(np.array([[1.0], [2.0], [3.0], [6.0]]))[0]

    assert summary["value"] == 3
    assert summary["value_a"] == 2
    assert summary["value_b"] == 4
    assert summary["standard_error"] == pytest.approx((14 / 3) ** 0.5 / 2)
    assert summary["n"] == 4


def test_one_sequence_has_no_halves_and_no_error() -> None:
    summary = over_sequences(np.array([[1.0, 2.0]]))[1]

    assert summary == {"value": 2, "value_a": None, "value_b": None, "standard_error": None, "n": 1}


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_only_numbers_pass(bad: float) -> None:
    refuse_nan(np.zeros(3), "scores", "run@step0")

    with pytest.raises(UserError, match="scores") as caught:
        refuse_nan(np.array([0, bad]), "scores", "run@step0")

    assert caught.value.where == "run@step0"


def test_ratio_of_sums_with_halves() -> None:
    numerators, denominators = np.array([[1.0], [0.0], [3.0], [2.0]]), np.array([[2.0], [1.0], [4.0], [1.0]])

    (ratio,) = ratios_over_sequences(numerators, denominators)

    assert ratio is not None
    assert ratio["value"] == 6 / 8
    assert ratio["value_a"] == 4 / 6
    assert ratio["value_b"] == 2 / 2
    without = np.array([5 / 6, 6 / 7, 3 / 4, 4 / 7])
    assert ratio["standard_error"] == pytest.approx(np.sqrt(3 / 4 * ((without - without.mean()) ** 2).sum()))
    assert ratio["n"] == 4


def test_error_of_a_ratio_is_that_of_the_mean_where_denominators_are_equal() -> None:
    values = np.array([[1.0], [2.0], [3.0], [6.0]])

    (ratio,) = ratios_over_sequences(values, np.ones_like(values))

    assert ratio == pytest.approx(over_sequences(values)[0])


def test_error_of_a_ratio_covers_it() -> None:
    """The interval of +-1.96 standard errors holds the true ratio, 2, in about 95 of 100 samples of 40 sequences."""
    generator = np.random.default_rng(0)
    denominators = generator.gamma(4, size=(40, 400))
    numerators = 2 * denominators + generator.normal(size=(40, 400))

    ratios = [ratio for ratio in ratios_over_sequences(numerators, denominators) if ratio is not None]

    held = [abs(r["value"] - 2) < 1.96 * (r["standard_error"] or 0) for r in ratios]
    assert 0.91 < np.mean(held) < 0.98


def test_a_ratio_without_denominators() -> None:
    counts = np.array([[0.0, 0.0, 2.0], [0.0, 3.0, 2.0], [0.0, 0.0, 1.0]])

    none, one, all_ = ratios_over_sequences(counts, counts)

    assert none is None
    assert one == {"value": 1, "value_a": None, "value_b": 1, "standard_error": None, "n": 1}
    assert all_ is not None
    assert all_["standard_error"] == 0
