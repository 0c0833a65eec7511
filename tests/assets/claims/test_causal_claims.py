"""The library's claims about single heads, edges and sets of heads, on evidence whose verdict is known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.assets.claims.conftest import Decided, Library, World

INDUCTION = {(0, 0): 0.0, (0, 1): 0.0, (1, 0): 0.9, (1, 1): 0.5}
NONE = {(0, 0): 0.0, (0, 1): 0.0, (1, 0): 0.02, (1, 1): 0.25}
PREVIOUS = {(0, 0): 0.9, (0, 1): 0.4, (1, 0): 0.0, (1, 1): 0.0}
TEXT = {"input": "text", "corpus": "walk", "length": 64, "outcome": "icl_score_t60_8"}
COPYING, ICL, FEEDS, FUZZY = (
    "induction-drives-copying",
    "induction-drives-icl",
    "previous-token-feeds-induction",
    "fuzzy-induction",
)


@pytest.fixture
def world(world: World) -> World:
    return world.model("m", n_params=1e9).run("r", "m")


def matching(world: World, scores: Any) -> World:
    """A run whose heads match prefixes so."""
    world.measure("r", "prefix_matching", scores)
    return world.measure("r", "prefix_matching_placebo", dict.fromkeys(scores, 0.0))


def decided(world: World, library: Library, claim_id: str) -> Decided:
    return world.decide(library.plain(claim_id))


@pytest.mark.parametrize(
    ("copying", "verdict"),
    [
        ({(0, 0): 0.0, (0, 1): 0.0, (1, 0): 0.6, (1, 1): -0.5}, "holds"),
        ({(0, 0): 0.9, (0, 1): 0.9, (1, 0): -0.6, (1, 1): -0.5}, "fails"),  # others copy, those that match do not
        ({(0, 0): 0.9, (0, 1): 0.9, (1, 0): -0.6}, "inconclusive"),  # one that matches was not measured
    ],
)
def test_induction_heads_match_and_copy(world: World, library: Library, copying: Any, verdict: str) -> None:
    matching(world, INDUCTION).measure("r", "copying_eigenvalue", copying, error=None)

    assert decided(world, library, "induction-heads-exist").word("run", "r") == verdict


def test_without_a_head_that_matches_copying_heads_are_no_induction_heads(world: World, library: Library) -> None:
    matching(world, NONE).measure("r", "copying_eigenvalue", dict.fromkeys(NONE, 0.9), error=None)

    assert decided(world, library, "induction-heads-exist").word("run", "r") == "fails"


def test_where_no_head_matches_copying_need_not_be_measured(world: World, library: Library) -> None:
    found = decided(matching(world, NONE), library, "induction-heads-exist")

    assert found.word("run", "r") == "fails"
    assert "no measurement of copying_eigenvalue" in found("run", "r")["reason"]


@pytest.mark.parametrize(("rate", "verdict"), [(0.9, "holds"), (0.1, "fails"), (0.5, "inconclusive")])
def test_sinks(world: World, library: Library, rate: float, verdict: str) -> None:
    world.layers = {"m": [False, False]}
    world.measure("r", "sink_rate", {(0, 0): 0.0, (1, 0): rate}, error=0.05)

    assert decided(world, library, "sinks-universal").word("run", "r") == verdict


@pytest.mark.parametrize(("layers", "verdict"), [([False, True], "not_applicable"), (None, "insufficient")])
def test_learned_sinks_are_outside_and_unknown_ones_leave_it_open(
    world: World, library: Library, layers: list[bool] | None, verdict: str
) -> None:
    world.layers = {} if layers is None else {"m": layers}
    world.measure("r", "sink_rate", {(0, 0): 0.0, (1, 0): 0.9})

    found = decided(world, library, "sinks-universal")

    assert found.word("run", "r") == verdict
    assert "learned_sinks" in found("run", "r")["reason"]


@pytest.mark.parametrize(("claim_id", "variant"), [(COPYING, {}), (ICL, TEXT)])
@pytest.mark.parametrize(
    ("effect", "scores", "verdict"),
    [
        (1.0, INDUCTION, "holds"),
        (-1.0, INDUCTION, "fails"),
        (0.1, INDUCTION, "inconclusive"),
        (1.0, NONE, "not_applicable"),
        (-1.0, NONE, "not_applicable"),
    ],
)
def test_ablation(
    world: World, library: Library, claim_id: str, variant: Any, effect: float, scores: Any, verdict: str
) -> None:
    """The preferred set's effect; that of the single best head, which says the opposite, is not read."""
    matching(world, scores)
    for name, value in (("set=top2", effect), ("set=top1", -effect)):
        world.measure("r", "specific_ablation_effect", value, error=0.1, stratum=name, **variant)

    assert decided(world, library, claim_id).word("run", "r") == verdict


def test_effects_on_different_outcomes_are_not_mixed(world: World, library: Library) -> None:
    """An effect on the loss on repeats says nothing of in-context learning, nor the other way round."""
    matching(world, INDUCTION).measure("r", "specific_ablation_effect", 1.0, stratum="set=top2")

    assert decided(world, library, COPYING).word("run", "r") == "holds"
    assert decided(world, library, ICL).word("run", "r") == "insufficient"


def test_the_longest_context_is_preferred(world: World, library: Library) -> None:
    matching(world, INDUCTION)
    world.measure("r", "specific_ablation_effect", 1.0, stratum="set=top2", **TEXT)
    world.measure("r", "specific_ablation_effect", -1.0, stratum="set=top2", **{**TEXT, "outcome": "icl_score"})

    assert decided(world, library, ICL).word("run", "r") == "fails"


def feeding(world: World, own: float, random: float, previous: Any = PREVIOUS, scores: Any = INDUCTION) -> World:
    """The path between the best heads, that from others, and more paths that are strong."""
    matching(world, scores).measure("r", "previous_token", previous)
    world.measure("r", "path_effect", {(1, 0, 0, 0): own, (1, 0, 0, 1): 0.99, (1, 1, 0, 0): 0.99})
    return world.measure("r", "path_effect", {(1, 0, 0, 0): random}, stratum="sender=random")


@pytest.mark.parametrize(
    ("world_of", "verdict"),
    [
        ({"own": 0.8, "random": 0.1}, "holds"),
        ({"own": 0.1, "random": 0.8}, "fails"),
        ({"own": 0.0, "random": 0.0}, "inconclusive"),
        ({"own": 0.8, "random": 0.1, "scores": NONE}, "not_applicable"),
        ({"own": 0.8, "random": 0.1, "previous": dict.fromkeys(PREVIOUS, 0.1)}, "not_applicable"),
    ],
)
def test_the_path_from_previous_token_heads(world: World, library: Library, world_of: Any, verdict: str) -> None:
    assert decided(feeding(world, **world_of), library, FEEDS).word("run", "r") == verdict


def test_a_path_compared_with_its_control_is_as_uncertain_as_both_together(world: World, library: Library) -> None:
    """One variant, the same sequences: half-widths are added, not their squares. t(31) = 2.03951."""
    found = decided(feeding(world, 0.8, 0.1), library, FEEDS)("run", "r")

    assert (found["ci_low"], found["ci_high"]) == pytest.approx((0.7 - 0.00407903, 0.7 + 0.00407903))


@pytest.mark.parametrize(
    ("at_best", "scores", "verdict"),
    [(0.4, INDUCTION, "holds"), (0.0, INDUCTION, "fails"), (0.4, NONE, "not_applicable")],
)
def test_fuzzy(world: World, library: Library, at_best: float, scores: Any, verdict: str) -> None:
    """At the head that matches prefixes best; another's says the opposite."""
    matching(world, scores).measure("r", "fuzzy_prefix_matching", {(1, 0): at_best, (1, 1): 0.4 - at_best})

    assert decided(world, library, FUZZY).word("run", "r") == verdict


def test_fuzzy_is_read_with_neighbours_of_no_model_where_there_are(world: World, library: Library) -> None:
    matching(world, INDUCTION).measure("r", "fuzzy_prefix_matching", {(1, 0): 0.9}, neighbours="embedding")
    assert decided(world, library, FUZZY).word("run", "r") == "holds"

    world.measure("r", "fuzzy_prefix_matching", {(1, 0): 0.0})
    assert decided(world, library, FUZZY).word("run", "r") == "fails"


@pytest.mark.parametrize("claim_id", [COPYING, ICL, FEEDS, FUZZY, "induction-heads-exist"])
@pytest.mark.parametrize("n_layers", [1, 2])
def test_controls_never_hold(world: World, library: Library, claim_id: str, n_layers: int) -> None:
    """A model of one layer, whatever it scores, and one of two that matches nothing, whatever ablations do to it."""
    world.model("c", "control", n_layers=n_layers, n_params=1e9).run("r2", "c")
    scores = INDUCTION if n_layers == 1 else NONE
    world.measure("r2", "prefix_matching", scores).measure("r2", "prefix_matching_placebo", dict.fromkeys(scores, 0.0))
    world.measure("r2", "previous_token", PREVIOUS).measure("r2", "copying_eigenvalue", dict.fromkeys(scores, 0.9))
    world.measure("r2", "fuzzy_prefix_matching", dict.fromkeys(scores, 0.9))
    for variant in ({}, TEXT):
        world.measure("r2", "specific_ablation_effect", 1.0, stratum="set=top2", **variant)
    world.measure("r2", "path_effect", {(1, 0, 0, 0): 0.9})
    world.measure("r2", "path_effect", {(1, 0, 0, 0): 0.0}, stratum="sender=random")

    assert decided(world, library, claim_id).word("run", "r2") in ("fails", "not_applicable")
