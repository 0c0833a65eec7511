from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from tests.assets.claims.estimands.developing import BATCH, DOUBLING, LENGTH, develop, runs

if TYPE_CHECKING:
    from tests.assets.claims.conftest import Library, World

CLAIM = "larger-earlier-induction"
FALLING = {"xs": 3.5, "s": 3.2, "m": 2.9, "l": 2.6}
FLAT = dict.fromkeys(FALLING, 3.0)


@pytest.mark.parametrize(
    ("means", "verdict", "told"),
    [
        (FALLING, "holds", "no step reversed, same sign without any one model"),
        ({"xs": 2.6, "s": 2.9, "m": 3.2, "l": 3.5}, "fails", "significantly reversed from natural-xs to natural-s"),
        ({**FALLING, "m": 3.4}, "fails", "significantly reversed from natural-s to natural-m, wherever"),
        (FLAT, "inconclusive", "which includes 0"),
        ({"xs": 3.5, "s": 3.2, "m": 2.9}, "insufficient", "a trend needs 4 models, there are 3"),
    ],
)
def test_planted_trends_of_onsets(
    world: World, library: Library, means: dict[str, float], verdict: str, told: str
) -> None:
    develop(world, {size: runs(mean) for size, mean in means.items()})

    family = world.decide(library.plain(CLAIM))("family", "natural")

    assert family["verdict"] == verdict
    assert told in family["reason"]


def test_the_planted_slope_lies_in_the_identified_range(world: World, library: Library) -> None:
    """Onsets fall by .3 per tenfold size, to the grid's 5 %; the estimate is the middle of what is identified."""
    develop(world, {size: runs(mean, spread=0) for size, mean in FALLING.items()})

    family = world.decide(library.plain(CLAIM))("family", "natural")

    assert family["estimate"] == pytest.approx(-0.3, abs=0.01)
    assert family["ci_low"] < -0.3 < family["ci_high"] < 0
    assert family["unit"] == "log10 tokens per tenfold n_params"
    assert (family["n_models"], family["n_runs"]) == (4, 20)


def test_on_a_coarse_grid_the_same_onsets_decide_nothing(world: World, library: Library) -> None:
    develop(world, {size: runs(mean) for size, mean in FALLING.items()}, DOUBLING)

    family = world.decide(library.plain(CLAIM))("family", "natural")

    assert family["verdict"] == "inconclusive"
    assert family["estimate"] == pytest.approx(-0.3, abs=0.1)


def test_onsets_in_steps_or_tokens_have_the_same_slope(world: World, library: Library) -> None:
    develop(world, {size: runs(mean) for size, mean in FALLING.items()})
    steps, tokens = (library.about(CLAIM, clock=clock) for clock in ("steps", "tokens"))

    found = [world.decide(claim)("family", "natural") for claim in (steps, tokens)]
    run = world.decide(tokens).runs("family", "natural")["natural-xs-seed0"]

    assert found[0]["estimate"] == pytest.approx(found[1]["estimate"])
    assert found[0]["unit"] == "log10 steps per tenfold n_params"
    assert run["estimate"] == pytest.approx(math.log10(runs(3.5)[0] * BATCH * LENGTH), abs=0.03)
    assert run["reason"].startswith("steps (")


@pytest.mark.parametrize(
    ("onset", "told"), [(math.inf, "prefix_matching never passed 0.3 to stay"), (0, "was past 0.3 at the first")]
)
def test_one_censored_run_leaves_the_slope_without_limits(
    world: World, library: Library, onset: float, told: str
) -> None:
    develop(world, {**{size: runs(mean) for size, mean in FALLING.items()}, "s": [*runs(3.2, n=4), onset]})

    decided = world.decide(library.plain(CLAIM))

    family = decided("family", "natural")
    assert (family["verdict"], family["estimate"], family["ci_low"], family["ci_high"]) == (
        "inconclusive",
        None,
        None,
        None,
    )
    assert told in decided.runs("family", "natural")["natural-s-seed4"]["reason"]
    assert decided.runs("family", "natural")["natural-s-seed4"]["included"]


def test_models_in_one_cell_may_be_reversed_in_it(world: World, library: Library) -> None:
    """A slope that is clear, and two models of nearly one size of which the checkpoints do not tell which is first."""
    develop(world, {size: [10**mean] * 5 for size, mean in (("xs", 3.61), ("s", 3.21), ("m", 3.21), ("l", 2.81))})
    for model, n_params in zip(world.models, (10**7, 10**8, 1.1 * 10**8, 10**9), strict=True):
        model["n_params"] = int(n_params)

    family = world.decide(library.plain(CLAIM))("family", "natural")

    assert family["ci_high"] < 0
    assert family["verdict"] == "inconclusive"
    assert "the onsets may be reversed from natural-s to natural-m" in family["reason"]


def test_a_model_of_unknown_size_is_left_out(world: World, library: Library) -> None:
    develop(world, {size: runs(mean) for size, mean in FALLING.items()})
    world.models[0]["n_params"] = None

    decided = world.decide(library.plain(CLAIM))

    assert decided.word("family", "natural") == "insufficient"
    assert decided.runs("family", "natural")["natural-xs-seed0"]["reason"] == "n_params of the model is not known"


def test_without_known_tokens_the_run_does_not_count(world: World, library: Library) -> None:
    develop(world, {"xs": runs(3.0)})
    for row in world.rows:
        row["tokens_seen"] = None

    decided = world.decide(library.plain(CLAIM))

    assert decided.word("family", "natural") == "insufficient"
    assert "tokens at its checkpoints are not known" in decided("family", "natural")["reason"]


def test_votes_of_families_are_not_averaged(world: World, library: Library) -> None:
    for i in range(5):
        develop(world, {size: runs(mean, seed=i) for size, mean in FALLING.items()}, family=f"family{i}")

    across = world.decide(library.plain(CLAIM))("across", "all")

    assert (across["verdict"], across["n_h"], across["unit"]) == ("holds", 5, "share of families")
