"""Each thing that is due has its reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from assets.models.faults import Failure
from assets.probes.battery import Battery, Task
from assets.probes.corpora import Corpus
from assets.probes.plan import FETCHING, DueCheckpoint, RunPlan
from assets.probes.registry import canonical, probe_named
from assets.probes.why import history, reasons
from assets.study import ProbeChoice
from catalog.home import Home
from catalog.record import Record
from tests.assets.probes.test_plan import HASHES, a_run, record_weights

RUN = a_run()
TASK = Task("text_loss")
BATTERY = Battery({"text_loss": ProbeChoice(name="text_loss")})


@pytest.fixture
def record(tmp_path: Path) -> Record:
    """The weights are known."""
    record = Record(Home(tmp_path))
    record_weights(record, RUN)
    return record


def measured(record: Record, **changes: Any) -> None:
    row = {
        "checkpoint_id": RUN.checkpoint_id("step0"),
        "weights_sha256": HASHES[0],
        "probe": TASK.probe,
        "probe_version": probe_named(TASK.probe).version,
        "parameters": canonical(probe_named(TASK.probe).parameters(BATTERY.setting(TASK, RUN.role))),
        "provenance": "measured",
        "status": "ok",
        "sample_seed": 0,
        "cache_key": "k",
    }
    record.put_probe_run({**row, **changes}, None)


def why(record: Record, battery: Battery = BATTERY, **changes: Any) -> dict[str, dict[str, int]]:
    from assets.models.sources import source_named

    first = source_named(RUN.kind, "").plan(RUN, record.home)[0]
    due = DueCheckpoint(**{"planned": first, "is_pinned": True, "tasks": (TASK,), **changes})
    return {k: dict(v) for k, v in reasons(RunPlan(RUN, (due,)), battery, record, history(record)).items()}


def test_what_was_never_measured(record: Record) -> None:
    assert why(record) == {"never measured": {"text_loss": 1}}
    assert why(record, tasks=(Task("text_loss", 1),)) == {"retest never measured": {"text_loss": 1}}


def test_a_new_version_of_the_probe(record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    measured(record, probe_version=1)
    monkeypatch.setattr(type(probe_named("text_loss")), "version", 2)

    assert why(record) == {"probe version 1 -> 2": {"text_loss": 1}}


def test_other_weights_and_another_configuration(record: Record) -> None:
    measured(record, weights_sha256="other")
    assert list(why(record)) == ["weights changed"]

    measured(record)
    assert list(why(record)) == ["configuration or tokenizer changed"]


def test_another_corpus_and_other_parameters(record: Record, tmp_path: Path) -> None:
    measured(record)
    (tmp_path / "walk.txt").write_text("A walk in the wood.")
    other = Battery(BATTERY.choices, Corpus.of_file(tmp_path / "walk.txt"))
    (reason,) = why(record, other)
    assert reason.startswith("corpus changed: alice-")
    assert "-> walk-" in reason

    measured(record, parameters=canonical({"n": 4}))
    (reason,) = why(record)
    assert reason.startswith("parameters changed: ")
    assert "n 4 -> unset" in reason


def test_what_failed_before(record: Record) -> None:
    measured(record, status="failed")

    assert list(why(record, failed={TASK: Failure("the disk was full", is_lasting=False)})) == [
        "failed before, tried again"
    ]


def test_what_is_to_be_had(record: Record, tmp_path: Path) -> None:
    empty = Record(Home(tmp_path / "empty"))
    failed = {FETCHING: Failure("no network", is_lasting=False)}

    assert why(empty, is_pinned=False, tasks=()) == {"new": {"checkpoints": 1}}
    assert why(record, is_pinned=False, tasks=()) == {"its recipe, files or commit changed": {"checkpoints": 1}}
    assert why(empty, is_pinned=False, tasks=(), failed=failed) == {"failed before, tried again": {"checkpoints": 1}}


def test_probes_whose_weights_may_have_changed(record: Record) -> None:
    measured(record)

    assert why(record, is_pinned=False)["weights may have changed: if so, measured again"] == {"text_loss": 1}
