from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from assets.claims.schema import Claim

if TYPE_CHECKING:
    from tests.assets.claims.conftest import Library, World

METRICS = ("prefix_matching", "previous_token")


@pytest.fixture
def both_on_one_head(library: Library) -> Claim:
    parts: list[dict[str, Any]] = [
        {"kind": "level", "of": {"metrics": [metric]}, "direction": "above", "threshold": 0.3} for metric in METRICS
    ]
    estimand = {"kind": "conjunction", "parts": parts, "same_head": True}
    return library.plain("no-induction-in-one-layer", reference_class="true", estimand=estimand)


@pytest.mark.parametrize(
    ("first", "second", "error", "verdict"),
    [
        ({(0, 0): 0.9, (0, 1): 0.0}, {(0, 0): 0.8, (0, 1): 0.0}, 0.001, "holds"),
        ({(0, 0): 0.9, (0, 1): 0.0}, {(0, 0): 0.0, (0, 1): 0.8}, 0.001, "fails"),  # each on another head
        ({(0, 0): 0.9, (0, 1): 0.0}, {(0, 0): 0.31, (0, 1): 0.8}, 0.05, "inconclusive"),
    ],
)
def test_both_on_the_same_head(
    world: World, both_on_one_head: Claim, first: Any, second: Any, error: float, verdict: str
) -> None:
    world.model("m").run("r", "m").measure("r", METRICS[0], first).measure("r", METRICS[1], second, error=error)

    assert world.decide(both_on_one_head).word("run", "r") == verdict


def test_a_missing_metric_leaves_it_undecided(world: World, both_on_one_head: Claim) -> None:
    world.model("m").run("r", "m").measure("r", METRICS[0], {(0, 0): 0.9})

    run = world.decide(both_on_one_head)("run", "r")

    assert run["verdict"] == "inconclusive"
    assert "no measurement of previous_token" in run["reason"]


def test_where_one_clearly_fails_on_every_head_a_missing_metric_changes_nothing(
    world: World, both_on_one_head: Claim
) -> None:
    world.model("m").run("r", "m").measure("r", METRICS[0], {(0, 0): 0.1, (0, 1): 0.0})

    assert world.decide(both_on_one_head).word("run", "r") == "fails"


def test_a_head_that_lacks_one_metric_is_undecided(world: World, both_on_one_head: Claim) -> None:
    """Head (0, 0) matches and has no second value; on the others one clearly fails."""
    world.model("m").run("r", "m")
    world.measure("r", METRICS[0], {(0, 0): 0.9, (0, 1): 0.0, (1, 0): 0.9})
    world.measure("r", METRICS[1], {(0, 1): 0.9, (1, 0): 0.0})

    assert world.decide(both_on_one_head).word("run", "r") == "inconclusive"


def test_a_head_without_the_first_metric_is_no_candidate(world: World, both_on_one_head: Claim) -> None:
    """As in a layer whose window is too short for it."""
    world.model("m").run("r", "m")
    world.measure("r", METRICS[0], {(0, 0): 0.0}).measure("r", METRICS[1], {(0, 0): 0.9, (1, 0): 0.9})

    assert world.decide(both_on_one_head).word("run", "r") == "fails"


def test_the_conjunction_does_not_apply_where_its_first_part_does_not(world: World, library: Library) -> None:
    parts: list[dict[str, Any]] = [
        {"kind": "level", "of": {"metrics": [metric]}, "direction": "above", "threshold": 0.5} for metric in METRICS
    ]
    parts[0]["of"]["formed_above"] = 0.3
    estimand = {"kind": "conjunction", "parts": parts, "same_head": True}
    claim = library.plain("no-induction-in-one-layer", reference_class="true", estimand=estimand)
    world.model("m").run("r", "m").measure("r", METRICS[0], {(0, 0): 0.1}).measure("r", METRICS[1], {(0, 0): 0.9})

    assert world.decide(claim).word("run", "r") == "not_applicable"


def test_no_metric_at_all_is_insufficient(world: World, both_on_one_head: Claim) -> None:
    world.model("m").run("r", "m")

    assert world.decide(both_on_one_head).word("run", "r") == "insufficient"
