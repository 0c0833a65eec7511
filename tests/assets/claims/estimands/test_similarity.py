from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.assets.claims.conftest import Library, World


def runs(world: World, middles: list[float], steps: tuple[int, ...] = (0, 100, 200)) -> World:
    """Runs that differ in the middle of training."""
    world.model("m")
    for i, middle in enumerate(middles):
        values = (0.0, middle, 0.9)
        world.run(f"r{i}", "m").curve(f"r{i}", "previous_token", dict(zip(steps, values, strict=True)))
    return world


def test_all_pairs_alike(world: World, library: Library) -> None:
    model = runs(world, [0.5, 0.55, 0.6, 0.52, 0.58]).decide(library.plain("trajectories-alike-within-model"))(
        "model", "m"
    )

    assert (model["verdict"], model["estimate"]) == ("holds", 1.0)
    assert model["reason"] == (
        "10 of 10 pairs of 5 training runs have a largest gap below 0.2: 1 (95 % interval 1 to 1), above 0.9. "
        "The least alike pair has 0.1. Not excluded: that up to 45 % of further ones differ."
    )


def test_no_pair_alike(world: World, library: Library) -> None:
    model = runs(world, [0.1, 0.35, 0.6, 0.85, 1.1]).decide(library.plain("trajectories-alike-within-model"))(
        "model", "m"
    )

    assert (model["verdict"], model["estimate"]) == ("fails", 0.0)


def test_one_odd_run_of_six_decides_nothing(world: World, library: Library) -> None:
    """10 of 15 pairs are alike; the jackknife knows that one run makes all the difference."""
    model = runs(world, [0.5] * 5 + [0.9]).decide(library.plain("trajectories-alike-within-model"))("model", "m")

    assert model["estimate"] == pytest.approx(10 / 15)
    assert model["verdict"] == "inconclusive"
    assert {"when": "without r5", "becomes": "holds"} in model["flips_when"]


def test_runs_without_a_common_checkpoint_are_no_pair(world: World, library: Library) -> None:
    world.model("m")
    for i in range(5):
        world.run(f"r{i}", "m").curve(f"r{i}", "previous_token", {i * 10 + 1: 0.1, i * 10 + 2: 0.5, i * 10 + 3: 0.9})

    model = world.decide(library.plain("trajectories-alike-within-model"))("model", "m")

    assert model["verdict"] == "inconclusive"
    assert model["reason"] == "No two training runs have a checkpoint in common."


def test_correlation_as_the_statistic(world: World, library: Library) -> None:
    claim = library.about("trajectories-alike-within-model", statistic="correlation", threshold=0.9)

    model = runs(world, [0.4, 0.45, 0.5, 0.55, 0.5]).decide(claim)("model", "m")

    assert model["verdict"] == "holds"
    assert "have a correlation above 0.9" in model["reason"]


def flat(world: World, heights: list[float]) -> World:
    world.model("m")
    for i, height in enumerate(heights):
        world.run(f"r{i}", "m").curve(f"r{i}", "previous_token", {0: 0.0, 100: height, 200: height})
    return world


def test_curves_in_which_nothing_forms_are_not_alike(world: World, library: Library) -> None:
    model = flat(world, [0.1, 0.12, 0.11, 0.1, 0.12]).decide(library.plain("trajectories-alike-within-model"))(
        "model", "m"
    )

    assert model["verdict"] == "not_applicable"
    assert "is 0.12, not above 0.3" in model["reason"] or "is 0.1, not above 0.3" in model["reason"]


def test_runs_in_which_it_does_not_form_differ_from_those_in_which_it_does(world: World, library: Library) -> None:
    model = flat(world, [0.6, 0.6, 0.6, 0.1, 0.1, 0.1]).decide(library.plain("trajectories-alike-within-model"))(
        "model", "m"
    )

    assert (model["verdict"], model["estimate"]) == ("fails", pytest.approx(6 / 15))
