"""Spreading runs over processes: real ones, whose work is a sentence of the test instead of a measurement."""

from __future__ import annotations

import os
import signal
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from pipelines import workers
from pipelines.workers import Finished, spread


def obedient(connection: Connection, study: str, probes: list[str], threads: int, retry: bool) -> None:
    """A worker that does with each run what its name says."""
    while (run_id := connection.recv()) is not None:
        if run_id == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if run_id == "leaves":
            raise SystemExit(3)
        connection.send(f"{study} {probes} {threads}" if run_id == "faulty" else None)


def stillborn(connection: Connection, study: str, probes: list[str], threads: int, retry: bool) -> None:
    """A worker that dies before it takes its first run."""
    os._exit(7)


def run(run_ids: list[str], n_workers: int) -> dict[str, str | None]:
    ticked: list[Finished | None] = []
    finished = spread(run_ids, "a-study", ["attention"], n_workers, ticked.append)
    assert [done for done in ticked if done is not None] == finished
    assert len(finished) == len(run_ids)
    return {done.run_id: done.fault for done in finished}


def test_a_fault_is_told_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_work", obedient)
    threads = max(1, (os.cpu_count() or 1) // 2)

    faults = run(["good", "faulty", "fine"], n_workers=2)

    assert faults == {"good": None, "faulty": f"a-study ['attention'] {threads}", "fine": None}


def test_a_worker_that_dies_loses_its_run_and_another_takes_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_work", obedient)

    faults = run(["good", "killed", "leaves", "fine"], n_workers=1)

    assert faults["good"] is None
    assert faults["fine"] is None
    assert "was killed by signal 9" in str(faults["killed"])
    assert "ended with status 3" in str(faults["leaves"])
    assert "run the same command again" in str(faults["killed"])


def test_workers_that_die_at_birth_end_in_a_fault_for_each_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_work", stillborn)

    faults = run(["one", "two"], n_workers=2)

    assert all("ended with status 7" in str(fault) for fault in faults.values())


def test_a_worker_of_ours_tells_what_failed_in_a_training_run(tiny_study: str, tmp_path: Path) -> None:
    from pipelines.execution import add_partitions
    from pipelines.settings import use_defaults

    use_defaults()
    add_partitions(["nobody-seed0"])

    finished = spread(["nobody-seed0"], tiny_study, ["attention"], 1, lambda done: None)

    assert [done.run_id for done in finished] == ["nobody-seed0"]
    assert "There is no training run 'nobody-seed0'" in str(finished[0].fault)
    assert "tiny-neox-model-seed0" in str(finished[0].fault)
