"""Runs without the placebo that a claim subtracts: read by the score alone, flagged, apart from the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from assets.claims.robustness import robustness

if TYPE_CHECKING:
    from tests.assets.claims.conftest import Library, World

INDUCTION = {(0, 0): 0.02, (0, 1): 0.01, (1, 0): 0.93, (1, 1): 0.05}


def test_without_a_placebo_the_score_alone_decides_and_is_flagged(world: World, library: Library) -> None:
    world.model("m").run("r", "m").measure("r", "prefix_matching", {(1, 0): 0.6, (1, 1): 0.1}, chance=0.2)

    decided = world.decide(library.plain("prefix-matching-heads-exist"))

    run = decided("run", "r")
    assert (run["verdict"], run["estimate"]) == ("holds", pytest.approx(0.5))
    assert run["reason"].endswith("is above 0.3; no placebo. No placebo in 1 of 1 training run: the score alone.")
    assert decided.runs("run", "r")["r"]["reason"].endswith("; no placebo")


@pytest.mark.parametrize(("n_without", "word"), [(0, "robust"), (1, "sensitive"), (6, "sensitive")])
def test_what_rests_on_runs_without_placebo_is_never_robust(
    world: World, library: Library, n_without: int, word: str
) -> None:
    """The same scores each time, and every specification agrees."""
    world.model("m")
    for seed in range(6):
        world.run(f"r{seed}", "m").measure(f"r{seed}", "prefix_matching", INDUCTION)
        if seed >= n_without:
            world.measure(f"r{seed}", "prefix_matching_placebo", dict.fromkeys(INDUCTION, 0.0))

    model = world.decide(library.claim("prefix-matching-heads-exist"))("model", "m")

    assert (model["verdict"], model["robustness"]) == ("holds", word)
    assert (f"No placebo in {n_without} of 6 training runs" in model["reason"]) == (n_without > 0)


def test_what_fails_when_one_run_is_left_out_stays_fragile_without_placebo() -> None:
    assert robustness("holds", ["holds"] * 9, {"r": "fails"}, no_placebo=True) == "fragile"


def test_runs_with_and_without_placebo_are_not_compared(world: World, library: Library) -> None:
    """The top head of all runs looks back whatever the tokens: only less its placebo is it not the top."""
    world.model("m")
    for seed in range(5):
        world.run(f"r{seed}", "m").measure(f"r{seed}", "prefix_matching", {(0, 0): 0.95, (1, 0): 0.9})
        if seed < 3:
            world.measure(f"r{seed}", "prefix_matching_placebo", {(0, 0): 0.95, (1, 0): 0.0})
    reading = {"metrics": ["prefix_matching"], "minus": "prefix_matching_placebo", "quantity": "top_layer"}

    decided = world.decide(library.about("same-layer-across-seeds", of=reading))

    runs = decided.runs("model", "m")
    assert {name: run["estimate"] for name, run in runs.items() if run["included"]} == {"r0": 1, "r1": 1, "r2": 1}
    assert runs["r4"]["reason"] == "measured without prefix_matching_placebo, unlike most runs"


def test_a_variant_with_its_placebo_comes_before_one_without(world: World, library: Library) -> None:
    """Tokens drawn otherwise have no placebo: that of other tokens is none of theirs."""
    world.model("m").run("r", "m").measure("r", "prefix_matching", {(1, 0): 0.8}, n=50)
    world.measure("r", "prefix_matching", {(1, 0): 0.9}, n=24, tokens="all")
    world.measure("r", "prefix_matching_placebo", {(1, 0): 0.1}, n=50)
    world.run("alone", "m").measure("alone", "prefix_matching", {(1, 0): 0.9}, n=50, tokens="all")

    decided = world.decide(library.plain("prefix-matching-heads-exist"))

    assert decided("run", "r")["estimate"] == pytest.approx(0.7)
    assert (decided("run", "alone")["estimate"], decided("run", "alone")["n_h"]) == (pytest.approx(0.9), 1)
    assert decided.runs("run", "alone")["alone"]["reason"].endswith("no placebo")
    assert not decided.runs("run", "r")["r"]["reason"].endswith("no placebo")
