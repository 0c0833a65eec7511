"""Audits and advisories in the record and the catalog: what stands, what is withdrawn, what is not said twice."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from assets.models.audit import recording
from assets.models.audit.findings import find
from assets.models.audit.holdings import RunHoldings
from assets.models.audit.recording import last_findings, put_audit, with_unasked
from catalog.build import finish, publishing, rebuild, stage
from catalog.home import Home
from catalog.read import open_catalog
from catalog.record import Record
from tests.assets.models.audit.by_hand import run_holding

FAULTY = {0: "a", 512: "z", 1000: None, 143000: "z"}
MENDED = {0: "a", 512: "b", 1000: "c", 143000: "z"}
FINDINGS = "SELECT checkpoint_id, finding, suspect FROM current_audit_findings ORDER BY ALL"
IN_FORCE = "SELECT advisory_id FROM current_advisories ORDER BY ALL"


@pytest.fixture
def record(home: Home) -> Record:
    return Record(home)


def audited(record: Record, *runs: RunHoldings) -> list[bool]:
    found = find(runs)
    return [
        put_audit(record, run, with_unasked(found[run.run_id], last_findings(record, run.run_id), runs)) for run in runs
    ]


def published(home: Home, *queries: str) -> list[list[tuple[Any, ...]]]:
    with publishing(home):
        finish(home, stage(home))
    return read(home, queries)


def read(home: Home, queries: Iterable[str]) -> list[list[tuple[Any, ...]]]:
    with open_catalog(home) as connection:
        return [connection.execute(query).fetchall() for query in queries]


def test_findings_and_advisories_stand_in_the_catalog_and_again_after_a_rebuild(home: Home, record: Record) -> None:
    audited(record, run_holding("pythia-2.8b", FAULTY, "z"))

    findings, advisories = published(home, FINDINGS, IN_FORCE)
    rebuild(home)

    assert findings == [
        ("pythia-2.8b@step1000", "no_weights", False),
        ("pythia-2.8b@step143000", "identical", False),
        ("pythia-2.8b@step512", "identical", True),
    ]
    assert advisories == [("audit-pythia-2.8b-identical",), ("audit-pythia-2.8b-no-weights",)]
    assert read(home, [FINDINGS, IN_FORCE]) == [findings, advisories]


@pytest.mark.parametrize("publish_between", [True, False])
def test_what_was_mended_is_gone_and_its_advisory_withdrawn(home: Home, record: Record, publish_between: bool) -> None:
    audited(record, run_holding("pythia-2.8b", FAULTY, "z"))
    if publish_between:
        published(home)

    new = audited(record, run_holding("pythia-2.8b", MENDED, "z"))

    assert new == [True]
    assert published(home, FINDINGS, IN_FORCE) == [[], []]
    assert read(home, ["SELECT n_findings FROM audits ORDER BY audit_id"]) == [[(3,), (0,)]]


def test_an_audit_that_finds_the_same_adds_nothing(home: Home, record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    audited(record, run_holding("pythia-2.8b", FAULTY, "z"))
    before = record.paths()
    monkeypatch.setattr(recording, "now", lambda: "2099-01-01T00:00:00")

    assert audited(record, run_holding("pythia-2.8b", FAULTY, "z")) == [False]
    assert record.paths() == before


def test_the_day_on_which_a_fault_was_known_stays_while_it_stands(
    record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "now", lambda: "2026-01-01T00:00:00")
    audited(record, run_holding("pythia-2.8b", FAULTY, "z"))
    monkeypatch.setattr(recording, "now", lambda: "2026-02-02T00:00:00")
    audited(record, run_holding("pythia-2.8b", {**FAULTY, 1000: "c"}, "z"))

    (identical,) = (record.latest("advisories", "audit-pythia-2.8b-identical") or {})["advisories"]
    (audit,) = (record.latest("audits", "pythia-2.8b") or {})["audits"]
    assert identical["known_on"] == "2026-01-01"
    assert audit["audited_on"] == "2026-02-02"


def test_bytes_shared_with_a_run_that_was_not_asked_about_stay_found_until_they_change(record: Record) -> None:
    first, second = (run_holding(f"pythia-70m-seed{seed}", {0: f"{seed}", 8: "x"}) for seed in (1, 2))
    audited(record, first, second)

    alone = audited(record, first)
    mended = audited(record, run_holding("pythia-70m-seed1", {0: "1", 8: "y"}))

    assert (alone, mended) == ([False], [True])
    assert last_findings(record, "pythia-70m-seed1") == []


def test_equal_bytes_of_checkpoints_that_are_held_are_seen_without_a_hub(home: Home, record: Record) -> None:
    put_held(record, {0: "a", 1: "a", 2: "b"})

    (rows,) = published(home, "SELECT checkpoint_ids, n_runs, first_step, last_step FROM same_weights")

    assert rows == [(["fam-1-seed0@step0", "fam-1-seed0@step1"], 1, 0, 1)]


def put_held(record: Record, weights: dict[int, str]) -> None:
    record.put("families", "fam", {"families": [{"family_id": "fam", "role": "natural"}]})
    record.put("models", "fam-1", {"models": [{"model_id": "fam-1", "family_id": "fam"}]})
    record.put("training_runs", "fam-1-seed0", {"training_runs": [{"run_id": "fam-1-seed0", "model_id": "fam-1"}]})
    for step, sha256 in weights.items():
        row = {
            "checkpoint_id": f"fam-1-seed0@step{step}", "run_id": "fam-1-seed0", "label": f"step{step}", "step": step,
            "is_final": False, "availability": "available", "weights_sha256": sha256,
        }  # fmt: skip
        record.put("checkpoints", str(row["checkpoint_id"]), {"checkpoints": [row]})
