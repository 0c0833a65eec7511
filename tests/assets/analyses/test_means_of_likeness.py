"""Means of likeness over runs and models by hand, and when there is an interval."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from assets.analyses.means_of_likeness import Found, against_thirds, of_own_runs, of_two_families, of_two_models
from assets.likeness.between import Alike


def test_two_models_are_as_alike_as_their_runs_are_in_the_mean() -> None:
    values = np.array([[0.1, 0.2, 0.6], [0.3, np.nan, 0.5], [0.2, 0.4, 0.7]])

    found = of_two_models(Alike(values, 0.4, "a limit"), "v")

    assert found.value == pytest.approx(3.0 / 8)
    assert (found.chance, found.n_pairs, found.variant, found.reason) == (0.4, 8, "v", "a limit")
    assert found.interval
    assert found.interval[0] < found.value < found.interval[1]


def test_runs_without_a_value_do_not_count() -> None:
    values = np.full((4, 4), 0.5)
    values[3] = values[:, 3] = np.nan
    values[0, 0] = 0.6

    found = of_two_models(Alike(values), "v")

    assert found == of_two_models(Alike(values[:3, :3]), "v")


@pytest.mark.parametrize("shape", [(2, 9), (9, 1)])
def test_few_runs_have_no_interval(shape: tuple[int, int]) -> None:
    found = of_two_models(Alike(np.random.default_rng(0).random(shape)), "v")

    assert found.interval is None
    assert "fewer than three training runs of one of them" in str(found.reason)


def test_runs_that_are_all_alike_have_no_interval() -> None:
    assert of_two_models(Alike(np.ones((5, 5))), "v").interval is None


def test_a_model_is_compared_with_itself_by_its_own_pairs() -> None:
    rows = [("a", "b", 0.2, 0.1), ("a", "c", 0.4, 0.3), ("b", "c", 0.9, None)]
    pairs = pl.DataFrame(rows, schema=["run_a", "run_b", "value", "chance"], orient="row")

    found = of_own_runs(pairs, "v", None)

    assert (found.value, found.chance, found.n_pairs) == (pytest.approx(0.5), pytest.approx(0.2), 3)
    # leaving out a, b, c leaves .9, .4, .2: pseudo-values of the mean -.3, .7, 1.1
    half = 4.302653 * np.std([-0.3, 0.7, 1.1], ddof=1) / np.sqrt(3)
    assert found.interval == (pytest.approx(0.5 - half), pytest.approx(0.5 + half))


def pairs_of(**values: float | None) -> dict[tuple[str, str], Found]:
    """By two letters, each a model."""
    return {
        (name[0], name[1]): Found(value, 0.5, (0.0, 1.0), 6, "v", None if value is not None else "no luck")
        for name, value in values.items()
    }


def test_families_are_compared_by_all_pairs_of_their_models() -> None:
    between = pairs_of(ax=0.2, ay=0.4, bx=0.6, by=None, ab=0.9, xy=0.1)

    found = of_two_families(["a", "b"], ["x", "y"], between)
    own = of_two_families(["a", "b"], ["a", "b"], between)

    assert (found.value, found.chance, found.n_pairs, found.interval) == (pytest.approx(0.4), 0.5, 18, None)
    assert "3 of 4 pairs of models can be compared" in str(found.reason)
    assert (own.value, own.n_pairs) == (0.9, 6)
    assert of_two_families(["b"], ["y"], between) == Found(reason="no luck")
    assert of_two_families(["a"], ["a"], between).reason == "one model of the family is measured"


def test_families_of_one_model_have_the_interval_of_their_runs() -> None:
    found = of_two_families(["a"], ["x"], pairs_of(ax=0.2))

    assert found.interval == (0.0, 1.0)
    assert "one model of each" in str(found.reason)


def test_families_of_three_models_have_one_over_models() -> None:
    rng = np.random.default_rng(0)
    between = pairs_of(**{a + b: float(rng.random()) for a in "abc" for b in "wxyz"})

    found = of_two_families(list("abc"), list("wxyz"), between)
    values = np.array([[between[a, b].value for b in "wxyz"] for a in "abc"], dtype=float)

    assert found.interval == of_two_models(Alike(values), "v").interval
    assert found.reason is None


def test_chance_in_development_is_the_likeness_with_thirds() -> None:
    found = against_thirds(pairs_of(ab=0.9, ac=0.2, bc=0.4, ad=None, xy=0.5))

    assert found["a", "b"].chance == pytest.approx(0.3)
    assert found["a", "c"].chance == pytest.approx((0.9 + 0.4) / 2)
    assert found["a", "d"].value is None
    assert found["x", "y"].chance is None
