"""Measuring a training run: load each due checkpoint once, run all its due probes, record, go on to the next.

A checkpoint that fails is recorded with its reason and the others go on. Not here: what is due (plan.py), reading
weights (models/loading.py), the measurements themselves (one module per probe).
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from assets.models.ahead import hold_each
from assets.models.facts import SOURCE_ID, put_refused, source_row
from assets.models.faults import Fault, fault_of, told, versions_in_use
from assets.models.sources import Pinned, Refused, Say, TrainingRun
from assets.probes.battery import Battery, Task
from assets.probes.describe import highest
from assets.probes.plan import DTYPE, DueCheckpoint, cache_key
from assets.probes.registry import NotApplicable, Probe, Result, Setting, canonical, probe_named
from assets.probes.rows import frame_of, put_definitions
from catalog.home import Home
from catalog.record import Record, now

if TYPE_CHECKING:
    from assets.models.engine.loaded import LoadedModel


@dataclass
class Outcome:
    """What came of measuring a training run: rows and probe runs by probe, what failed by checkpoint (and whether one
    could not be had by a fault that may pass), and the highest value of each metric by probe and label."""

    n_rows: dict[str, int] = field(default_factory=dict)
    n_probe_runs: dict[str, int] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    may_pass: bool = False
    not_applicable: dict[str, str] = field(default_factory=dict)
    highest: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)

    def spoiled(self, probe: str) -> bool:
        """Whether a failure concerns the probe: its own, or that of a whole checkpoint."""
        return any(about.partition(" ")[2] in {"", probe} for about in self.failed)


def measure(
    run: TrainingRun,
    due: Sequence[DueCheckpoint],
    battery: Battery,
    home: Home,
    say: Say,
    dagster_run_id: str | None = None,
) -> Outcome:
    """Does all due probes of a training run's checkpoints."""
    record, outcome = Record(home), Outcome()
    wanted = {checkpoint.planned.label: checkpoint.tasks for checkpoint in due if checkpoint.tasks}
    planned = [checkpoint.planned for checkpoint in due if checkpoint.tasks]
    if planned:
        record.put("sources", SOURCE_ID, {"sources": [source_row()]})
    for number, had in enumerate(hold_each(run, planned, home, say), start=1):
        checkpoint_id = run.checkpoint_id(had.planned.label)
        if isinstance(had, Refused):
            outcome.failed[checkpoint_id] = had.reason
            outcome.may_pass |= not had.lasting
            put_refused(record, run, had, dagster_run_id)
            continue
        _measure_checkpoint(run, had, wanted[had.planned.label], battery, record, outcome, dagster_run_id)
        say(f"{checkpoint_id} measured ({number} of {len(planned)})")
    return outcome


def _measure_checkpoint(
    run: TrainingRun,
    pinned: Pinned,
    tasks: Sequence[Task],
    battery: Battery,
    record: Record,
    outcome: Outcome,
    dagster_run_id: str | None,
) -> None:
    from assets.models.loading import load

    checkpoint_id = run.checkpoint_id(pinned.planned.label)
    hashes = (pinned.weights_sha256, pinned.config_sha256, pinned.tokenizer_sha256)
    model: LoadedModel | None = None
    reason: str | None = None
    fault: Fault | None = None
    try:
        model = load(
            pinned.folder, checkpoint_id=checkpoint_id, role=run.role, activation_bytes=battery.activation_bytes
        )
    except Exception as error:
        reason, fault = told(error), fault_of(error)
    for task in tasks:
        probe, setting = probe_named(task.probe), battery.setting(task, run.role)
        started, clock, cpu = now(), time.perf_counter(), time.process_time()
        status, result = ("failed", None) if model is None else ("ok", None)
        if model is not None:
            status, reason, fault, result = _run_probe(probe, model, setting)
        row = {
            "checkpoint_id": checkpoint_id,
            "weights_sha256": pinned.weights_sha256,
            "probe": probe.name,
            "probe_version": probe.version,
            "parameters": canonical(probe.parameters(setting)),
            "provenance": "measured",
            "source_id": SOURCE_ID,
            "status": status,
            "reason": reason,
            "fault": fault,
            "sample_seed": task.sample_seed,
            "dtype": DTYPE,
            "device": str(model.device) if model else None,
            "attention_implementation": result.attention_implementation if result else None,
            "notes": canonical(result.notes) if result else None,
            "versions": canonical(versions_in_use()),
            "started_at": started,
            "duration_s": round(time.perf_counter() - clock, 4),
            "cpu_s": round(time.process_time() - cpu, 4),
            "peak_memory_bytes": peak_memory_bytes(),
            "dagster_run_id": dagster_run_id,
            "cache_key": cache_key(checkpoint_id, hashes, task, setting),
        }
        measurements = result.measurements if result else []
        put_definitions(record, probe.metrics, measurements)
        record.put_probe_run(row, frame_of(measurements), result.arrays if result else None)
        _note(outcome, f"{checkpoint_id} {task.probe}", task.probe, status, reason, len(measurements))
        if measurements and task.sample_seed == 0:
            outcome.highest.setdefault(task.probe, {})[pinned.planned.label] = highest(measurements)


def _run_probe(
    probe: Probe, model: LoadedModel, setting: Setting
) -> tuple[str, str | None, Fault | None, Result | None]:
    """Status, reason, fault and result."""
    try:
        return "ok", None, None, probe.measure(model, setting)
    except NotApplicable as why:
        return "not_applicable", str(why), None, None
    except Exception as error:
        return "failed", told(error), fault_of(error), None


def _note(outcome: Outcome, about: str, probe: str, status: str, reason: str | None, n_rows: int) -> None:
    outcome.n_probe_runs[probe] = outcome.n_probe_runs.get(probe, 0) + 1
    outcome.n_rows[probe] = outcome.n_rows.get(probe, 0) + n_rows
    if status == "failed":
        outcome.failed[about] = reason or "unknown"
    elif status == "not_applicable":
        outcome.not_applicable[about] = reason or "unknown"


def peak_memory_bytes() -> int:
    """Peak resident memory of this process so far, bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
