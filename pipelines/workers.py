"""Training runs spread over worker processes, each of which imports torch once and takes one run after the other.

Each training run is one Dagster run of job `measure`, so that it shows in the UI. A worker that is killed loses only
the checkpoint that it was at. Not here: what a run does (assets), what is due (assets/probes/plan.py).
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from assets.study import STUDY_VARIABLE

POLL_S = 0.25


@dataclass(frozen=True)
class Finished:
    """A training run that a worker is done with; `fault` says what failed, None = nothing did."""

    run_id: str
    fault: str | None


@dataclass
class _Worker:
    process: BaseProcess
    connection: Connection
    at: str | None = None


def spread(
    run_ids: Sequence[str],
    study: str,
    probes: Sequence[str],
    n_workers: int,
    tick: Callable[[Finished | None], None],
    *,
    retry: bool = False,
) -> list[Finished]:
    """Measures training runs with `n_workers` processes.

    Args:
        run_ids: keys of partitions that exist.
        study: name or path of the study.
        probes: names of the probes to run.
        n_workers: processes; no more than there are training runs.
        tick: called several times a second, with a run that has finished or None.
        retry: whether what failed lastingly is tried again.

    Returns:
        One entry per training run, in the order in which they finished.
    """
    tasks, finished = list(run_ids), []
    workers = [_start(study, list(probes), n_workers, retry) for _ in range(min(n_workers, len(tasks)))]
    try:
        for worker in workers:
            _give(worker, tasks)
        while busy := [worker for worker in workers if worker.at is not None]:
            handles = {h: w for w in busy for h in (w.connection, w.process.sentinel)}
            ready = {id(handles[h]): handles[h] for h in wait(list(handles), timeout=POLL_S)}  # type: ignore[index]
            tick(None)
            for worker in ready.values():
                done = _take(worker)
                finished.append(done)
                tick(done)
                if worker.process.is_alive():
                    _give(worker, tasks)
                elif tasks:
                    workers.append(_start(study, list(probes), n_workers, retry))
                    _give(workers[-1], tasks)
    finally:
        for worker in workers:
            _stop(worker)
    return finished


def _start(study: str, probes: list[str], n_workers: int, retry: bool) -> _Worker:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    threads = max(1, (os.cpu_count() or 1) // n_workers)
    process = context.Process(target=_work, args=(theirs, study, probes, threads, retry), daemon=True)
    process.start()
    theirs.close()
    return _Worker(process, ours)


def _give(worker: _Worker, tasks: list[str]) -> None:
    """The next run for a worker, or its end; a worker that is dead by now is told by `_take`."""
    worker.at = tasks.pop(0) if tasks else None
    with suppress(OSError):
        worker.connection.send(worker.at)


def _take(worker: _Worker) -> Finished:
    """The run that a worker reports; a fault where it died instead."""
    assert worker.at is not None
    run_id, worker.at = worker.at, None
    try:
        return Finished(run_id, worker.connection.recv())
    except (EOFError, OSError):
        worker.process.join()
        code = worker.process.exitcode or 0
        how = f"was killed by signal {-code}" if code < 0 else f"ended with status {code}"
        return Finished(
            run_id,
            f"The worker {how} (9 is often too little memory: try fewer --workers). What it had finished is kept; "
            "run the same command again for the rest.",
        )


def _stop(worker: _Worker) -> None:
    worker.connection.close()
    worker.process.join(timeout=5)
    if worker.process.is_alive():
        worker.process.terminate()
        worker.process.join()


def _work(connection: Connection, study: str, probes: list[str], threads: int, retry: bool) -> None:
    """A worker's life: take a run id, execute job `measure` for it, send what failed or None; None or a closed pipe
    ends it."""
    os.environ["OMP_NUM_THREADS"] = str(threads)
    os.environ[STUDY_VARIABLE] = study
    from pipelines.execution import execute_measure

    try:
        while (run_id := connection.recv()) is not None:
            connection.send(execute_measure(run_id, study, probes, retry=retry))
    except (EOFError, KeyboardInterrupt, BrokenPipeError):
        return
