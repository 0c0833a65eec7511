"""What is due: which probes still have to run on which checkpoints. Torch-free: `status` and `run` plan at once.

The content-addressed cache key decides, not Dagster: a checkpoint whose bytes were measured by this version of a probe,
with these parameters, is done, wherever and whenever that was. Not here: doing it (measure.py).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from assets.models.runs import training_runs
from assets.models.sources import Planned, TrainingRun, plan_each, source_named
from assets.probes.battery import Battery, Task, battery_of
from assets.probes.registry import Setting, canonical, probe_named
from assets.study import Study, digest
from catalog.record import Record

Hashes = tuple[str, str, str | None]
"""sha256 of weights, configuration and tokenizer (None where there is none)."""
DTYPE = "float32"


@dataclass(frozen=True)
class DueCheckpoint:
    """A checkpoint with what is to be done about it."""

    planned: Planned
    is_pinned: bool
    """Whether the record knows its bytes; else it is to be made or fetched."""
    tasks: tuple[Task, ...]


@dataclass(frozen=True)
class RunPlan:
    """A training run with its checkpoints, done or due."""

    run: TrainingRun
    checkpoints: tuple[DueCheckpoint, ...]

    @property
    def due(self) -> tuple[DueCheckpoint, ...]:
        return tuple(c for c in self.checkpoints if c.tasks or not c.is_pinned)

    @property
    def n_tasks(self) -> int:
        """Checkpoints to make or fetch, and probe runs to do."""
        return sum(len(c.tasks) + (not c.is_pinned) for c in self.checkpoints)


def plan(study: Study, record: Record) -> list[RunPlan]:
    """Every training run of a study, with what is due for each of its checkpoints."""
    battery = battery_of(study, record.home)
    finished, runs = record.finished().keys(), training_runs(study)
    listed = plan_each(runs, record.home)
    return [_plan_run(run, each, battery, record, finished) for run, each in zip(runs, listed, strict=True)]


def plan_run(run: TrainingRun, battery: Battery, record: Record, finished: Collection[str]) -> RunPlan:
    """One training run's plan; `finished` as Record.finished gives it."""
    listed = source_named(run.kind, run.run_id).plan(run, record.home)
    return _plan_run(run, listed, battery, record, finished)


def _plan_run(
    run: TrainingRun, listed: list[Planned], battery: Battery, record: Record, finished: Collection[str]
) -> RunPlan:
    checkpoints = []
    for planned in listed:
        checkpoint_id = run.checkpoint_id(planned.label)
        weights = known_weights(record, checkpoint_id, planned.revision)
        due = [
            task
            for task in battery.tasks(last=planned is listed[-1])
            if weights is None
            or identity(checkpoint_id, weights, task, battery.setting(task, run.role)) not in finished
        ]
        checkpoints.append(DueCheckpoint(planned, weights is not None, tuple(due)))
    return RunPlan(run, tuple(checkpoints))


def known_weights(record: Record, checkpoint_id: str, revision: str) -> Hashes | None:
    """The hashes of a checkpoint, if the record has them for this revision."""
    rows = record.latest("checkpoints", checkpoint_id)
    for row in (rows or {}).get("checkpoint_weights", []):
        if row["revision"] == revision:
            return row["weights_sha256"], row["config_sha256"], row["tokenizer_sha256"]
    return None


def identity(checkpoint_id: str, weights: Hashes, task: Task, setting: Setting) -> str:
    """`probe.cache key`, as Record.finished lists it."""
    return f"{task.probe}.{cache_key(checkpoint_id, weights, task, setting)}"


def cache_key(checkpoint_id: str, weights: Hashes, task: Task, setting: Setting) -> str:
    """sha256 over all that decides the values; not device, batch size or library versions (advisories name those).

    The checkpoint is part of it: two checkpoints of equal bytes (step 0 of families that share a seed, or a suite's
    duplicates) each get measurements of their own.
    """
    probe = probe_named(task.probe)
    content = {
        "checkpoint": checkpoint_id,
        "weights": weights[0],
        "config": weights[1],
        "tokenizer": weights[2],
        "probe": probe.name,
        "version": probe.version,
        "parameters": dict(probe.parameters(setting)),
        "dtype": DTYPE,
        "sample_seed": task.sample_seed,
    }
    return digest(canonical(content))[:40]
