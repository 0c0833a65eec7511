from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from assets.claims.estimands.order import steps_between
from assets.claims.summaries import OnsetInterval

if TYPE_CHECKING:
    from tests.assets.claims.conftest import Library, World

STEPS = (0, 100, 200, 300, 400)
EARLY = [0.0, 0.9, 0.9, 0.9, 0.9]
LATE = [0.0, 0.0, 0.0, 0.9, 0.9]
NEVER = [0.0, 0.0, 0.0, 0.0, 0.0]
AT_THE_END = [0.0, 0.0, 0.0, 0.0, 0.9]
FROM_THE_START = [0.9, 0.9, 0.9, 0.9, 0.9]
FELL_BACK = [0.0, 0.9, 0.0, 0.9, 0.9]


def curves(world: World, previous: list[float], induction: list[float], run: str = "r") -> World:
    if not world.models:
        world.model("m")
    world.run(run, "m")
    world.curve(run, "previous_token", dict(zip(STEPS, previous, strict=True)))
    return world.curve(run, "prefix_matching", dict(zip(STEPS, induction, strict=True)))


@pytest.mark.parametrize(
    ("previous", "induction", "verdict", "told"),
    [
        (EARLY, LATE, "holds", "steps (0, 100] before (200, 300]"),
        (LATE, EARLY, "fails", "steps (200, 300] after (0, 100]"),
        (EARLY, EARLY, "inconclusive", "both lie in the same interval (0, 100]"),
        (
            EARLY,
            NEVER,
            "inconclusive",
            "previous_token and of the best head's prefix_matching: the second threshold was never passed to stay",
        ),
        (NEVER, LATE, "inconclusive", "the first threshold was never passed to stay"),
        (EARLY, AT_THE_END, "inconclusive", "the second threshold was passed at the last checkpoint only"),
        (FELL_BACK, EARLY, "fails", "steps (200, 300] after (0, 100]"),
    ],
)
def test_order_of_onsets(
    world: World, library: Library, previous: list[float], induction: list[float], verdict: str, told: str
) -> None:
    run = curves(world, previous, induction).decide(library.plain("previous-token-before-induction"))("run", "r")

    assert run["verdict"] == verdict
    assert told in run["reason"]


def test_an_onset_before_the_first_checkpoint_is_censored(world: World, library: Library) -> None:
    world.model("m").run("r", "m").curve("r", "previous_token", {100: 0.9, 200: 0.9})
    world.curve("r", "prefix_matching", {100: 0.0, 200: 0.0, 300: 0.9, 400: 0.9})

    run = world.decide(library.plain("previous-token-before-induction"))("run", "r")

    assert run["verdict"] == "inconclusive"
    assert "passed at the first checkpoint already" in run["reason"]


def test_onsets_on_grids_that_overlap_are_undecided(world: World, library: Library) -> None:
    world.model("m").run("r", "m").curve("r", "previous_token", {0: 0.0, 100: 0.0, 300: 0.9, 400: 0.9})
    world.curve("r", "prefix_matching", {0: 0.0, 200: 0.0, 350: 0.9, 400: 0.9})

    run = world.decide(library.plain("previous-token-before-induction"))("run", "r")

    assert run["verdict"] == "inconclusive"
    assert "overlap" in run["reason"]


def test_undecided_runs_count_against_and_the_model_says_so(world: World, library: Library) -> None:
    for seed in range(6):
        curves(world, EARLY, LATE if seed < 2 else EARLY, f"r{seed}")

    model = world.decide(library.plain("previous-token-before-induction"))("model", "m")

    assert (model["verdict"], model["n_h"], model["n_f"], model["n_u"]) == ("inconclusive", 2, 0, 4)


def test_where_the_order_depends_on_the_threshold_the_card_says_so(world: World, library: Library) -> None:
    """Past .3 both onsets fall into one interval; past .5 the previous-token head is first."""
    for seed in range(5):
        curves(world, [0.0, 0.9, 0.9, 0.9, 0.9], [0.0, 0.4, 0.4, 0.9, 0.9], f"r{seed}")

    model = world.decide(library.claim("previous-token-before-induction"))("model", "m")

    assert model["verdict"] == "inconclusive"
    assert model["robustness"] == "sensitive"
    assert model["reason"].endswith("With other thresholds (0.1: inconclusive, 0.2: inconclusive, 0.5: holds).")


def test_a_model_of_one_checkpoint_is_outside_of_the_class(world: World, library: Library) -> None:
    world.model("m").run("r", "m").measure("r", "previous_token", {(0, 0): 0.9}, step=100)

    run = world.decide(library.plain("previous-token-before-induction"))("run", "r")

    assert run["verdict"] == "not_applicable"
    assert "n_checkpoints is 1, the claim is about n_checkpoints >= 2" in run["reason"]


def test_steps_between_are_bounds_over_both_intervals() -> None:
    first, second = OnsetInterval("none", 0, 100, None, None), OnsetInterval("none", 200, 300, None, None)

    assert steps_between(first, second) == (100, 300)
    assert steps_between(second, first) == (-300, -100)
    assert steps_between(first, OnsetInterval("right", 400, None, None, None)) == (None, None)
