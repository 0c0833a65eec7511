"""What is due: which probes still have to run on which checkpoints. Torch-free: `status` and `run` plan at once.

The content-addressed cache key decides, not Dagster: a checkpoint whose bytes were measured by this version of a probe,
with these parameters, is done, wherever and whenever that was. Not here: doing it (measure.py).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from assets.models.runs import training_runs
from assets.models.sources import Planned, TrainingRun, source_named
from assets.probes.registry import Probe, canonical, probe_named
from assets.study import Study, digest
from catalog.record import Record

Hashes = tuple[str, str, str | None]
"""sha256 of weights, configuration and tokenizer (None where there is none)."""
DTYPE = "float32"
SAMPLE_SEED = 0


@dataclass(frozen=True)
class DueCheckpoint:
    """A checkpoint with what is to be done about it."""

    planned: Planned
    is_pinned: bool
    """Whether the record knows its bytes; else it is to be made or fetched."""
    probes: tuple[str, ...]


@dataclass(frozen=True)
class RunPlan:
    """A training run with its checkpoints, done or due."""

    run: TrainingRun
    checkpoints: tuple[DueCheckpoint, ...]

    @property
    def due(self) -> tuple[DueCheckpoint, ...]:
        return tuple(c for c in self.checkpoints if c.probes or not c.is_pinned)

    @property
    def n_tasks(self) -> int:
        """Checkpoints to make or fetch, and probe runs to do."""
        return sum(len(c.probes) + (not c.is_pinned) for c in self.checkpoints)


def plan(study: Study, record: Record) -> list[RunPlan]:
    """Every training run of a study, with what is due for each of its checkpoints."""
    wanted = [probe_named(name) for name in study.probes]
    finished = record.finished().keys()
    return [plan_run(run, wanted, record, finished) for run in training_runs(study)]


def plan_run(run: TrainingRun, probes: Sequence[Probe], record: Record, finished: Collection[str]) -> RunPlan:
    """One training run's plan; `finished` as Record.finished gives it."""
    checkpoints = []
    for planned in source_named(run.kind, run.run_id).plan(run):
        checkpoint_id = run.checkpoint_id(planned.label)
        weights = known_weights(record, checkpoint_id, planned.revision)
        due = [p for p in probes if weights is None or identity(checkpoint_id, weights, p, run.role) not in finished]
        checkpoints.append(DueCheckpoint(planned, weights is not None, tuple(p.name for p in due)))
    return RunPlan(run, tuple(checkpoints))


def known_weights(record: Record, checkpoint_id: str, revision: str) -> Hashes | None:
    """The hashes of a checkpoint, if the record has them for this revision."""
    rows = record.latest("checkpoints", checkpoint_id)
    for row in (rows or {}).get("checkpoint_weights", []):
        if row["revision"] == revision:
            return row["weights_sha256"], row["config_sha256"], row["tokenizer_sha256"]
    return None


def identity(checkpoint_id: str, weights: Hashes, probe: Probe, role: str) -> str:
    """`probe.cache key`, as Record.finished lists it."""
    return f"{probe.name}.{cache_key(checkpoint_id, weights, probe, role)}"


def cache_key(checkpoint_id: str, weights: Hashes, probe: Probe, role: str) -> str:
    """sha256 over all that decides the values; not device, batch size or library versions (advisories name those).

    The checkpoint is part of it: two checkpoints of equal bytes (step 0 of families that share a seed, or a suite's
    duplicates) each get measurements of their own.
    """
    content = {
        "checkpoint": checkpoint_id,
        "weights": weights[0],
        "config": weights[1],
        "tokenizer": weights[2],
        "probe": probe.name,
        "version": probe.version,
        "parameters": dict(probe.parameters(role)),
        "dtype": DTYPE,
        "sample_seed": SAMPLE_SEED,
    }
    return digest(canonical(content))[:40]
