"""Values at heads and edges that other metrics choose; every expected number is worked out by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from assets.claims.reading.readings import Reading
from tests.assets.claims.reading.test_evidence import evidence_of

if TYPE_CHECKING:
    from assets.claims.reading.readings import Estimate
    from tests.assets.claims.conftest import World

T31 = 2.0395134
"""The 97.5 % quantile of t with 31 degrees of freedom: 32 sequences."""
AT: dict[str, Any] = {"metrics": ["prefix_matching"], "formed_above": 0.3}
SENDER: dict[str, Any] = {"metrics": ["previous_token"], "formed_above": 0.3}


@pytest.fixture
def world(world: World) -> World:
    return world.model("m").run("r", "m")


def read(world: World, metric: str, **keys: Any) -> Estimate:
    return evidence_of(world).estimate(Reading(metrics=[metric], **{"scale": "value", **keys}), "r")


def test_a_head_is_read_where_another_metric_is_best(world: World) -> None:
    """Head (1, 0) matches prefixes best; the larger value of head (0, 1) is not read."""
    world.measure("r", "prefix_matching", {(0, 1): 0.4, (1, 0): 0.9})
    world.measure("r", "fuzzy_prefix_matching", {(0, 1): 0.7, (1, 0): 0.2}, error=0.01)

    found = read(world, "fuzzy_prefix_matching", summary="chosen", at=AT)

    assert found.value == 0.2
    assert (found.low, found.high) == pytest.approx((0.2 - T31 * 0.01, 0.2 + T31 * 0.01))


def test_the_head_chosen_is_no_other_where_it_was_not_measured(world: World) -> None:
    world.measure("r", "prefix_matching", {(0, 1): 0.4, (1, 0): 0.9})
    world.measure("r", "fuzzy_prefix_matching", {(0, 1): 0.7})

    found = read(world, "fuzzy_prefix_matching", summary="chosen", at=AT)

    assert (found.value, found.defined) == (None, True)
    assert "was not measured" in found.reason


def test_where_no_head_matches_prefixes_there_is_nothing_to_read(world: World) -> None:
    world.measure("r", "prefix_matching", {(0, 1): 0.3, (1, 0): 0.1})
    world.measure("r", "fuzzy_prefix_matching", {(0, 1): 0.7, (1, 0): 0.7})

    found = read(world, "fuzzy_prefix_matching", summary="chosen", at=AT)

    assert (found.value, found.defined) == (None, False)
    assert "the best head's prefix_matching at the final checkpoint is 0.3, not above 0.3" in found.reason


def test_without_the_metric_that_chooses_it_is_not_known(world: World) -> None:
    found = read(
        world.measure("r", "fuzzy_prefix_matching", {(0, 1): 0.7}), "fuzzy_prefix_matching", summary="chosen", at=AT
    )

    assert (found.value, found.defined, found.reason) == (None, True, "no measurement of prefix_matching")


def edges(world: World) -> World:
    """Receivers (1, 0), the best, and (1, 1); senders (0, 0), the best below, and (0, 1). (1, 1) looks back best."""
    world.measure("r", "prefix_matching", {(0, 0): 0.0, (0, 1): 0.0, (1, 0): 0.9, (1, 1): 0.6})
    world.measure("r", "previous_token", {(0, 0): 0.8, (0, 1): 0.5, (1, 0): 0.1, (1, 1): 0.95})
    world.measure(
        "r", "path_effect", {(1, 0, 0, 0): 0.5, (1, 0, 0, 1): 0.7, (1, 1, 0, 0): 0.1, (1, 1, 0, 1): 0.3}, error=0.01
    )
    return world.measure(
        "r", "path_effect", {(1, 0, 0, 0): 0.2, (1, 1, 0, 0): 0.0}, error=0.02, stratum="sender=random"
    )


@pytest.mark.parametrize(("stratum", "value", "error"), [("", 0.5, 0.01), ("sender=random", 0.2, 0.02)])
def test_an_edge_runs_between_the_best_of_those_measured(
    world: World, stratum: str, value: float, error: float
) -> None:
    found = read(edges(world), "path_effect", summary="chosen", at=AT, sender=SENDER, stratum=stratum)

    assert found.value == value
    assert found.high == pytest.approx(value + T31 * error)


def test_strata_are_of_one_edge_or_there_is_no_value(world: World) -> None:
    """Without head (0, 0) as the best sender, the edge from (0, 1) is chosen, which has no row of random senders."""
    world = edges(world)
    for row in world.rows:
        if (row["metric_id"], row["layer"], row["head"]) == ("previous_token", 0, 0):
            row["value"] = row["excess"] = 0.4
    keys: dict[str, Any] = {"summary": "chosen", "at": AT, "sender": SENDER}

    assert read(world, "path_effect", **keys).value == 0.7
    assert read(world, "path_effect", stratum="sender=random", **keys).value is None


def test_no_sender_that_looks_back_leaves_nothing_to_read(world: World) -> None:
    """Head (1, 1) does, but it sends nothing to (1, 0) beside it."""
    world = edges(world)
    for row in world.rows:
        if (row["metric_id"], row["layer"]) == ("previous_token", 0):
            row["value"] = row["excess"] = 0.2

    found = read(world, "path_effect", summary="chosen", at=AT, sender=SENDER)

    assert (found.value, found.defined) == (None, False)
    assert found.reason.startswith("among the heads of the edges measured, the best head's previous_token")


def test_the_mean_is_over_edges_that_every_stratum_has(world: World) -> None:
    """(.5 + .1)/2 and (.2 + 0)/2; as wide as the mean of the parts."""
    world = edges(world)

    own, other = (read(world, "path_effect", summary="mean", stratum=s) for s in ("", "sender=random"))

    assert (own.value, other.value) == pytest.approx((0.3, 0.1))
    assert (own.low, own.high) == pytest.approx((0.3 - T31 * 0.01, 0.3 + T31 * 0.01))


def test_the_first_stratum_that_a_run_has_is_read(world: World) -> None:
    world.run("s", "m")
    world.measure("r", "specific_ablation_effect", 0.1, stratum="set=top1")
    world.measure("r", "specific_ablation_effect", 0.2, stratum="set=top2")
    world.measure("s", "specific_ablation_effect", 0.3, stratum="set=top1")
    evidence = evidence_of(world)
    reading = Reading(
        metrics=["specific_ablation_effect"],
        scale="value",
        summary="single",
        stratum=["set=top2%", "set=top2", "set=top1"],
    )

    assert [evidence.estimate(reading, run).value for run in ("r", "s")] == [0.2, 0.3]


def test_the_first_value_of_a_parameter_that_a_run_has_is_read(world: World) -> None:
    world.run("s", "m")
    world.measure("r", "path_effect", {(1, 0, 0, 0): 0.1}, kind="zero")
    world.measure("r", "path_effect", {(1, 0, 0, 0): 0.2}, kind="mean")
    world.measure("s", "path_effect", {(1, 0, 0, 0): 0.3}, kind="zero")
    evidence = evidence_of(world)

    def values(*kinds: str) -> list[float | None]:
        reading = Reading(metrics=["path_effect"], scale="value", summary="mean", parameters={"kind": list(kinds)})
        return [evidence.estimate(reading, run).value for run in ("r", "s")]

    assert values("mean", "zero") == [0.2, 0.3]
    assert values("zero", "mean") == [0.1, 0.3]
    assert values("mean") == [0.2, None]


def test_of_variants_as_good_the_one_without_options_is_read(world: World) -> None:
    world.measure("r", "previous_token", {(0, 0): 0.9}, tokens="all").measure("r", "previous_token", {(0, 0): 0.1})

    assert read(world, "previous_token").value == 0.1


@pytest.mark.parametrize(("formed", "value", "defined"), [(0.4, 0.1, True), (0.2, None, False)])
def test_given_another_reading(world: World, formed: float, value: float | None, defined: bool) -> None:
    world.measure("r", "prefix_matching", {(0, 0): formed, (0, 1): 0.0})
    world.measure("r", "specific_ablation_effect", 0.1, stratum="set=top1")

    found = read(world, "specific_ablation_effect", summary="single", stratum="set=top1", given=AT)

    assert (found.value, found.defined) == (value, defined)
