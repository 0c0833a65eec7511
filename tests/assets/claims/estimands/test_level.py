from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from assets.claims.estimands.level import difference
from assets.claims.reading.readings import Estimate

if TYPE_CHECKING:
    from tests.assets.claims.conftest import Library, World


@pytest.mark.parametrize(
    ("induction", "previous", "verdict", "estimate"), [(1, 0, "holds", 1), (0, 0, "fails", 0), (0, 1, "fails", -1)]
)
def test_contrast_of_layers(
    world: World, library: Library, induction: int, previous: int, verdict: str, estimate: int
) -> None:
    world.model("m").run("r", "m")
    world.measure("r", "prefix_matching", {(induction, 0): 0.9, (induction, 1): 0.1})
    world.measure("r", "prefix_matching_placebo", {(induction, 0): 0.0, (induction, 1): 0.0})
    world.measure("r", "previous_token", {(previous, 0): 0.1, (previous, 1): 0.9})

    run = world.decide(library.plain("induction-above-previous-token"))("run", "r")

    assert (run["verdict"], run["estimate"], run["unit"]) == (verdict, estimate, "layers")


def test_without_an_induction_head_its_layer_is_not_defined(world: World, library: Library) -> None:
    world.model("m").run("r", "m").measure("r", "prefix_matching", {(1, 0): 0.1})
    world.measure("r", "prefix_matching_placebo", {(1, 0): 0.0}).measure("r", "previous_token", {(0, 0): 0.9})

    run = world.decide(library.plain("induction-above-previous-token"))("run", "r")

    assert run["verdict"] == "not_applicable"
    assert "at the final checkpoint is 0.1, not above 0.3" in run["reason"]


def test_a_difference_takes_its_two_intervals_as_independent() -> None:
    """Half-widths .03 and .04 give .05."""
    found = difference(Estimate(0.9, 0.87, 0.93, 0.015), Estimate(0.5, 0.46, 0.54, 0.02))

    assert found.value == pytest.approx(0.4)
    assert (found.low, found.high, found.standard_error) == pytest.approx((0.35, 0.45, 0.025))


def test_a_difference_has_no_interval_where_one_has_none() -> None:
    found = difference(Estimate(0.9, 0.87, 0.93, 0.015), Estimate(0.5))

    assert (found.low, found.high) == (None, None)


@pytest.mark.parametrize(
    ("values", "verdict"), [([0.90, 0.92, 0.88, 0.91, 0.90], "holds"), ([0.0, 0.9, 0.1, 0.8, 0.3], "inconclusive")]
)
def test_the_mean_over_runs(world: World, library: Library, values: list[float], verdict: str) -> None:
    world.model("m")
    for i, value in enumerate(values):
        world.run(f"r{i}", "m").measure(f"r{i}", "prefix_matching", {(1, 0): value})
        world.measure(f"r{i}", "prefix_matching_placebo", {(1, 0): 0.0})

    model = world.decide(library.about("prefix-matching-heads-exist", rule="mean"))("model", "m")

    assert model["verdict"] == verdict
    assert model["estimate"] == pytest.approx(sum(values) / 5)
    assert model["pi_low"] < model["ci_low"] < model["ci_high"] < model["pi_high"]


def test_the_mean_over_runs_within_a_bound_is_an_equivalence(world: World, library: Library) -> None:
    world.model("m")
    for i, value in enumerate([0.01, -0.01, 0.0, 0.005, -0.005]):
        world.run(f"r{i}", "m").measure(f"r{i}", "prefix_matching", {(1, 0): value})
        world.measure(f"r{i}", "prefix_matching_placebo", {(1, 0): 0.0})

    model = world.decide(library.about("prefix-matching-heads-exist", rule="mean", direction="within", threshold=0.05))(
        "model", "m"
    )

    assert model["verdict"] == "holds"
    assert "(equivalence)" in model["reason"]


def trajectory(world: World, library: Library, claim_id: str, metric: str, values: list[float]) -> str:
    world.model("m").run("r", "m")
    world.curve("r", metric, dict(zip(range(0, 100 * len(values), 100), values, strict=True)))
    return world.decide(library.plain(claim_id)).word("run", "r")


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ([0.0, 0.1, 0.9, 0.9, 0.9, 0.88], "holds"),
        ([0.0, 0.1, 0.9, 0.9, 0.9, 0.5], "fails"),
        ([0.0, 0.1, 0.1, 0.1, 0.1, 0.0], "not_applicable"),  # never formed
        ([0.0, 0.0, 0.0, 0.0, 0.1, 0.9], "insufficient"),  # formed at the end: no plateau to fall from
    ],
)
def test_induction_persists(world: World, library: Library, values: list[float], verdict: str) -> None:
    assert trajectory(world, library, "induction-persists", "prefix_matching", values) == verdict


def test_a_claim_about_training_does_not_apply_to_a_single_checkpoint(world: World, library: Library) -> None:
    """Nor where the step of the one checkpoint is not known."""
    world.model("m").run("r", "m").measure("r", "prefix_matching", {(1, 0): 0.9}, step=None)

    row = world.decide(library.plain("induction-persists"))("run", "r")

    assert row["verdict"] == "not_applicable"
    assert "n_checkpoints is 1" in row["reason"]


def test_recall_is_transient(world: World, library: Library) -> None:
    world.model("m")
    for run, last in (("falls", 0.3), ("stays", 0.78)):
        world.run(run, "m")
        for step, value in enumerate([0.0, 0.8, 0.8, 0.8, last]):
            world.measure(run, "repeat_recall", value, step=step * 100, final=step == 4)

    decided = world.decide(library.plain("recall-is-transient"))

    assert (decided.word("run", "falls"), decided.word("run", "stays")) == ("holds", "fails")


@pytest.mark.parametrize(("at_2000", "verdict"), [((0, 0), "holds"), ((0, 1), "fails")])
def test_top_head_fixed_early(world: World, library: Library, at_2000: tuple[int, int], verdict: str) -> None:
    """Which head is best before step 1000 does not matter."""
    world.model("m").run("r", "m")
    for step, top in ((0, (0, 1)), (1000, (0, 0)), (2000, at_2000), (3000, (0, 0))):
        heads = {(0, 0): 0.5, (0, 1): 0.5} | {top: 0.9}
        world.measure("r", "previous_token", heads, step=step, final=step == 3000)
    for run in world.rows:
        run["chance"] = None  # no step-0 check of the instrument: only the order of heads is of interest here
        run["excess"] = None

    assert world.decide(library.plain("top-head-fixed-early")).word("run", "r") == verdict
