"""Why something is due: what changed since it was measured, or that it never was. For `status`; torch-free.

Read from the catalog, and from those entries of the record that it lacks. Not here: whether it is due (plan.py), what
it costs (costs.py).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from assets.probes.battery import Battery, Task
from assets.probes.plan import FETCHING, DueCheckpoint, RunPlan
from assets.probes.registry import Parameters, probe_named
from catalog.read import rows_or_none
from catalog.record import Record

LAST = """
    SELECT checkpoint_id, probe, sample_seed, weights_sha256, probe_version, CAST(parameters AS VARCHAR) AS parameters
    FROM probe_runs WHERE provenance = 'measured' AND status <> 'failed'
    ORDER BY since_build, probe_version, probe_run_id
"""


@dataclass(frozen=True)
class Past:
    """The last finished execution of a task on a checkpoint."""

    weights_sha256: str
    probe_version: int
    parameters: Mapping[str, Any]


History = Mapping[tuple[str, Task], Past]
"""By checkpoint and task."""


def history(record: Record) -> History:
    """The last finished execution of every task that was ever measured here."""
    found: dict[tuple[str, Task], Past] = {}
    known = {name for (name,) in rows_or_none(record.home, "SELECT probe_run_id FROM probe_runs") or []}
    for checkpoint_id, probe, seed, sha256, version, parameters in rows_or_none(record.home, LAST) or []:
        found[checkpoint_id, Task(probe, seed or 0)] = Past(sha256, version, json.loads(parameters))
    for row in record.probe_runs_beside(known):
        if row["provenance"] == "measured" and row["status"] != "failed":
            past = Past(row["weights_sha256"], row["probe_version"], json.loads(row["parameters"]))
            found[row["checkpoint_id"], Task(row["probe"], row["sample_seed"] or 0)] = past
    return found


def reasons(plan: RunPlan, battery: Battery, record: Record, past: History) -> dict[str, Counter[str]]:
    """By reason, the number of checkpoints by probe; those to make or fetch under the name `checkpoints`."""
    found: dict[str, Counter[str]] = {}
    for checkpoint in plan.due:
        checkpoint_id = plan.run.checkpoint_id(checkpoint.planned.label)
        weights = (record.latest("checkpoints", checkpoint_id) or {}).get("checkpoint_weights", [])
        if not checkpoint.is_pinned:
            found.setdefault(_why_had(checkpoint, bool(weights)), Counter())[FETCHING.probe] += 1
        told: dict[str, str] = {}
        for task in checkpoint.tasks:
            parameters = probe_named(task.probe).parameters(battery.setting(task, plan.run.role))
            sha256 = weights[0]["weights_sha256"] if weights and checkpoint.is_pinned else None
            told.setdefault(task.probe, _why(checkpoint, task, parameters, sha256, past.get((checkpoint_id, task))))
        for probe, reason in told.items():
            found.setdefault(reason, Counter())[probe] += 1
    return found


def _why_had(checkpoint: DueCheckpoint, was_known: bool) -> str:
    if FETCHING in checkpoint.failed:
        return "failed before, tried again"
    return "its recipe, files or commit changed" if was_known else "new"


def _why(checkpoint: DueCheckpoint, task: Task, parameters: Parameters, sha256: str | None, past: Past | None) -> str:
    probe = probe_named(task.probe)
    if task in checkpoint.failed:
        return "failed before, tried again"
    if past is None:
        return "retest never measured" if task.sample_seed else "never measured"
    if sha256 is None:
        return "weights may have changed: if so, measured again"
    if past.weights_sha256 != sha256:
        return "weights changed"
    if past.probe_version != probe.version:
        return f"probe version {past.probe_version} -> {probe.version}"
    changed = _changed(past.parameters, parameters)
    return changed or "configuration or tokenizer changed"


def _changed(before: Mapping[str, Any], after: Parameters) -> str:
    """`parameters changed: n_sequences 8 -> 16`; nothing where they are equal."""
    names = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
    told = ", ".join(f"{name} {before.get(name, 'unset')} -> {after.get(name, 'unset')}" for name in names)
    if names == ["corpus"]:
        return told.replace("corpus", "corpus changed:", 1)
    return f"parameters changed: {told}" if told else ""
