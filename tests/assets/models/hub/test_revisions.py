"""From names of branches and tags to checkpoints: no hub is asked."""

from __future__ import annotations

from typing import Any

import pytest

from assets.models.hub.revisions import checkpoints_of, hub_runs, label_of
from assets.models.sources import Planned
from catalog.errors import UserError

OLMO = {
    "hub": "allenai/OLMo-2-1124-7B",
    "revisions": "stage1-step{step}-tokens{tokens}B",
}
INGREDIENTS = {
    "hub": "allenai/OLMo-2-1124-7B",
    "seeds": [1, 3],
    "seed_of": "data",
    "revisions": "stage2-ingredient{seed}-step{step}-tokens{tokens}B",
}
NAMES = {
    "main": "m",
    "step150-tokens1B": "an old name",
    "stage1-step1000-tokens5B": "b",
    "stage1-step150-tokens1B": "a",
    "stage1-step928646-tokens3896B": "c",
    "stage2-ingredient1-step11931-tokens50B": "d",
    "stage2-ingredient3-step1000-tokens5B": "e",
    "stage2-ingredient3-step11931-tokens50B": "f",
}


def planned(runs: dict[str, Any], commits: dict[str, str], seed: int | None = None) -> list[Planned]:
    return checkpoints_of(hub_runs(runs, "runs")[0], seed, commits)


def test_olmo_writes_stage_step_and_billions_of_tokens() -> None:
    assert [(p.label, p.step, p.tokens_seen, p.is_final, p.revision) for p in planned(OLMO, NAMES)] == [
        ("stage1-step150-tokens1b", 150, 10**9, False, "a"),
        ("stage1-step1000-tokens5b", 1000, 5 * 10**9, False, "b"),
        ("stage1-step928646-tokens3896b", 928646, 3896 * 10**9, True, "c"),
    ]


def test_tokens_of_a_step_are_exact_where_names_round() -> None:
    first, *_, last = planned(OLMO | {"tokens_per_step": 1024 * 4096}, NAMES)

    assert (first.tokens_seen, last.tokens_seen) == (629_145_600, 3_895_023_632_384)


def test_a_seed_may_stand_in_the_name_of_the_revision() -> None:
    spec, seeds = hub_runs(INGREDIENTS, "runs")

    assert seeds == [1, 3]
    assert spec.repository(3) == "allenai/OLMo-2-1124-7B"
    assert [p.revision for p in checkpoints_of(spec, 1, NAMES)] == ["d"]
    assert [(p.revision, p.is_final) for p in checkpoints_of(spec, 3, NAMES)] == [("e", False), ("f", True)]


def test_a_later_stage_goes_on_counting_tokens() -> None:
    (checkpoint,) = planned(INGREDIENTS | {"tokens_before": 3896 * 10**9}, NAMES, seed=1)

    assert checkpoint.tokens_seen == 3946 * 10**9


def test_the_last_step_of_the_form_is_final_whatever_is_chosen() -> None:
    runs = {"hub": "org/tiny", "revisions": "step-{step}", "steps": [2]}

    (checkpoint,) = planned(runs, {"step-1": "a", "step-2": "b", "step-10": "c"})

    assert (checkpoint.label, checkpoint.is_final) == ("step-2", False)


def test_two_revisions_of_one_step_are_told() -> None:
    with pytest.raises(UserError, match="Two revisions are of step 1000") as told:
        planned(OLMO, {"stage1-step1000-tokens4B": "a", "stage1-step1000-tokens5B": "b"})
    assert told.value.where == "allenai/OLMo-2-1124-7B"
    assert "more closely" in (told.value.mend or "")


def test_a_step_that_is_missing_is_told_with_what_there_is() -> None:
    with pytest.raises(UserError, match="no revision stage1-step7-") as told:
        planned(OLMO | {"steps": [7]}, NAMES)
    assert "stage1-step1000-tokens5B" in (told.value.mend or "")


def test_a_commit_in_full_is_its_own_pin() -> None:
    commit = "1f44ae81e29a9f7525c8331302e5562e0d91f731"

    (checkpoint,) = planned({"hub": "facebook/opt-125m", "revision": commit}, {"main": "another"})

    assert (checkpoint.label, checkpoint.revision, checkpoint.is_final) == ("1f44ae81e29a", commit, True)


def test_a_branch_may_be_named_instead_of_main() -> None:
    (checkpoint,) = planned({"hub": "org/tiny", "revision": "Converted/2"}, {"main": "a", "Converted/2": "b"})

    assert (checkpoint.label, checkpoint.revision) == ("converted-2", "b")


@pytest.mark.parametrize(
    ("revision", "label"),
    [("step1000", "step1000"), ("step-125000", "step-125000"), ("refs/pr/3", "refs-pr-3"), ("_Final", "final")],
)
def test_a_label_is_an_id(revision: str, label: str) -> None:
    assert label_of(revision) == label


def test_a_run_without_a_seed_beside_those_with_one() -> None:
    spec, seeds = hub_runs({"hub": "org/tiny-seed{seed}", "seeds": [1], "original": "org/tiny"}, "runs")

    assert seeds == [None, 1]
    assert [spec.repository(seed) for seed in seeds] == ["org/tiny", "org/tiny-seed1"]


@pytest.mark.parametrize(
    ("runs", "told"),
    [
        ({"hub": "org/tiny", "original": "org/other"}, "`original` is the run beside"),
        (INGREDIENTS | {"original": "org/other"}, "`original` is the run beside"),
        ({"hub": "org/tiny", "seeds": [1], "revisions": "step{step}"}, "belong together"),
        ({"hub": "org/tiny", "revisions": "seed{seed}-step{step}"}, "belong together"),
        ({"hub": "org/tiny", "revisions": "steps"}, "revisions"),
        ({"hub": "org/tiny", "seed_of": "dropout"}, "seed_of"),
    ],
)
def test_runs_that_do_not_fit_are_told(runs: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError, match=told):
        hub_runs(runs, "runs")
