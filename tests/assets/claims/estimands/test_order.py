from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from assets.claims.estimands.order import steps_between
from assets.claims.reading.onsets import OnsetInterval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assets.claims.schema import Claim
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
            "The onset (past 0.3) of the best head's previous_token and the onset (past 0.3) of the best head's "
            "prefix_matching: prefix_matching never passed 0.3 to stay.",
        ),
        (NEVER, LATE, "inconclusive", "previous_token never passed 0.3 to stay"),
        (EARLY, AT_THE_END, "inconclusive", "prefix_matching passed 0.3 at the last checkpoint only"),
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
    assert "previous_token was past 0.3 at the first checkpoint already" in run["reason"]


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


# Two events at the same time

LOSS = [0.0, -0.1, -0.1, -2.0, -2.1]
"""Of the late token less the early one: drops where LATE passes its threshold."""
GRADUAL = [0.0, -0.09, -0.18, -0.27, -0.36]


def learning(world: World, induction: list[float], loss: list[float], steps: Sequence[int], run: str = "r") -> World:
    if not world.models:
        world.model("m")
    world.run(run, "m").curve(run, "prefix_matching", dict(zip(steps, induction, strict=True)))
    for step, value in zip(steps, loss, strict=True):
        world.measure(run, "icl_score_t60_8", value, step=step, final=step == steps[-1])
    return world


@pytest.mark.parametrize(
    ("induction", "loss", "verdict", "told"),
    [
        (LATE, LOSS, "holds", "steps (200, 300] and (200, 300]: a factor of 1 to 1.49 apart"),
        (EARLY, LOSS, "fails", "steps (0, 100] and (200, 300]: a factor of 2.01 to 300 apart"),
        (EARLY, [0.0, -0.1, -1.0, -1.1, -1.1], "inconclusive", "a factor of 1.01 to 200 apart"),
        (LATE, GRADUAL, "inconclusive", "no drop of icl_score_t60_8 by more than 0.1 between neighbouring checkpoints"),
        (NEVER, LOSS, "inconclusive", "prefix_matching never passed 0.3 to stay"),
        (LATE, [0.0, 0.0, 0.0, 0.0, -2.0], "inconclusive", "came at the last checkpoint, with none after it"),
    ],
)
def test_induction_heads_and_the_drop_of_the_loss(
    world: World, library: Library, induction: list[float], loss: list[float], verdict: str, told: str
) -> None:
    run = learning(world, induction, loss, STEPS).decide(icl(library))("run", "r")

    assert run["verdict"] == verdict
    assert told in run["reason"]


def icl(library: Library, **keys: Any) -> Claim:
    own = library.claim("induction-onset-with-icl-onset").estimand.model_dump(mode="json")
    second = {**own["second"], "of": {**own["second"]["of"], "metrics": ["icl_score_t60_8"]}}
    return library.about("induction-onset-with-icl-onset", second=second, **keys)


def test_the_same_interval_is_the_harder_the_finer_the_grid(world: World, library: Library) -> None:
    """Neighbouring intervals of ten steps, at step 300: not the same interval, and a factor of 1.07 at most."""
    steps = (0, 290, 300, 310, 320, 330)
    learning(world, [0.0, 0.0, 0.9, 0.9, 0.9, 0.9], [0.0, -0.1, -0.2, -2.0, -2.1, -2.1], steps)

    assert world.decide(icl(library)).word("run", "r") == "holds"
    assert world.decide(icl(library, within=None)).word("run", "r") == "fails"


def test_each_event_has_a_threshold_of_its_own(world: World, library: Library) -> None:
    """A sink of .4 is one past .3 and none past .5."""
    world.model("m").run("r", "m").curve("r", "prefix_matching", dict(zip(STEPS, EARLY, strict=True)))
    world.curve("r", "sink_rate", dict(zip(STEPS, [0.0, 0.0, 0.4, 0.4, 0.4], strict=True)))
    claim = library.about("circuits-before-sinks")
    own = claim.estimand.model_dump(mode="json")

    assert world.decide(claim).word("run", "r") == "inconclusive"
    lower = library.about("circuits-before-sinks", second={**own["second"], "passes": 0.3})
    assert world.decide(lower).word("run", "r") == "holds"


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"passes": None}, "either passes (a threshold) or largest"),
        ({"largest": "drop"}, "either passes (a threshold) or largest"),
        ({"exceeding": 0.1}, "exceeding is for the largest change"),
        ({"of": {"metrics": ["prefix_matching"], "quantity": "peak"}}, "leave quantity and split out"),
    ],
)
def test_an_event_is_one_thing(library: Library, keys: dict[str, Any], told: str) -> None:
    own = library.claim("previous-token-before-induction").estimand.model_dump(mode="json")

    with pytest.raises(ValidationError, match=re.escape(told)):
        library.about("previous-token-before-induction", second={**own["second"], **keys})


def test_a_factor_is_for_events_at_the_same_time(library: Library) -> None:
    with pytest.raises(ValidationError, match="within is for claimed: same"):
        library.about("previous-token-before-induction", within=2)


def test_a_largest_change_needs_two_checkpoints(world: World, library: Library) -> None:
    learning(world, [0.9], [-1.0], [100])

    run = world.decide(icl(library))("run", "r")

    assert run["verdict"] == "insufficient"
    assert "fewer than two checkpoints with a known step" in run["reason"]


def test_a_choice_may_lift_a_condition_on_the_variant(world: World, library: Library) -> None:
    """Heads with a function are taken to be previous-token heads, which are not measured on repeats."""
    world.model("m")
    for seed in range(5):
        run = f"r{seed}"
        world.run(run, "m")
        for metric, values in (("prefix_matching", NEVER), ("previous_token", EARLY), ("sink_rate", LATE)):
            world.curve(run, metric, dict(zip(STEPS, values, strict=True)))

    decided = world.decide(library.claim("circuits-before-sinks"))

    found = {row["specification_id"]: row["verdict"] for row in decided.decisions.specifications}
    assert decided.word("model", "m") == "inconclusive"
    assert found["definition=previous-token heads"] == "holds"


def test_where_no_run_is_decided_the_reason_says_what_stands_in_the_way(world: World, library: Library) -> None:
    for i, induction in enumerate([NEVER, NEVER, AT_THE_END]):
        curves(world, EARLY, induction, f"r{i}")

    model = world.decide(library.plain("previous-token-before-induction"))("model", "m")

    assert "none of them can be decided. In 2 of them: prefix_matching never passed 0.3 to stay." in model["reason"]
