"""From rows of evidence to one number per run; every expected number is worked out by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from assets.claims.reading.evidence import Evidence
from assets.claims.reading.readings import Estimate, Reading

if TYPE_CHECKING:
    from tests.assets.claims.conftest import World

HEADS = {(0, 0): 0.2, (0, 1): 0.6, (1, 0): 0.5, (1, 1): -0.1}


@pytest.fixture
def world(world: World) -> World:
    return world.model("m", n_layers=2).run("r", "m")


def read(world: World, **keys: Any) -> Estimate:
    return evidence_of(world).estimate(Reading(**{"metrics": ["previous_token"], **keys}), "r")


def evidence_of(world: World) -> Evidence:
    with world.catalog() as connection:
        rows: pl.DataFrame = connection.sql("SELECT * FROM evidence").pl()
    return Evidence(rows, {m["model_id"]: m["adds_bos"] for m in world.models}, {"m": 2})


@pytest.mark.parametrize(
    ("scale", "value", "error"), [("value", 0.6, 0.04), ("excess", 0.5, 0.05), ("above_chance", 0.4, 0.04)]
)
def test_scales(world: World, scale: str, value: float, error: float) -> None:
    """(.6 - .2)/(1 - .2), and the standard error divided by .8."""
    found = read(world.measure("r", "previous_token", HEADS, chance=0.2, error=0.04), scale=scale)

    assert (found.value, found.standard_error) == pytest.approx((value, error))


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        ({"summary": "best_head"}, 0.6),
        ({"summary": "top_k_mean", "k": 2}, 0.55),
        ({"summary": "top_k_mean", "k": 9}, 0.3),
        ({"summary": "sum_excess"}, 1.3),
        ({"summary": "count_above", "past": 0.3}, 2.0),
        ({"quantity": "top_layer"}, 0.0),
        ({"quantity": "relative_depth"}, 0.5),
    ],
)
def test_summaries_of_the_final_checkpoint(world: World, keys: dict[str, Any], value: float) -> None:
    found = read(world.measure("r", "previous_token", HEADS), **keys)

    assert found.value == pytest.approx(value)


def test_the_interval_of_the_best_head_is_that_of_the_greatest_ends(world: World) -> None:
    """t(31) = 2.0395: the best head's low end is .6 - .204, the uncertain second one's high end .5 + .612."""
    world.measure("r", "previous_token", {(0, 0): 0.6}, error=0.1).measure(
        "r", "previous_token", {(0, 1): 0.5}, error=0.3
    )

    found = read(world)

    assert (found.low, found.high) == pytest.approx((0.6 - 0.203951, 0.5 + 0.611854), abs=1e-5)


def test_one_head_without_a_standard_error_leaves_no_interval(world: World) -> None:
    world.measure("r", "previous_token", {(0, 0): 0.6}).measure("r", "previous_token", {(0, 1): 0.5}, error=None)

    found = read(world)

    assert (found.value, found.low, found.high) == (0.6, None, None)


def test_halves_choose_a_head_on_one_and_read_it_on_the_other(world: World) -> None:
    """Head 1 is best over all and on b; head 0 on a, where it is chosen: its b is read, +- t(15) sqrt(2) errors."""
    halves = {(0, 0): (0.9, 0.4), (0, 1): (0.5, 0.95)}
    world.measure("r", "previous_token", {(0, 0): 0.65, (0, 1): 0.725}, halves=halves, error=0.01)

    found = read(world, split="halves")

    assert found.value == pytest.approx(0.4)
    assert found.low == pytest.approx(0.4 - 2.13145 * 0.0141421, abs=1e-5)


def test_values_that_are_no_number_are_not_read(world: World) -> None:
    world.measure("r", "previous_token", {(0, 0): float("nan"), (0, 1): 0.4, (1, 0): float("inf")})

    assert read(world).value == 0.4


def test_a_run_without_its_final_checkpoint_has_no_final_value(world: World) -> None:
    found = read(world.measure("r", "previous_token", HEADS, step=100, final=False))

    assert found.value is None
    assert found.reason == "the final checkpoint was not measured so"


def test_parameters_must_be_equal(world: World) -> None:
    world.measure("r", "previous_token", HEADS, n=24)

    assert read(world, parameters={"n": 24}).value == pytest.approx(0.6)
    assert read(world, parameters={"n": 50}).reason == "no measurement of previous_token"


def test_strata_are_not_mixed(world: World) -> None:
    world.measure("r", "previous_token", HEADS)
    world.rows.append({**world.rows[0], "stratum": "offset=1", "value": 0.99, "excess": 0.99})

    assert read(world).value == pytest.approx(0.6)
    assert read(world, stratum="offset=1").value == pytest.approx(0.99)


def test_quantities_of_training(world: World) -> None:
    world.curve("r", "previous_token", {0: 0.0, 9: 0.2, 99: 0.8, 999: 0.8, 9999: 0.5})

    assert read(world, scale="value", quantity="peak").value == pytest.approx(0.8)
    assert read(world, scale="value", quantity="drop_after_peak").value == pytest.approx(0.3)
    assert read(world, scale="value", quantity="fall_from_plateau").value == pytest.approx(0.3)
    # least squares on x = 0..4: sum((x - 2)(y - .46))/10 = (-2(0) - .2 + .8 + 2(.5))/10
    assert read(world, scale="value", quantity="slope").value == pytest.approx(0.16)


def test_whether_the_top_head_and_its_layer_lasted(world: World) -> None:
    """From step 100 on the top head changes within layer 1; before, it was in layer 0."""
    tops = {10: (0, 0), 100: (1, 0), 1000: (1, 1)}
    for step, top in tops.items():
        heads = {(0, 0): 0.1, (1, 0): 0.1, (1, 1): 0.1, top: 0.9}
        world.measure("r", "previous_token", heads, step=step, final=step == 1000)

    kept = {
        q: [read(world, quantity=q, since_step=s).value for s in (10, 100)] for q in ("top_head_kept", "top_layer_kept")
    }

    assert kept == {"top_head_kept": [0.0, 0.0], "top_layer_kept": [0.0, 1.0]}


def test_only_the_checkpoint_grid_that_most_runs_have_is_compared(world: World) -> None:
    grids = ((0, 100, 200), (0, 100, 200), (0, 50, 100, 200), (0, 200))
    for i, steps in enumerate(grids):
        world.run(f"r{i}", "m").curve(f"r{i}", "previous_token", {s: 0.9 if s == 50 else s / 1000 for s in steps})
    reading = Reading(metrics=["previous_token"], scale="value", quantity="peak")

    found = evidence_of(world).compared(reading, ["r0", "r1", "r2", "r3"])

    assert [e.value for e in found.values()] == [0.2, 0.2, 0.2, None]
    assert "step 100" in found["r3"].reason


def test_the_variant_of_most_runs_is_compared_and_among_equals_the_preferred(world: World) -> None:
    for i in range(4):
        world.run(f"r{i}", "m")
        world.measure(f"r{i}", "previous_token", HEADS)
    for i in range(3):
        world.measure(f"r{i}", "previous_token_all", HEADS)
    evidence = evidence_of(world)
    reading = Reading(metrics=["previous_token_all", "previous_token"])

    assert evidence.metric_of(evidence.shared(reading, ["r0", "r1", "r2"]) or "") == "previous_token_all"
    assert evidence.metric_of(evidence.shared(reading, ["r0", "r1", "r2", "r3"]) or "") == "previous_token"
    assert evidence.shared(reading, []) is None
