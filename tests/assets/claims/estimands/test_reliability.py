"""Claims about methods, and the gate that they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from assets.claims.schema import Claim

if TYPE_CHECKING:
    from tests.assets.claims.conftest import Library, World

CLAIM = "prefix-matching-reliable"
SCORES = {(0, 0): 0.02, (0, 1): 0.01, (1, 0): 0.93, (1, 1): 0.05}


def scored(best: float) -> dict[tuple[int, int], float]:
    return {**SCORES, (1, 0): best}


def runs(world: World, n: int, model: str = "m", family: str = "natural", **design: Any) -> list[str]:
    """Runs whose placebo is low, measured once."""
    world.model(model, family, **design)
    names = [f"{model}-seed{i}" for i in range(n)]
    for run in names:
        world.run(run, model).measure(run, "prefix_matching", SCORES)
        world.measure(run, "prefix_matching_placebo", dict.fromkeys(SCORES, 0.01))
    return names


def test_a_metric_that_gives_the_same_again_is_reliable(world: World, library: Library) -> None:
    for run in runs(world, 5):
        world.retest(run, "prefix_matching", scored(0.94)).measure(
            run, "prefix_matching", dict.fromkeys(SCORES, 0.005), step=0, final=False
        )

    decided = world.decide(library.plain(CLAIM))

    run, model, whole = decided("run", "m-seed0"), decided("model", "m"), decided("architecture", "gpt_neox")
    assert (run["verdict"], run["estimate"]) == ("holds", pytest.approx(0.01))
    for told in ("changes on a second measurement by 0.01", "at step 0", "best head's prefix_matching_placebo 0.01"):
        assert told in run["reason"]
    assert (model["verdict"], model["n_h"]) == ("holds", 5)
    assert (whole["verdict"], whole["n_h"], whole["n_runs"]) == ("holds", 5, 5)
    assert decided.subjects("family") == decided.subjects("across") == []


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("retest", "changes on a second measurement by 0.03, more than 0.02"),
        ("halves", "by its two halves would change on a second measurement by 0.0354, more than 0.02"),
        ("mean", "at step 0 is on average off chance by 0.03, more than 0.01"),
        ("best", "at step 0 is at most above chance by 0.06, more than 0.05"),
        ("placebo", "best head's prefix_matching_placebo 0.08, more than 0.05"),
    ],
)
def test_each_check_can_fail(world: World, library: Library, fault: str, told: str) -> None:
    run = runs(world, 1)[0]
    at_first = {"mean": dict.fromkeys(SCORES, 0.03), "best": {(0, 0): 0.06, (0, 1): -0.06}}
    if fault == "retest":
        world.retest(run, "prefix_matching", scored(0.96))
    elif fault == "halves":
        world.rows[2] |= {"value_a": 0.955, "value_b": 0.905}
    elif fault == "placebo":
        world.rows[-1]["value"] = 0.08
    else:
        world.measure(run, "prefix_matching", at_first[fault], step=0, final=False)

    row = world.decide(library.plain(CLAIM))("run", run)

    assert row["verdict"] == "fails"
    assert told in row["reason"]


def test_a_second_measurement_counts_before_the_halves(world: World, library: Library) -> None:
    run = runs(world, 1)[0]
    world.rows[2] |= {"value_a": 0.955, "value_b": 0.905}
    world.retest(run, "prefix_matching", SCORES)

    assert world.decide(library.plain(CLAIM)).word("run", run) == "holds"


def test_controls_can_not_learn_it(world: World, library: Library) -> None:
    world.family("ours", "control")
    runs(world, 1, "control", "ours")
    runs(world, 1, "usual")

    decided = world.decide(library.plain(CLAIM))

    assert decided.word("run", "usual-seed0") == "holds"
    assert "in a control is above chance by 0.93, more than 0.05" in decided("run", "control-seed0")["reason"]


def test_step_0_alone_decides_published_data(world: World, library: Library) -> None:
    world.model("m").run("r", "m")
    for step, value in ((0, 0.004), (1000, 0.9)):
        world.measure(
            "r", "previous_token_all", {(0, 0): value, (0, 1): 0.0}, step=step, final=step > 0, source="trott2025"
        )
    for row in world.rows:
        row |= {"value_a": None, "value_b": None, "standard_error": None}

    row = world.decide(library.plain("previous-token-all-reliable"))("architecture", "gpt_neox")

    assert (row["verdict"], row["n_h"]) == ("holds", 1)


def test_what_can_not_be_checked_is_not_decided(world: World, library: Library) -> None:
    world.model("m").run("r", "m").measure("r", "previous_token_all", {(0, 0): 0.9})
    world.rows[0] |= {"value_a": None, "value_b": None}

    row = world.decide(library.plain("previous-token-all-reliable"))("architecture", "gpt_neox")

    assert row["verdict"] == "insufficient"
    assert "no retest, halves, step 0 or control to check it by" in row["reason"]


# The gate


def test_an_unreliable_metric_is_gated_out_in_its_architecture_only(world: World, library: Library) -> None:
    """Halves disagree in llama, runs of three roles; the placebo fails nowhere."""
    runs(world, 5, "sound", architecture="gpt_neox")
    for family, role in (("theirs", "natural"), ("ours", "calibration"), ("none", "control")):
        world.family(family, role)
        runs(world, 2, f"faulty-{role}", family, architecture="llama")
    for row in world.rows:
        if row["model_id"].startswith("faulty") and row["layer"] == 1 and row["head"] == 0:
            row |= {"value_a": row["value"] + 0.05, "value_b": row["value"] - 0.05}

    decided = world.decide(library.plain("prefix-matching-heads-exist"), library.plain(CLAIM))

    assert decided.word("model", "sound", "prefix-matching-heads-exist") == "holds"
    gated = decided("run", "faulty-natural-seed0", "prefix-matching-heads-exist")
    assert gated["verdict"] == "not_applicable"
    assert "instrument: prefix-matching-reliable fails in llama: passes its checks in 0 of 6" in gated["reason"]
    llama, neox = (decided("architecture", name, CLAIM) for name in ("llama", "gpt_neox"))
    assert (llama["verdict"], llama["n_f"], llama["n_families"]) == ("fails", 6, 3)
    assert (neox["verdict"], neox["n_h"]) == ("holds", 5)
    assert decided.word("run", "faulty-natural-seed0", CLAIM) == "fails"


def test_a_minority_of_failing_runs_closes_no_gate(world: World, library: Library) -> None:
    for run in runs(world, 5)[:2]:
        world.retest(run, "prefix_matching", scored(0.5))

    decided = world.decide(library.plain("prefix-matching-heads-exist"), library.plain(CLAIM))

    assert decided.word("architecture", "gpt_neox", CLAIM) == "mixed"
    assert decided.word("model", "m", "prefix-matching-heads-exist") == "holds"


def test_a_high_placebo_refuses_readings_that_do_not_subtract_it(world: World, library: Library) -> None:
    for run in runs(world, 5):
        world.measure(run, "prefix_matching_placebo", dict.fromkeys(SCORES, 0.2), n=50)
        world.measure(run, "prefix_matching", SCORES, n=50)
    world.rows = [row for row in world.rows if '"n":50' in row["parameters"]]
    raw = library.about("prefix-matching-heads-exist", of={"metrics": ["prefix_matching"], "minus": None})

    by_difference = world.decide(library.plain("prefix-matching-heads-exist"))("model", "m")
    by_score = world.decide(raw)("model", "m")

    assert by_difference["verdict"] == "holds"
    assert by_score["verdict"] == "not_applicable"
    assert "prefix_matching_placebo 0.2, more than 0.05" in by_score["reason"]


def test_a_metric_without_a_claim_is_judged_by_the_usual_limits(world: World, library: Library) -> None:
    claim = library.about("prefix-matching-heads-exist", of={"metrics": ["self_attention"]})
    world.model("m").run("r", "m").measure(
        "r", "self_attention", {(0, 0): 0.9}, halves=(0.95, 0.85), input="distinct", n=24, bos=False
    )

    row = world.decide(claim)("run", "r")

    assert row["verdict"] == "not_applicable"
    assert "instrument: the reliability of self_attention fails in gpt_neox" in row["reason"]


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"of": {"metrics": ["prefix_matching"], "scale": "value"}}, "reads an excess over chance"),
        ({"of": {"metrics": ["prefix_matching"], "quantity": "peak"}}, "leave quantity and split out"),
        ({"of": {"metrics": ["prefix_matching", "previous_token"]}}, "is about one metric"),
        ({"controls": "roll = control"}, "controls:"),
    ],
)
def test_faulty_claims_about_methods_are_refused(library: Library, changed: dict[str, Any], told: str) -> None:
    content = library.plain(CLAIM).model_dump(mode="json")
    content["estimand"] |= changed
    with pytest.raises(ValueError, match=told):
        Claim.model_validate(content)


def test_a_claim_about_a_method_has_no_family(library: Library) -> None:
    with pytest.raises(ValueError, match="levels names family, where reliability is not defined"):
        library.plain(CLAIM, levels=["architecture", "family"])
