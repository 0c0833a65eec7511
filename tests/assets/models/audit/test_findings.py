"""What is found in holdings written by hand, and that what is as it should be gives no finding."""

from __future__ import annotations

import pytest

from assets.models.audit.findings import Finding, find, missing
from assets.models.audit.holdings import RunHoldings
from tests.assets.models.audit.by_hand import run_holding


def told(runs: list[RunHoldings]) -> list[tuple[str, str, bool, str | None]]:
    """checkpoint, finding, whether it is suspect, and the other checkpoint."""
    found = [finding for findings in find(runs).values() for finding in findings]
    return [(f.checkpoint_id, f.finding, f.suspect, f.other_checkpoint_id) for f in found]


def test_a_clean_repository_gives_no_finding() -> None:
    runs = [
        run_holding(f"pythia-70m-seed{seed}", {0: f"{seed}a", 1: f"{seed}b", 2: f"{seed}c"}, f"{seed}c")
        for seed in (1, 2)
    ]

    assert find(runs) == {"pythia-70m-seed1": [], "pythia-70m-seed2": []}


def test_final_content_under_early_names_is_suspect_and_the_end_is_believed() -> None:
    run = run_holding("pythia-2.8b", {0: "z", 1: "z", 512: "b", 143000: "z"}, "z")

    assert told([run]) == [
        ("pythia-2.8b@step0", "identical", True, "pythia-2.8b@step143000"),
        ("pythia-2.8b@step1", "identical", True, "pythia-2.8b@step143000"),
        ("pythia-2.8b@step143000", "identical", False, "pythia-2.8b@step0"),
    ]
    assert find([run])["pythia-2.8b"][0].detail == (
        "The same bytes as pythia-2.8b@step143000 and 1 more, the end of training."
    )


def test_the_end_is_not_believed_where_main_holds_other_bytes() -> None:
    run = run_holding("pythia-2.8b", {512: "z", 143000: "z"}, "other")

    assert told([run]) == [
        ("pythia-2.8b@step512", "identical", True, "pythia-2.8b@step143000"),
        ("pythia-2.8b@step143000", "identical", True, "pythia-2.8b@step512"),
        ("pythia-2.8b@step143000", "differs_from_main", False, None),
    ]


def test_equal_bytes_in_the_middle_can_not_both_be_right() -> None:
    run = run_holding("pythia-6.9b-deduped", {0: "a", 1: "b", 2: "b", 4: "c"}, "c")

    assert told([run]) == [
        ("pythia-6.9b-deduped@step1", "identical", True, "pythia-6.9b-deduped@step2"),
        ("pythia-6.9b-deduped@step2", "identical", True, "pythia-6.9b-deduped@step1"),
    ]


def test_a_first_step_that_changed_nothing_and_a_shared_initialisation_are_innocent() -> None:
    runs = [run_holding(f"pythia-160m-data-seed{seed}", {0: "a", 1: "a", 2: f"b{seed}"}, f"b{seed}") for seed in (1, 2)]

    assert {(finding, suspect) for _, finding, suspect, _ in told(runs)} == {("identical", False)}
    assert len(told(runs)) == 4


def test_one_runs_bytes_in_anothers_repository_are_suspect_on_both_sides() -> None:
    runs = [run_holding("pythia-70m-seed1", {0: "a", 8: "x"}), run_holding("pythia-70m-seed2", {0: "b", 8: "x"})]

    assert told(runs) == [
        ("pythia-70m-seed1@step8", "identical", True, "pythia-70m-seed2@step8"),
        ("pythia-70m-seed2@step8", "identical", True, "pythia-70m-seed1@step8"),
    ]


def test_a_step_that_most_siblings_have_is_missing_in_the_others() -> None:
    steps = dict.fromkeys((0, 512, 1000))
    runs = [
        run_holding(f"pythia-410m-seed{seed}", {step: f"{seed} {step}" for step in steps if step != gap})
        for seed, gap in ((1, None), (2, 512), (3, None), (4, 1000))
    ]

    assert told(runs) == [
        ("pythia-410m-seed2@step512", "missing", False, None),
        ("pythia-410m-seed4@step1000", "missing", False, None),
    ]
    assert missing(runs[1], runs)[0].detail == (
        "EleutherAI/pythia-410m-seed2 has no revision of step 512, which 3 of 3 training runs like it have."
    )


def test_a_step_that_one_run_alone_has_is_missing_nowhere() -> None:
    runs = [run_holding(f"pythia-70m-seed{seed}", {0: f"{seed}"}) for seed in (1, 2)]

    assert told([*runs, run_holding("pythia-70m-seed3", {0: "3", 7: "4"})]) == []


def test_a_shorter_model_of_the_family_lacks_nothing() -> None:
    longer = [run_holding(name, {0: f"{name} 0", 10: f"{name} 10", 20: f"{name} 20"}) for name in ("olmo-a", "olmo-b")]

    assert told([*longer, run_holding("olmo-c", {0: "c0", 10: "c10"})]) == []


def test_steps_that_the_study_names_are_checked_one_by_one() -> None:
    run = run_holding("pythia-70m", {0: "a", 512: "b"}, named=(0, 7, 512))

    assert told([run]) == [("pythia-70m@step7", "missing", False, None)]


@pytest.mark.parametrize(("seed", "step"), [(9, 40000), (6, 88000), (2, 111000)])
def test_a_revision_without_weights(seed: int, step: int) -> None:
    run = run_holding(f"pythia-410m-seed{seed}", {0: "a", step: None, 143000: "b"}, "b")

    assert find([run])[run.run_id] == [
        Finding(
            f"{run.run_id}@step{step}",
            "no_weights",
            "The revision holds no weights at all.",
            commit_sha=f"commit-{step}",
        )
    ]


def test_main_that_holds_an_earlier_checkpoint_is_told() -> None:
    run = run_holding("pythia-70m", {0: "a", 512: "b", 1000: "c"}, "b")

    (finding,) = find([run])["pythia-70m"]

    assert (finding.checkpoint_id, finding.finding, finding.suspect) == (
        "pythia-70m@step1000", "differs_from_main", False,
    )  # fmt: skip
    assert finding.detail == "The last checkpoint's weights take 1.5 MB; main holds those of step512."


def test_a_run_that_could_not_be_asked_is_left_out() -> None:
    assert find([run_holding("pythia-70m", {}, fault="gone")]) == {}
