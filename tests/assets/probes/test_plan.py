"""What is due is decided by bytes, probe and parameters, for each checkpoint by itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from assets.models.runs import training_runs
from assets.models.sources import TrainingRun, source_named
from assets.probes.battery import Battery, Task
from assets.probes.plan import cache_key, identity, known_weights, plan_run
from assets.probes.registry import Setting, probe_named
from assets.study import FamilySpec, ProbeChoice, Study
from catalog.home import Home
from catalog.record import Record
from tests.end_to_end.conftest import family, recipe

HASHES = ("w" * 64, "c" * 64, None)
TASK = Task("attention")


def battery(*probes: str | ProbeChoice, retest: bool = True) -> Battery:
    choices = [ProbeChoice(name=probe) if isinstance(probe, str) else probe for probe in probes]
    return Battery({choice.name: choice for choice in choices}, retest=retest)


def a_run() -> TrainingRun:
    content = family("small", {"calibration": recipe(seeds=[0])})
    return training_runs(Study(name="s", families=[FamilySpec.model_validate(content)], probes=["attention"]))[0]


def record_weights(record: Record, run: TrainingRun) -> None:
    for planned in source_named(run.kind, "").plan(run, record.home):
        checkpoint_id = run.checkpoint_id(planned.label)
        weights = {"revision": planned.revision, **dict(zip(NAMES, HASHES, strict=True))}
        record.put("checkpoints", checkpoint_id, {"checkpoint_weights": [weights]})


NAMES = ("weights_sha256", "config_sha256", "tokenizer_sha256")


def test_everything_is_due_before_any_bytes_are_known(tmp_path: Path) -> None:
    plan = plan_run(a_run(), battery("attention", "repeats"), Record(Home(tmp_path)), set())

    both = (Task("attention"), Task("repeats"))
    retests = (Task("attention", 1), Task("repeats", 1))
    assert [set(checkpoint.tasks) for checkpoint in plan.due] == [set(both), set(both), {*both, *retests}]
    assert plan.n_tasks == 3 + 6 + 2


def test_what_runs_on_final_checkpoints_is_due_on_the_last_one_alone() -> None:
    chosen = battery(ProbeChoice(name="attention", checkpoints="final"), retest=False)

    assert chosen.tasks(last=False) == []
    assert chosen.tasks(last=True) == [Task("attention")]


def test_checkpoints_of_equal_bytes_are_each_due(tmp_path: Path) -> None:
    run, record, chosen = a_run(), Record(Home(tmp_path)), battery("attention", retest=False)
    record_weights(record, run)
    done = {identity(run.checkpoint_id("step0"), HASHES, TASK, chosen.setting(TASK, run.role))}

    plan = plan_run(run, chosen, record, done)

    assert [checkpoint.planned.label for checkpoint in plan.due] == ["step10", "step20"]
    assert all(checkpoint.is_pinned for checkpoint in plan.due)


def test_another_version_of_a_probe_is_due_again(monkeypatch: pytest.MonkeyPatch) -> None:
    attention = probe_named("attention")
    before = cache_key("a@step0", HASHES, TASK, Setting("natural"))

    monkeypatch.setattr(type(attention), "version", attention.version + 1)

    assert cache_key("a@step0", HASHES, TASK, Setting("natural")) != before


def test_another_recipe_makes_known_weights_unknown(tmp_path: Path) -> None:
    run, record = a_run(), Record(Home(tmp_path))
    record_weights(record, run)

    assert known_weights(record, run.checkpoint_id("step0"), "another recipe") is None
