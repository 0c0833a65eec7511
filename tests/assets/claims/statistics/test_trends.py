"""The trend rule: on the published data, with figures that were computed elsewhere, and on small examples."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
import pytest
import statsmodels.api as sm
from statsmodels.stats.multitest import multipletests

from assets.claims.statistics.regressions import run_quantities
from assets.claims.statistics.trends import Group, Trend, holm, neighbour_steps, neighbours, slope_interval, trend


@pytest.fixture(scope="session")
def quantities(published: pl.DataFrame, pythia_models: pl.DataFrame, pythia_runs: pl.DataFrame) -> pl.DataFrame:
    return run_quantities(published, pythia_models, pythia_runs)


def decided(quantities: pl.DataFrame, quantity: str, direction: int) -> Trend:
    groups = [
        Group(model_id, rows["log_params"][0], tuple(rows[quantity]))
        for (model_id,), rows in quantities.group_by(["model_id"])
    ]
    return trend(groups, 1 if direction > 0 else -1)


def test_larger_models_do_not_show_an_earlier_onset(quantities: pl.DataFrame) -> None:
    found = decided(quantities, "log_onset", -1)

    assert found.verdict == "fails"
    assert rounded(found, 3)[0] == -0.177
    assert rounded(found, 2)[1:] == (-1.09, 0.73)
    assert [(s.lower, s.upper) for s in found.steps if s.reversed] == [
        ("pythia-70m", "pythia-160m"),
        ("pythia-160m", "pythia-410m"),
    ]
    assert [f"{s.p_holm:.2g}" for s in found.steps if s.reversed] == ["0.047", "3.4e-06"]
    assert "pythia-70m to pythia-160m" in found.reason
    assert "pythia-410m (9 runs)" in found.reason


def test_larger_models_rise_more_steeply(quantities: pl.DataFrame) -> None:
    found = decided(quantities, "slope", 1)

    assert found.verdict == "holds"
    assert rounded(found, 3)[1:] == (0.004, 0.025)
    assert all(slope > 0 for slope in found.left_out.values())


def test_whether_larger_models_peak_higher_is_not_decided(quantities: pl.DataFrame) -> None:
    found = decided(quantities, "peak", 1)

    assert found.verdict == "inconclusive"
    assert rounded(found, 3)[1:] == pytest.approx((-0.040, 0.176), abs=0.0011)
    assert "includes 0" in found.reason


def test_larger_models_fall_more_after_the_peak(quantities: pl.DataFrame) -> None:
    found = decided(quantities, "drop", 1)

    assert found.verdict == "holds"
    assert rounded(found, 3)[1:] == (0.047, 0.069)


def test_two_training_runs_swapped_change_the_figures(
    published: pl.DataFrame, quantities: pl.DataFrame, pythia_models: pl.DataFrame, pythia_runs: pl.DataFrame
) -> None:
    swap = {"pythia-14m-seed1": "pythia-70m-seed1", "pythia-70m-seed1": "pythia-14m-seed1"}
    model_of = dict(pythia_runs.select("run_id", "model_id").iter_rows())
    swapped = published.with_columns(pl.col("run_id").replace(swap)).with_columns(
        model_id=pl.col("run_id").replace_strict(model_of)
    )

    found = decided(run_quantities(swapped, pythia_models, pythia_runs), "log_onset", -1)

    assert abs((found.slope.estimate or 0) - (decided(quantities, "log_onset", -1).slope.estimate or 0)) > 0.01


def rounded(found: Trend, digits: int) -> tuple[float, ...]:
    slope = found.slope
    return tuple(round(float(end), digits) for end in (slope.estimate, slope.low, slope.high) if end is not None)


def test_the_slope_has_the_interval_of_least_squares() -> None:
    x, y = [7.1, 7.8, 8.2, 8.6], [0.3, 0.1, 0.6, 0.5]

    interval = slope_interval(x, y)

    fitted = sm.OLS(y, sm.add_constant(x)).fit()
    assert interval.estimate == pytest.approx(fitted.params[1])
    assert (interval.low, interval.high) == pytest.approx(tuple(fitted.conf_int()[1]))


@pytest.mark.parametrize(
    ("x", "reason"),
    [
        ([7.1], "fewer than two values of the property"),
        ([7.1, 7.1], "fewer than two values of the property"),
        ([7.1, 7.8], "two models show no scatter around a line"),
    ],
)
def test_a_slope_without_an_interval_says_why(x: list[float], reason: str) -> None:
    interval = slope_interval(x, [0.2] * len(x))

    assert (interval.low, interval.high, interval.reason) == (None, None, reason)


@pytest.mark.parametrize("p_values", [[], [0.03], [0.04, 0.01, 0.03], [0.5, 0.9, 0.5], [1e-6, 0.047, 2e-10]])
def test_holm_is_that_of_statsmodels(p_values: list[float]) -> None:
    expected = list(multipletests(p_values, method="holm")[1]) if p_values else []

    assert holm(p_values) == pytest.approx(expected)


STRAIGHT = [(0.0, 0.1, 0.05), (1.0, 1.1, 1.05), (2.0, 2.1, 2.05), (3.0, 3.1, 3.05)]


def groups(runs: Sequence[tuple[float, ...]]) -> list[Group]:
    return [Group(f"m{i}", float(i), values) for i, values in enumerate(runs)]


def test_a_straight_rise_holds_and_fails_as_a_fall() -> None:
    assert trend(groups(STRAIGHT), 1).verdict == "holds"
    assert trend(groups(STRAIGHT), -1).verdict == "fails"


def test_the_order_of_the_groups_does_not_matter() -> None:
    assert trend(groups(STRAIGHT)[::-1], 1) == trend(groups(STRAIGHT), 1)


def test_a_reversed_step_fails_a_rise_that_the_slope_alone_would_grant() -> None:
    steps = [(0.0, 0.1, 0.05), (2.0, 2.1, 2.05), (1.5, 1.6, 1.55), (4.0, 4.1, 4.05), (6.0, 6.1, 6.05)]

    found = trend(groups(steps), 1)

    assert found.slope.above(0)
    assert found.verdict == "fails"
    assert "m1 to m2" in found.reason


def test_a_slope_inside_the_smallest_effect_of_interest_fails() -> None:
    assert trend(groups(STRAIGHT), 1, delta=2.0).verdict == "fails"
    assert trend(groups(STRAIGHT), 1, delta=0.5).verdict == "holds"


def test_a_trend_that_rests_on_one_model_is_not_decided() -> None:
    xs, ys = [0.0, 0.1, 0.2, 0.3, 3.0], [0.30, 0.20, 0.10, 0.0, 3.0]
    runs = [Group(f"m{i}", x, (y - 0.5, y + 0.5)) for i, (x, y) in enumerate(zip(xs, ys, strict=True))]

    found = trend(runs, 1)

    assert found.slope.above(0)
    assert found.left_out["m4"] < 0
    assert found.verdict == "inconclusive"
    assert found.reason.endswith("its sign rests on m4")


def test_three_models_are_too_few() -> None:
    found = trend(groups(STRAIGHT[:3]), 1)

    assert found.verdict == "insufficient"
    assert found.slope.estimate == pytest.approx(1.0)
    assert found.reason == "a trend needs 4 models, there are 3"


def test_models_of_one_run_have_no_step_to_test() -> None:
    steps = neighbour_steps([Group("a", 0.0, (1.0,)), Group("b", 1.0, (0.0, 0.1)), Group("c", 2.0, (-1.0, -0.9))], 1)

    assert [step.p is None for step in steps] == [True, False]
    assert [step.reversed for step in steps] == [False, True]


def test_neighbours_are_models_of_the_next_value_and_never_of_the_same() -> None:
    found = neighbours(["b1", "a", "c", "b2"], lambda name: name[0])

    assert found == [("a", "b1"), ("a", "b2"), ("b1", "c"), ("b2", "c")]


def test_equal_means_have_a_slope_of_0_without_scatter() -> None:
    found = slope_interval([1, 2, 3, 4], [0.5, 0.5, 0.5, 0.5])

    assert (found.low, found.estimate, found.high) == (0, 0, 0)
