from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from tests.assets.claims.estimands.developing import develop, runs

if TYPE_CHECKING:
    from tests.assets.claims.conftest import Library, World

CLAIM = "induction-onset-similar"


@pytest.mark.parametrize(
    ("means", "verdict"),
    [
        ({"xs": 3.0, "s": 3.05, "m": 3.1}, "holds"),
        ({"xs": 3.0, "s": 3.05, "m": 3.6}, "fails"),
        ({"xs": 3.0, "s": 3.3}, "inconclusive"),
    ],
)
def test_within_a_factor_of_two(world: World, library: Library, means: dict[str, float], verdict: str) -> None:
    develop(world, {size: runs(mean) for size, mean in means.items()})

    family = world.decide(library.plain(CLAIM))("family", "natural")

    assert family["verdict"] == verdict
    planted = 10 ** (max(means.values()) - min(means.values()))
    assert family["estimate"] == pytest.approx(planted, rel=0.15)
    assert family["ci_low"] < planted < family["ci_high"]


def test_runs_that_differ_widen_the_interval_of_their_model(world: World, library: Library) -> None:
    """The same means: alike with a spread of .03, not known to be with one of .3."""
    develop(world, {size: runs(3.0, seed=i) for i, size in enumerate(("xs", "s"))}, family="alike")
    develop(world, {size: runs(3.0, 0.3, seed=i) for i, size in enumerate(("xs", "s"))}, family="unlike")

    decided = world.decide(library.plain(CLAIM))

    assert (decided.word("family", "alike"), decided.word("family", "unlike")) == ("holds", "inconclusive")


def test_one_wide_interval_does_not_say_that_all_are_alike(world: World, library: Library) -> None:
    develop(world, {"xs": runs(3.2), "s": runs(3.2)}, grid=(0, 1000, 10_000, 20_000))

    assert world.decide(library.plain(CLAIM)).word("family", "natural") == "inconclusive"


def test_models_of_unlike_recipes_are_not_what_is_claimed(world: World, library: Library) -> None:
    develop(world, {"xs": runs(3.0)})
    develop(world, {"s": runs(3.0)}, training_data="C4")

    family = world.decide(library.plain(CLAIM))("family", "natural")

    assert family["verdict"] == "not_applicable"
    assert "the models differ in training_data: C4, The Pile" in family["reason"]


def test_an_unknown_recipe_does_not_count(world: World, library: Library) -> None:
    develop(world, {"xs": runs(3.0), "s": runs(3.0)})
    develop(world, {"m": runs(3.0)}, training_data=None)

    decided = world.decide(library.plain(CLAIM))

    assert (decided.word("family", "natural"), decided("family", "natural")["n_models"]) == ("holds", 2)
    assert "training_data of the model is not known" in decided.runs("family", "natural")["natural-m-seed0"]["reason"]


@pytest.mark.parametrize(("xs", "s"), [(5, 0), (5, 4), (4, 4)])
def test_two_models_of_five_runs_are_needed(world: World, library: Library, xs: int, s: int) -> None:
    develop(world, {"xs": runs(3.0, n=xs), "s": runs(3.0, n=s)})

    family = world.decide(library.plain(CLAIM))("family", "natural")

    assert family["verdict"] == "insufficient"
    assert "with 5 training runs or more of the 2 that are needed" in family["reason"]
    assert family["estimate"] == (pytest.approx(1, abs=0.1) if s else None)


def test_a_run_that_never_had_it_leaves_no_upper_limit(world: World, library: Library) -> None:
    develop(world, {"xs": [*runs(3.0, n=4), math.inf], "s": runs(3.0)})

    family = world.decide(library.plain(CLAIM))("family", "natural")

    assert (family["verdict"], family["estimate"], family["ci_high"]) == ("inconclusive", None, None)
