"""The paper's regressions from the catalog's values: its printed figures, and lme4's on the same files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import statsmodels.api as sm

from assets.claims.statistics import regressions
from assets.claims.statistics.regressions import MixedFit, mixed_model

LME4: dict[str, dict[str, Any]] = json.loads((Path(__file__).parents[3] / "validation" / "reference.json").read_text())


@pytest.fixture(scope="session")
def runs(published: pl.DataFrame, pythia_models: pl.DataFrame, pythia_runs: pl.DataFrame) -> pl.DataFrame:
    return regressions.run_quantities(published, pythia_models, pythia_runs)


def agrees(fit: MixedFit, name: str, coefficient: str, error: str) -> None:
    """Within one unit of the last printed digit of the paper, and with lme4 up to where its search stops."""
    for value, printed in ((fit.coefficient, coefficient), (fit.standard_error, error)):
        unit = 10.0 ** -len(printed.partition(".")[2])
        assert abs(value - float(printed)) <= unit
    assert fit.coefficient == pytest.approx(LME4[name]["coefficient"], rel=1e-6)
    assert fit.standard_error == pytest.approx(LME4[name]["standard_error"], rel=1e-4)
    assert fit.log_likelihood == pytest.approx(LME4[name]["log_likelihood"], abs=1e-4)
    assert fit.n == LME4[name]["n"]


def test_earlier_onset(runs: pl.DataFrame) -> None:
    agrees(regressions.by_size(runs, "log_onset"), "log_onset", "-.17737", ".05367")


def test_higher_peak(runs: pl.DataFrame) -> None:
    agrees(regressions.by_size(runs, "peak"), "peak", ".06783", ".00860")


def test_steeper_slope(runs: pl.DataFrame) -> None:
    agrees(regressions.by_size(runs, "slope"), "slope", ".014754", ".002603")


def test_growth(published: pl.DataFrame, pythia_runs: pl.DataFrame) -> None:
    """statsmodels alone stops 18 below this likelihood and reports that it converged."""
    agrees(regressions.growth(published, pythia_runs), "growth", ".1532", ".003224")


def test_value_by_depth(published: pl.DataFrame, pythia_models: pl.DataFrame) -> None:
    agrees(regressions.value_by_depth(published, pythia_models), "value_by_depth", "-.11114", ".00466")


def test_with_size_as_a_random_factor_the_onset_does_not_depend_on_it(runs: pl.DataFrame) -> None:
    fit = regressions.by_size(runs, "log_onset", "model_id")

    assert fit.standard_error == pytest.approx(LME4["log_onset_by_model"]["standard_error"], rel=1e-5)
    assert round(fit.p(df=2), 2) == 0.49


def test_likeness_of_trajectories(published: pl.DataFrame) -> None:
    found = regressions.likeness(published)

    assert found.within == pytest.approx(0.996, abs=0.001)
    assert found.between == pytest.approx(0.950, abs=0.001)
    sizes = ("pythia-14m", "pythia-70m", "pythia-160m", "pythia-410m")
    assert [found.by_model[size] for size in sizes] == pytest.approx([0.998, 0.994, 0.995, 0.997], abs=0.001)


def test_two_training_runs_swapped_change_every_figure(
    published: pl.DataFrame, pythia_models: pl.DataFrame, pythia_runs: pl.DataFrame, runs: pl.DataFrame
) -> None:
    swap = {"pythia-14m-seed1": "pythia-410m-seed1", "pythia-410m-seed1": "pythia-14m-seed1"}
    model_of = dict(pythia_runs.select("run_id", "model_id").iter_rows())
    swapped = published.with_columns(pl.col("run_id").replace(swap))
    swapped = swapped.with_columns(model_id=pl.col("run_id").replace_strict(model_of))

    other = regressions.run_quantities(swapped, pythia_models, pythia_runs)

    for quantity in ("log_onset", "peak", "slope"):
        before, after = (regressions.by_size(table, quantity) for table in (runs, other))
        assert abs(after.coefficient - before.coefficient) > 0.02 * abs(before.coefficient)
    assert regressions.likeness(swapped).within != pytest.approx(regressions.likeness(published).within, abs=0.001)


def test_a_run_without_the_quantity_is_left_out(runs: pl.DataFrame) -> None:
    gap = runs.with_columns(log_onset=pl.when(pl.col("run_id") != "pythia-14m-seed1").then("log_onset"))

    assert regressions.by_size(gap, "log_onset").n == 35


@pytest.mark.parametrize(
    ("name", "outcome", "factors", "reml"),
    [
        ("made_crossed", "y", "ab", True),
        ("made_crossed_ml", "y", "ab", False),
        ("made_one_factor", "y", "b", True),
        ("made_flat", "flat", "ab", True),
    ],
)
def test_mixed_models_are_those_of_lme4(name: str, outcome: str, factors: str, reml: bool) -> None:
    """Crossed factors with cells missing; in `flat` one of them makes no difference, the boundary of its variance."""
    data = {key: np.array(values) for key, values in LME4["made"].items()}
    groups = {factor: data[factor].astype(int) for factor in factors}

    fit = mixed_model(data[outcome], data["x"], groups, reml=reml)

    assert fit.coefficient == pytest.approx(LME4[name]["coefficient"], rel=1e-5)
    assert fit.standard_error == pytest.approx(LME4[name]["standard_error"], rel=1e-4)
    assert fit.log_likelihood == pytest.approx(LME4[name]["log_likelihood"], abs=1e-5)
    assert (fit.variances["b"] == 0) == (name == "made_flat")


def simulated(variance: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    group = np.repeat(np.arange(12), 10)
    x = rng.normal(size=120)
    return 2 + 0.5 * x + rng.normal(0, variance**0.5, 12)[group] + rng.normal(0, 1, 120), x, group


def test_a_random_intercept_is_found_where_there_is_one() -> None:
    y, x, group = simulated(4.0)

    fit = mixed_model(y, x, {"group": group})

    assert fit.variances["group"] == pytest.approx(4.0, rel=0.6)
    assert fit.residual == pytest.approx(1.0, rel=0.25)
    assert abs(fit.coefficient - 0.5) < 3 * fit.standard_error


def test_groups_without_any_difference_leave_least_squares() -> None:
    y, x, group = simulated(0.0)
    within = y - np.array([y[group == g].mean() for g in group])
    centred = x - np.array([x[group == g].mean() for g in group])

    fit = mixed_model(within, centred, {"group": group})

    ordinary = sm.OLS(within, sm.add_constant(centred)).fit()
    assert fit.variances == {"group": 0.0}
    assert (fit.coefficient, fit.standard_error) == pytest.approx((ordinary.params[1], ordinary.bse[1]))
    assert mixed_model(within, centred, {"group": group}, reml=False).log_likelihood == pytest.approx(ordinary.llf)


def test_units_of_the_outcome_do_not_matter() -> None:
    y, x, group = simulated(1.0)

    small, large = (mixed_model(y * scale, x, {"group": group}) for scale in (1e-3, 1e3))

    assert large.coefficient == pytest.approx(small.coefficient * 1e6, rel=1e-6)
    assert large.standard_error == pytest.approx(small.standard_error * 1e6, rel=1e-5)


def test_nothing_to_regress_is_refused() -> None:
    with pytest.raises(ValueError, match="y and x must vary"):
        mixed_model(np.ones(8), np.arange(8.0), {"group": np.arange(8) % 2})
