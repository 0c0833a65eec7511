"""What is due is decided by bytes, probe and parameters, for each checkpoint by itself."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from assets.models.facts import to_be_tried
from assets.models.faults import Failure, fetch_identity
from assets.models.runs import training_runs
from assets.models.sources import TrainingRun, source_named
from assets.probes.battery import Battery, Task
from assets.probes.corpora import Corpus
from assets.probes.plan import Standing, cache_key, identity, known_weights, plan_run
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
    plan = plan_run(a_run(), battery("attention", "repeats"), Record(Home(tmp_path)), Standing())

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

    plan = plan_run(run, chosen, record, Standing(done))

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


def all_done(run: TrainingRun, chosen: Battery) -> set[str]:
    """What the record would hold once the battery was measured on every checkpoint."""
    return {
        identity(run.checkpoint_id(planned.label), HASHES, task, chosen.setting(task, run.role))
        for planned in source_named(run.kind, "").plan(run, Home(Path("nowhere")))
        for task in chosen.tasks(last=planned.is_final)
    }


def due(run: TrainingRun, chosen: Battery, record: Record, done: set[str]) -> set[str]:
    """Names of the probes that are due on some checkpoint."""
    return {task.probe for c in plan_run(run, chosen, record, Standing(done)).due for task in c.tasks}


EVERY = ("attention", "repeats", "text_attention", "text_loss", "copying")


def test_a_changed_probe_asks_for_its_own_measurements_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, record, chosen = a_run(), Record(Home(tmp_path)), battery(*EVERY)
    record_weights(record, run)
    done = all_done(run, chosen)
    assert due(run, chosen, record, done) == set()

    options = ProbeChoice(name="attention", options={"n_sequences": 7})
    assert due(run, battery(options, *EVERY[1:]), record, done) == {"attention"}

    monkeypatch.setattr(type(probe_named("repeats")), "version", 99)
    assert due(run, chosen, record, done) == {"repeats"}


def test_a_changed_corpus_asks_for_the_text_probes_alone(tmp_path: Path) -> None:
    run, record, chosen = a_run(), Record(Home(tmp_path)), battery(*EVERY)
    record_weights(record, run)
    (tmp_path / "walk.txt").write_text("A walk in the wood.")
    other = replace(chosen, corpus=Corpus.of_file(tmp_path / "walk.txt"))

    assert due(run, other, record, all_done(run, chosen)) == {"repeats", "text_attention", "text_loss"}


def test_a_lasting_failure_is_not_due_and_a_passing_one_is(tmp_path: Path) -> None:
    run, record, chosen = a_run(), Record(Home(tmp_path)), battery("attention", retest=False)
    record_weights(record, run)
    keys = [
        identity(run.checkpoint_id(label), HASHES, TASK, chosen.setting(TASK, run.role))
        for label in ("step0", "step10")
    ]
    failed = {keys[0]: Failure("NaN", is_lasting=True), keys[1]: Failure("no memory", is_lasting=False)}

    plan = plan_run(run, chosen, record, Standing((), failed))

    assert [checkpoint.planned.label for checkpoint in plan.due] == ["step10", "step20"]
    assert plan.checkpoints[0].failed == {TASK: failed[keys[0]]}


def test_what_lastingly_cannot_be_had_is_not_due(tmp_path: Path) -> None:
    run = a_run()
    first, *_ = source_named(run.kind, "").plan(run, Home(Path("nowhere")))
    failed = {fetch_identity(run.checkpoint_id("step0"), first.revision): Failure("a pickle", is_lasting=True)}

    plan = plan_run(run, battery("attention"), Record(Home(tmp_path)), Standing((), failed))

    assert [checkpoint.planned.label for checkpoint in plan.due] == ["step10", "step20"]
    assert to_be_tried(run, source_named(run.kind, "").plan(run, Home(Path("nowhere"))), failed)[0].label == "step10"


def test_files_that_were_moved_are_still_known(tmp_path: Path) -> None:
    (tmp_path / "a" / "step1").mkdir(parents=True)
    (tmp_path / "a" / "step1" / "model.safetensors").write_bytes(b"1")

    def planned(place: Path) -> str:
        content = family("mine", {"local": str(place)})
        (run,) = training_runs(Study(name="s", families=[FamilySpec.model_validate(content)], probes=["attention"]))
        return source_named("local", "").plan(run, Home(tmp_path))[0].revision

    before = planned(tmp_path / "a")
    shutil.move(tmp_path / "a", tmp_path / "b")
    assert planned(tmp_path / "b") == before

    (tmp_path / "b" / "step1" / "model.safetensors").write_bytes(b"12")
    assert planned(tmp_path / "b") != before
