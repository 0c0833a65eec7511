"""Audits against a hub on loopback, with the faults that are known of Pythia under their real names."""

from __future__ import annotations

import pytest

from assets.models.audit.auditing import Audited, audit
from assets.models.audit.looking import hub_runs_of, look, refusals
from assets.models.audit.recording import last_findings
from assets.study import Study
from catalog.home import Home
from catalog.record import Record
from tests.assets.models.audit.planted import STEPS, files, plant, study_of
from tests.assets.models.audit.test_recording import published
from tests.catalog.test_build import put_facts, put_probe_run
from tests.loopback_hub import LoopbackHub, offline

END = b"the end of training"
LARGE = {"pythia-2.8b": {"hub": "EleutherAI/pythia-2.8b"}}
SEEDS = {"pythia-410m": {"hub": "EleutherAI/pythia-410m-seed{seed}", "seeds": [1, 2, 6, 9]}}


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)


def told(done: Audited) -> dict[str, set[tuple[str, bool]]]:
    """By finding: checkpoints, and whether they are suspect."""
    found: dict[str, set[tuple[str, bool]]] = {}
    for finding in done.all_findings:
        found.setdefault(finding.finding, set()).add((finding.checkpoint_id, finding.suspect))
    return found


def test_the_known_faults_of_pythia_are_found_and_no_weights_fetched(hub: LoopbackHub, home: Home) -> None:
    plant(hub, "EleutherAI/pythia-2.8b", {0: END, 1: END, 512: END, 143000: END})
    plant(hub, "EleutherAI/pythia-6.9b-deduped", {512: b"equal", 40000: b"equal"})
    for seed, without in ((1, None), (2, 111000), (6, 88000), (9, 40000)):
        plant(hub, f"EleutherAI/pythia-410m-seed{seed}", {} if without is None else {without: None})
    study = study_of({**LARGE, "pythia-6.9b-deduped": {"hub": "EleutherAI/pythia-6.9b-deduped"}, **SEEDS})

    done = audit(study, home)

    assert told(done) == {
        "identical": {
            *((f"pythia-2.8b@step{step}", True) for step in (0, 1, 512)),
            ("pythia-2.8b@step143000", False),
            *((f"pythia-6.9b-deduped@step{step}", True) for step in (512, 40000)),
        },
        "no_weights": {
            ("pythia-410m-seed2@step111000", False),
            ("pythia-410m-seed6@step88000", False),
            ("pythia-410m-seed9@step40000", False),
        },
    }
    assert hub.asked("safetensors") == []
    assert hub.asked("resolve") == []


def test_gaps_in_the_grid_and_a_main_of_its_own_are_found(hub: LoopbackHub, home: Home) -> None:
    for seed in (1, 2, 6, 9):
        plant(hub, f"EleutherAI/pythia-410m-seed{seed}", main=b"other" if seed == 9 else None)
    del hub.repositories["EleutherAI/pythia-410m-seed6"].refs["step512"]

    assert told(audit(study_of(SEEDS), home)) == {
        "missing": {("pythia-410m-seed6@step512", False)},
        "differs_from_main": {("pythia-410m-seed9@step143000", False)},
    }


def test_a_clean_suite_gives_no_finding(hub: LoopbackHub, home: Home) -> None:
    for seed in (1, 2, 6, 9):
        plant(hub, f"EleutherAI/pythia-410m-seed{seed}")

    done = audit(study_of(SEEDS), home)

    assert done.all_findings == done.unasked == []
    assert [len(run.holdings) for run in done.runs] == [len(STEPS)] * 4


def test_a_study_of_few_steps_asks_for_those_the_last_and_main(hub: LoopbackHub, home: Home) -> None:
    plant(hub, "EleutherAI/pythia-2.8b", {512: END, 143000: END})

    done = audit(study_of(LARGE, steps=[0, 512]), home)

    assert told(done) == {"identical": {("pythia-2.8b@step512", True), ("pythia-2.8b@step143000", False)}}
    assert len(hub.asked("/tree/")) == 4


def test_what_was_found_is_looked_at_again_by_a_study_that_does_not_choose_it(hub: LoopbackHub, home: Home) -> None:
    plant(hub, "EleutherAI/pythia-2.8b", {512: END, 143000: END})
    audit(study_of(LARGE), home)

    kept = audit(study_of(LARGE, steps=[0]), home)
    hub.add("EleutherAI/pythia-2.8b", files(b"its own"), "step512")
    mended = audit(study_of(LARGE, steps=[0]), home)

    assert (kept.new, len(kept.all_findings)) == (["pythia-2.8b"], 2)  # fewer checkpoints were listed
    assert (mended.new, mended.all_findings) == (["pythia-2.8b"], [])


def test_offline_an_audit_works_with_what_was_listed_before(
    hub: LoopbackHub, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(hub, "EleutherAI/pythia-2.8b", {512: END, 143000: END})
    first = audit(study_of(LARGE), home)
    hub.forget()
    offline(monkeypatch)

    again = audit(study_of(LARGE), home)

    assert again.all_findings == first.all_findings
    assert again.new == []
    assert hub.log == []


def test_a_hub_that_wants_fewer_requests_is_left_alone_and_the_next_audit_goes_on(
    hub: LoopbackHub, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assets.models.audit.looking.BATCH", len(STEPS) + 1)
    for seed in (1, 2, 6, 9):
        plant(hub, f"EleutherAI/pythia-410m-seed{seed}", {512: None})
    hub.fail("pythia-410m-seed2/tree", status=429, times=1000, retry_after=301)

    first = audit(study_of(SEEDS), home)
    asked = {each.path.split("/")[4] for each in hub.asked("/tree/")}
    hub.recover()
    hub.forget()
    second = audit(study_of(SEEDS), home)

    assert [run.run_id for run in first.unasked] == [f"pythia-410m-seed{seed}" for seed in (2, 6, 9)]
    assert all("(429)" in (run.fault or "") for run in first.unasked)
    assert ["Not asked about" in (run.fault or "") for run in first.unasked] == [False, True, True]
    assert asked == {"pythia-410m-seed1", "pythia-410m-seed2"}
    assert len(last_findings(Record(home), "pythia-410m-seed1")) == 1
    assert second.unasked == []
    assert hub.asked("pythia-410m-seed1/tree") == []


def test_a_repository_that_is_not_there_is_told_and_the_others_are_audited(hub: LoopbackHub, home: Home) -> None:
    plant(hub, "EleutherAI/pythia-2.8b", {512: END, 143000: END})
    study = study_of({"pythia-31m": {"hub": "EleutherAI/pythia-31m"}, **LARGE})

    done = audit(study, home)

    assert [(run.run_id, "no such repository" in (run.fault or "")) for run in done.unasked] == [("pythia-31m", True)]
    assert len(done.findings["pythia-2.8b"]) == 2
    assert Record(home).latest("audits", "pythia-31m") is None


def test_files_of_a_gated_repository_are_listed_and_who_may_not_have_them_is_told(
    hub: LoopbackHub, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(hub, "EleutherAI/pythia-2.8b")
    hub.repository("EleutherAI/pythia-2.8b", gated="manual", readers={"hf_it"})
    runs = hub_runs_of(study_of(LARGE))

    (held,), without = look(runs, home), refusals(runs, home)
    monkeypatch.setenv("HF_TOKEN", "hf_it")

    assert len(held.holdings) == len(STEPS)
    assert "licence to be accepted" in without["EleutherAI/pythia-2.8b"].what
    assert refusals(runs, home) == {}
    assert "hf_it" not in str(hub.log)


def test_the_one_checkpoint_of_a_model_is_main_itself(hub: LoopbackHub, home: Home) -> None:
    hub.add("EleutherAI/pythia-1b", files(END), "main")
    hub.add("EleutherAI/pythia-1b-copy", files(END), "main")
    models = {name: {"hub": f"EleutherAI/{name}", "revisions": None} for name in ("pythia-1b", "pythia-1b-copy")}

    assert told(audit(study_of(models), home)) == {
        "identical": {("pythia-1b@main", False), ("pythia-1b-copy@main", False)}
    }


def test_evidence_leaves_out_what_is_suspect_until_the_repository_is_mended(hub: LoopbackHub, home: Home) -> None:
    put_facts(Record(home))
    for step in (0, 10):
        put_probe_run(Record(home), step, step / 100, f"k{step}")
        hub.add("org/fam-1-seed0", files(END), f"step{step}")
    study = study_of({"fam-1": {"hub": "org/fam-1-seed{seed}", "seeds": [0]}})
    query = "SELECT DISTINCT step FROM evidence ORDER BY ALL"

    before = published(home, query)
    audit(study, home)
    after = published(home, query)
    hub.add("org/fam-1-seed0", files(b"the beginning"), "step0")
    audit(study, home)

    assert (before, after, published(home, query)) == ([[(0,), (10,)]], [[(10,)]], [[(0,), (10,)]])


def test_a_study_without_a_hub_asks_for_nothing(hub: LoopbackHub, home: Home) -> None:
    done = audit(Study(name="own", families=["calibration-neox"], probes=["attention"]), home)

    assert (done.runs, done.new, hub.log) == ([], [], [])
