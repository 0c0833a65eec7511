"""What is due is decided by bytes, probe and parameters, for each checkpoint by itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from assets.models.runs import training_runs
from assets.models.sources import TrainingRun, source_named
from assets.probes.plan import cache_key, known_weights, plan_run
from assets.probes.registry import probes
from assets.study import FamilySpec, Study
from catalog.home import Home
from catalog.record import Record
from tests.end_to_end.conftest import family, recipe

HASHES = ("w" * 64, "c" * 64, None)


def a_run() -> TrainingRun:
    content = family("small", {"calibration": recipe(seeds=[0])})
    return training_runs(Study(name="s", families=[FamilySpec.model_validate(content)], probes=["attention"]))[0]


def record_weights(record: Record, run: TrainingRun) -> None:
    for planned in source_named(run.kind, "").plan(run):
        checkpoint_id = run.checkpoint_id(planned.label)
        weights = {"revision": planned.revision, **dict(zip(NAMES, HASHES, strict=True))}
        record.put("checkpoints", checkpoint_id, {"checkpoint_weights": [weights]})


NAMES = ("weights_sha256", "config_sha256", "tokenizer_sha256")


def test_everything_is_due_before_any_bytes_are_known(tmp_path: Path) -> None:
    plan = plan_run(a_run(), list(probes().values()), Record(Home(tmp_path)), set())

    assert [checkpoint.probes for checkpoint in plan.due] == [tuple(probes())] * 3
    assert plan.n_tasks == 3 * (1 + len(probes()))


def test_checkpoints_of_equal_bytes_are_each_due(tmp_path: Path) -> None:
    run, record, attention = a_run(), Record(Home(tmp_path)), probes()["attention"]
    record_weights(record, run)
    done = {f"attention.{cache_key(run.checkpoint_id('step0'), HASHES, attention, run.role)}"}

    plan = plan_run(run, [attention], record, done)

    assert [checkpoint.planned.label for checkpoint in plan.due] == ["step10", "step20"]
    assert all(checkpoint.is_pinned for checkpoint in plan.due)


def test_another_version_of_a_probe_is_due_again(monkeypatch: pytest.MonkeyPatch) -> None:
    attention = probes()["attention"]
    before = cache_key("a@step0", HASHES, attention, "natural")

    monkeypatch.setattr(attention, "version", attention.version + 1)

    assert cache_key("a@step0", HASHES, attention, "natural") != before


def test_another_recipe_makes_known_weights_unknown(tmp_path: Path) -> None:
    run, record = a_run(), Record(Home(tmp_path))
    record_weights(record, run)

    assert known_weights(record, run.checkpoint_id("step0"), "another recipe") is None
