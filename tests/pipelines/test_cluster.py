"""Jobs of a cluster: how training runs are parted, what is submitted again, what is told; Ray itself is played."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from dagster import DagsterRunStatus
from dagster._core.launcher import CheckRunHealthResult, WorkerStatus

from assets.models.parts import WHOLE, Part
from assets.models.sources import Planned, TrainingRun
from assets.probes.plan import DueCheckpoint, RunPlan
from assets.study import CheckpointChoice, ModelSpec
from catalog.errors import UserError
from catalog.home import Home
from catalog.record import Record
from pipelines import cluster, execution
from pipelines.cluster import MOST_ATTEMPTS, Share, shares_of, spread_on_cluster
from pipelines.requests import GIB, Request
from pipelines.settings import use_defaults

SHARES = [Share(f"run-{number}", WHOLE, 1_000_000) for number in range(3)]


@dataclass
class PlayedInstance:
    """Dagster's instance and its launcher at once: each job lives one poll, and ends as the script says."""

    ends: dict[str, list[str]]
    submitted: list[str] = field(default_factory=list)
    runs: dict[str, Any] = field(default_factory=dict)
    terminated: list[str] = field(default_factory=list)
    most_at_once: int = 0

    @property
    def run_launcher(self) -> PlayedInstance:
        return self

    def launch(self, _: object, run_id: str, *__: object, retry: bool) -> str:
        end = self.ends.get(run_id, ["success"])
        self.submitted.append(run_id)
        name = f"dagster-{len(self.submitted)}"
        status = {"success": DagsterRunStatus.SUCCESS, "failed": DagsterRunStatus.FAILURE}
        self.runs[name] = SimpleNamespace(
            run_id=name, status=status.get(end.pop(0) if len(end) > 1 else end[0], DagsterRunStatus.STARTED)
        )
        return name

    def get_run_by_id(self, name: str) -> Any:
        run = self.runs[name]
        self.most_at_once = max(self.most_at_once, sum(not run.__dict__.get("seen") for run in self.runs.values()))
        run.seen = True
        run.is_success = run.status == DagsterRunStatus.SUCCESS
        run.is_finished = run.status != DagsterRunStatus.STARTED
        return run

    def check_run_worker_health(self, _: object) -> CheckRunHealthResult:
        return CheckRunHealthResult(WorkerStatus.FAILED, "the node died " + "and so on " * 1000)

    def report_run_failed(self, run: Any, _: str) -> None:
        run.status = DagsterRunStatus.FAILURE

    def terminate(self, name: str) -> None:
        self.terminated.append(name)


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> PlayedInstance:
    instance = PlayedInstance({})

    @contextmanager
    def opened() -> Iterator[PlayedInstance]:
        yield instance

    monkeypatch.setattr(execution, "open_instance", opened)
    monkeypatch.setattr(execution, "launch_measure", instance.launch)
    monkeypatch.setattr(execution, "fault_of", lambda _, name: "a NaN")
    monkeypatch.setattr(cluster, "_reaching", lambda _: opened())
    monkeypatch.setattr(cluster, "_nodes", lambda _: {"a": Request(1, 8 * GIB, 0), "b": Request(1, 8 * GIB, 0)})
    monkeypatch.setattr(cluster, "POLL_S", 0)
    return instance


def spread(shares: list[Share] = SHARES) -> dict[str, str | None]:
    return {done.run_id: done.fault for done in spread_on_cluster(shares, "demo", ["attention"], lambda _: None)}


def test_no_more_jobs_are_submitted_than_the_nodes_hold(played: PlayedInstance) -> None:
    assert spread() == {"run-0": None, "run-1": None, "run-2": None}

    assert played.submitted == ["run-0", "run-1", "run-2"]
    assert played.most_at_once == 2


def test_a_job_that_died_is_submitted_again(played: PlayedInstance) -> None:
    played.ends["run-1"] = ["died", "died", "success"]

    assert spread()["run-1"] is None

    assert sorted(played.submitted) == ["run-0", *["run-1"] * 3, "run-2"]


def test_a_job_that_dies_each_time_is_told_in_a_few_words(played: PlayedInstance) -> None:
    played.ends["run-1"] = ["died"]

    fault = spread()["run-1"]

    assert played.submitted.count("run-1") == MOST_ATTEMPTS
    assert "the node died" in str(fault)
    assert len(str(fault)) < 600


def test_what_a_job_says_of_its_failure_is_told_and_not_tried_again(played: PlayedInstance) -> None:
    played.ends["run-1"] = ["failed"]

    assert spread() == {"run-0": None, "run-1": "a NaN", "run-2": None}
    assert played.submitted.count("run-1") == 1


def test_an_interrupted_run_ends_its_jobs(played: PlayedInstance, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        spread_on_cluster(SHARES, "demo", ["attention"], interrupt)

    assert played.terminated == ["dagster-1", "dagster-2"]


def plan_of(kind: str, n_checkpoints: int, **design: Any) -> RunPlan:
    model = ModelSpec(model_id="m", runs={kind: "x"}, design=design)
    run = TrainingRun("m-seed0", "fam", "natural", model, kind, None, 0, CheckpointChoice())
    planned = [Planned(f"step{n}", n, None, False, "r") for n in range(n_checkpoints)]
    return RunPlan(run, tuple(DueCheckpoint(each, False, ()) for each in planned))


@pytest.mark.parametrize(("kind", "n", "expected"), [("hub", 20, 1), ("hub", 154, 8), ("calibration", 154, 1)])
def test_long_runs_are_parted_unless_they_are_trained_here(kind: str, n: int, expected: int, tmp_path: Path) -> None:
    shares = shares_of([plan_of(kind, n)], Record(Home(tmp_path)))

    assert [share.part for share in shares] == [Part(number, expected) for number in range(1, expected + 1)]


def test_the_size_is_that_of_the_weights_where_they_were_seen(tmp_path: Path) -> None:
    record, plan = Record(Home(tmp_path)), plan_of("hub", 1, n_params=70_000_000)

    stated = shares_of([plan], record)
    record.put("models", "m", {"models": [{"model_id": "m", "n_params": 70_426_624}]})

    assert [share.n_params for share in (*stated, *shares_of([plan], record))] == [70_000_000, 70_426_624]


def test_a_configuration_that_does_not_fit_this_machine_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    launcher = {"module": "no_such_package", "class": "RayRunLauncher", "config": {}}
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump({"run_launcher": launcher}))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))

    with pytest.raises(UserError, match="no_such_package") as told:
        execution.is_clustered()

    assert told.value.where == str(tmp_path / "dagster.yaml")
    assert "make ray" in told.value.mend


def test_the_usual_configuration_measures_on_this_machine() -> None:
    use_defaults()

    assert not execution.is_clustered()
