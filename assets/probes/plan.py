"""What is due: which probes still have to run on which checkpoints. Torch-free: `status` and `run` plan at once.

The content-addressed cache key decides, not Dagster: a checkpoint whose bytes were measured by this version of a probe,
with these parameters, is done, wherever and whenever that was. Not here: doing it (measure.py).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from assets.models.faults import FETCH, Failure, failures, fetch_identity
from assets.models.runs import training_runs
from assets.models.sources import Planned, TrainingRun, plan_each, source_named
from assets.probes.battery import Battery, Task, battery_of
from assets.probes.registry import Setting, canonical, probe_named
from assets.study import Study, digest
from catalog.record import Record

Hashes = tuple[str, str, str | None]
"""sha256 of weights, configuration and tokenizer (None where there is none)."""
DTYPE = "float32"
FETCHING = Task(FETCH)
"""Making or fetching a checkpoint, among tasks that failed."""


@dataclass(frozen=True)
class DueCheckpoint:
    """A checkpoint with what is to be done about it."""

    planned: Planned
    is_pinned: bool
    """Whether the record knows its bytes; else it is to be made or fetched."""
    tasks: tuple[Task, ...]
    failed: Mapping[Task, Failure] = field(default_factory=dict)
    """What failed when it was last tried; a task of the probe `checkpoints` stands for making or fetching."""

    @property
    def is_given_up(self) -> bool:
        """Whether it can't be had, and that lasts."""
        return FETCHING in self.failed and self.failed[FETCHING].is_lasting

    @property
    def is_due(self) -> bool:
        return bool(self.tasks) or not (self.is_pinned or self.is_given_up)


@dataclass(frozen=True)
class RunPlan:
    """A training run with its checkpoints, done or due."""

    run: TrainingRun
    checkpoints: tuple[DueCheckpoint, ...]

    @property
    def due(self) -> tuple[DueCheckpoint, ...]:
        return tuple(checkpoint for checkpoint in self.checkpoints if checkpoint.is_due)

    @property
    def n_tasks(self) -> int:
        """Checkpoints to make or fetch, and probe runs to do."""
        return sum(len(c.tasks) + (not c.is_pinned) for c in self.due)


@dataclass(frozen=True)
class Standing:
    """What the record holds of probe runs, by `probe.cache key`: those that are finished, and the last failures of
    those that are not."""

    finished: Collection[str] = ()
    failed: Mapping[str, Failure] = field(default_factory=dict)


def standing(record: Record, *, retry: bool = False) -> Standing:
    """What stands in the record; with `retry` no failure is lasting."""
    failed = failures(record)
    if retry:
        failed = {identity: replace(failure, is_lasting=False) for identity, failure in failed.items()}
    return Standing(record.finished().keys(), failed)


def plan(study: Study, record: Record, *, retry: bool = False) -> list[RunPlan]:
    """Every training run of a study, with what is due for each of its checkpoints.

    What failed lastingly is not due, unless `retry`.
    """
    battery = battery_of(study, record.home)
    stands = standing(record, retry=retry)
    runs = training_runs(study)
    listed = plan_each(runs, record.home)
    return [_plan_run(run, each, battery, record, stands) for run, each in zip(runs, listed, strict=True)]


def plan_run(run: TrainingRun, battery: Battery, record: Record, stands: Standing) -> RunPlan:
    """One training run's plan."""
    listed = source_named(run.kind, run.run_id).plan(run, record.home)
    return _plan_run(run, listed, battery, record, stands)


def _plan_run(
    run: TrainingRun, listed: Sequence[Planned], battery: Battery, record: Record, stands: Standing
) -> RunPlan:
    return RunPlan(run, tuple(_due(run, c, battery, record, stands, last=c is listed[-1]) for c in listed))


def _due(
    run: TrainingRun, planned: Planned, battery: Battery, record: Record, stands: Standing, *, last: bool
) -> DueCheckpoint:
    checkpoint_id, tasks = run.checkpoint_id(planned.label), battery.tasks(last=last)
    weights = known_weights(record, checkpoint_id, planned.revision)
    if weights is None:
        failure = stands.failed.get(fetch_identity(checkpoint_id, planned.revision))
        due = () if failure and failure.is_lasting else tuple(tasks)
        return DueCheckpoint(planned, is_pinned=False, tasks=due, failed={FETCHING: failure} if failure else {})
    keys = {task: identity(checkpoint_id, weights, task, battery.setting(task, run.role)) for task in tasks}
    failed = {task: stands.failed[key] for task, key in keys.items() if key in stands.failed}
    given_up = {task for task, failure in failed.items() if failure.is_lasting}
    due = tuple(task for task, key in keys.items() if key not in stands.finished and task not in given_up)
    return DueCheckpoint(planned, is_pinned=True, tasks=due, failed=failed)


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
