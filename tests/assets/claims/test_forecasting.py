"""What claims expect of a model, on hand-made catalogs and on the published data with the largest size left out."""

from __future__ import annotations

import duckdb
import numpy as np
import pytest
import statsmodels.api as sm

from assets.claims.decide import Material, read_material
from assets.claims.forecasting import Expected, Result, expect, expect_from, line_forecast, results
from assets.claims.schema import Claim
from assets.claims.subjects import Subjects
from tests.assets.claims.conftest import Library, World

SIZES = {"a1": 1e6, "a2": 1e7, "a3": 1e8, "a4": 1e9}
"""Four models of family a; b1 and c1 are of other natural families, t1 was trained here."""


@pytest.fixture
def subjects(world: World) -> Subjects:
    for name, size in SIZES.items():
        world.model(name, "a", n_params=int(size))
    world.model("b1", "b").model("c1", "c").family("t", "calibration").model("t1", "t").model("t2", "t")
    world.model("a3-tuned", "a", parent_model_id="a3", n_params=int(1e8))
    return material(world).subjects


@pytest.fixture
def level(library: Library) -> Claim:
    return library.plain("prefix-matching-heads-exist", reference_class="attention = softmax and n_layers >= 2")


def material(world: World, *claims: Claim) -> Material:
    with world.catalog() as connection:
        return read_material(connection, claims)


def runs(model_id: str, *outcomes: bool | None, estimates: tuple[float, ...] = (), variant: str = "v") -> list[Result]:
    told = estimates or (None,) * len(outcomes)
    return [Result(model_id, holds, estimate, variant) for holds, estimate in zip(outcomes, told, strict=True)]


def test_own_family_counts_model_by_model_and_all_others_as_one_more(subjects: Subjects, level: Claim) -> None:
    found = [*runs("a1", True, True), *runs("a2", True, False), *runs("b1", False), *runs("c1", False, False, False)]
    expected = expect_from(level, subjects, found, "a3")

    assert expected.probability == pytest.approx((1 + 0.5 + 0.5 / 3) / 3)
    assert expected.base_rate == pytest.approx((1 + 0.5) / 4)
    assert expected.last_probability == 0.5
    assert expected.basis == "holds in a share of 0.75 in 2 models of its family and a share of 0 in 2 other models"


def test_without_relatives_it_is_the_smoothed_share_elsewhere(subjects: Subjects, level: Claim) -> None:
    expected = expect_from(level, subjects, [*runs("a1", True), *runs("a2", True), *runs("b1", True)], "c1")

    assert (expected.probability, expected.last_probability) == (pytest.approx(3.5 / 4), None)


def test_undecided_runs_tell_nothing(subjects: Subjects, level: Claim) -> None:
    plain, more = (
        expect_from(level, subjects, runs("b1", True, False, *undecided), "a1") for undecided in ((), (None,))
    )

    assert plain.probability == more.probability == pytest.approx(0.5)


def test_the_model_itself_and_models_of_the_other_kind_tell_nothing(subjects: Subjects, level: Claim) -> None:
    found = [*runs("a1", True), *runs("t1", True)]

    assert expect_from(level, subjects, found, "a1") == Expected(
        "nothing to go by: the claim was decided in no other of the natural models"
    )
    assert expect_from(level, subjects, found, "t2").probability == pytest.approx(0.75)


def test_models_of_one_parent_are_one(subjects: Subjects, level: Claim) -> None:
    both = expect_from(level, subjects, [*runs("a3", True), *runs("a3-tuned", False)], "b1")

    assert both.probability == pytest.approx((0.5 + 0.5) / 2)


def test_outside_of_the_class_nothing_is_expected_and_what_a_run_must_have_is_said(
    subjects: Subjects, library: Library
) -> None:
    one_layer = library.plain("no-induction-in-one-layer")
    trained = library.plain("prefix-matching-heads-exist", reference_class="n_layers >= 2 and n_checkpoints >= 3")
    unknown = library.plain("prefix-matching-heads-exist", reference_class="n_heads > 2")
    found = runs("b1", True)

    assert expect_from(one_layer, subjects, found, "a1").basis == (
        "outside of its reference class: n_layers is 2, the claim is about n_layers = 1"
    )
    assert expect_from(one_layer, subjects, found, "a1").probability is None
    assert expect_from(trained, subjects, found, "a1").basis.endswith("; provided that n_checkpoints >= 3")
    assert expect_from(unknown, subjects, found, "a1").basis == (
        "may be outside of its class: n_heads is not known, the claim is about n_heads > 2"
    )


def test_quantities_of_two_variants_are_never_pooled(subjects: Subjects, level: Claim) -> None:
    found = [
        *runs("a1", True, estimates=(0.8,)),
        *runs("a2", True, estimates=(0.6,)),
        *runs("b1", True, estimates=(0.1,), variant="other"),
    ]
    expected = expect_from(level, subjects, found, "a3")

    assert (expected.variant_id, expected.estimate, expected.last_estimate) == ("v", pytest.approx(0.7), 0.6)
    assert expected.probability == pytest.approx((2 + 0.75) / 3)


def test_outcomes_are_no_quantity(subjects: Subjects, level: Claim) -> None:
    found = [*runs("a1", True, False, estimates=(1.0, 0.0)), *runs("a2", True, estimates=(1.0,))]

    assert expect_from(level, subjects, found, "a3").estimate is None


def test_a_trend_is_carried_on_over_its_own_family_and_needs_three_models(subjects: Subjects, library: Library) -> None:
    trend = library.plain("larger-higher-previous-token", reference_class="true")
    found = [
        r for i, m in enumerate(("a1", "a2", "a3")) for r in runs(m, None, None, estimates=(0.2 * i, 0.2 * i + 0.02))
    ]
    expected = expect_from(trend, subjects, [*found, *runs("b1", None, estimates=(0.9,))], "a4")

    assert expected.estimate == pytest.approx(0.61)
    assert (expected.base_estimate, expected.last_estimate) == (pytest.approx(0.21), pytest.approx(0.41))
    assert expected.probability is None
    assert expected.basis == "law through a1, a2, a3: slope 0.2, t(1)"
    assert expect_from(trend, subjects, found[:4], "a4").basis == "no law: 2 models of its family, 3 are needed"
    assert expect_from(trend, subjects, found, "b1").estimate is None


def test_the_line_is_carried_on_as_statsmodels_does() -> None:
    x, y = [7.1, 7.8, 8.2, 8.6, 9.0], [0.71, 0.78, 0.80, 0.87, 0.84]
    theirs = sm.OLS(y, sm.add_constant(x)).fit().get_prediction([[1, 9.8]]).summary_frame(alpha=0.05)
    found = line_forecast(x, y, 9.8, within=0.0)

    assert (found.value, found.low, found.high) == pytest.approx(
        (theirs["mean"][0], theirs["obs_ci_lower"][0], theirs["obs_ci_upper"][0]), rel=1e-9
    )
    assert line_forecast(x, y, 9.8, within=0.01).high > found.high


def test_results_are_those_that_verdicts_count(world: World, level: Claim) -> None:
    """A run that holds, one that fails, one undecided, one outside of the class."""
    world.model("m").model("flat", n_layers=1)
    for run, value, error in (("m-0", 0.9, 0.01), ("m-1", 0.1, 0.01), ("m-2", 0.31, 0.2), ("flat-0", 0.9, 0.01)):
        world.run(run, run.partition("-")[0])
        world.measure(run, "prefix_matching", {(0, 0): value}, error=error)
        world.measure(run, "prefix_matching_placebo", {(0, 0): 0.0}, error=error)

    assert [(r.model_id, r.holds) for r in results(level, material(world, level))] == [
        ("m", True),
        ("m", False),
        ("m", None),
    ]


LAWS = {
    "larger-earlier-previous-token": (2.1811, -1.3213, 5.6834, 2.6293),
    "larger-steeper-previous-token": (0.1602, 0.0429, 0.2776, 0.1644),
    "larger-higher-previous-token": (0.8225, 0.2760, 1.3690, 0.8711),
    "larger-more-transient-previous-token": (0.0999, -0.4083, 0.6081, 0.1037),
}
"""Forecast for pythia-410m by the law through 14m, 70m and 160m, its interval, and what the nine runs came to."""


@pytest.mark.reference
@pytest.mark.parametrize("claim_id", LAWS)
def test_the_law_of_three_sizes_forecasts_the_fourth(
    pythia: duckdb.DuckDBPyConnection, library: Library, claim_id: str
) -> None:
    """Intervals of one degree of freedom are wide; all four cover every run."""
    claim = library.plain(claim_id)
    known = read_material(pythia, [claim])
    expected = expect(claim, known, "pythia-410m")
    came = [r.estimate or 0.0 for r in results(claim, known) if r.model_id == "pythia-410m"]

    assert (expected.estimate, expected.pi_low, expected.pi_high) == pytest.approx(LAWS[claim_id][:3], abs=1e-4)
    assert np.mean(came) == pytest.approx(LAWS[claim_id][3], abs=1e-4)
    assert len(came) == 9
    assert all((expected.pi_low or 0) <= value <= (expected.pi_high or 0) for value in came)


@pytest.mark.reference
def test_the_law_beats_the_last_size_in_three_of_four_and_misses_the_onset(
    pythia: duckdb.DuckDBPyConnection, library: Library
) -> None:
    nearer = {}
    for claim_id, (estimate, _, _, observed) in LAWS.items():
        claim = library.plain(claim_id)
        last = expect(claim, read_material(pythia, [claim]), "pythia-410m").last_estimate
        nearer[claim_id] = abs(estimate - observed) < abs((last or 0) - observed)

    assert nearer == {**dict.fromkeys(LAWS, True), "larger-earlier-previous-token": False}
