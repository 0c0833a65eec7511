"""Executing the jobs inside this process, recorded in Dagster's instance so that they show in the UI.

Here: everything that the command line needs Dagster for. Imported late, since importing Dagster takes seconds.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dagster import AssetKey, DagsterInstance, ExecuteInProcessResult
from filelock import FileLock

from assets.partitions import training_runs
from assets.resources import Workspace
from pipelines.definitions import definitions


def add_partitions(run_ids: Sequence[str]) -> int:
    """Makes the training runs known as partitions; the number that were new."""
    assert training_runs.name is not None
    with _instance() as instance:
        known = set(instance.get_dynamic_partitions(training_runs.name))
        new = [run_id for run_id in run_ids if run_id not in known]
        if new:
            instance.add_dynamic_partitions(training_runs.name, new)
    return len(new)


def execute_measure(run_id: str, study: str, probes: Sequence[str], *, retry: bool = False) -> str | None:
    """Measures one training run, with `retry` what failed lastingly too; what failed, or None."""
    selection = [AssetKey(name) for name in ("checkpoints", *probes)]
    with _instance() as instance:
        result = definitions.resolve_job_def("measure").execute_in_process(
            instance=instance,
            partition_key=run_id,
            asset_selection=selection,
            run_config=_configuration(study, retry=retry),
            tags={"study": study},
            raise_on_error=False,
        )
    return _fault(result)


def execute_publish(study: str) -> str | None:
    """Publishes; what failed, or None."""
    with _instance() as instance:
        result = definitions.resolve_job_def("publish").execute_in_process(
            instance=instance, run_config=_configuration(study), tags={"study": study}, raise_on_error=False
        )
    return _fault(result)


@contextmanager
def _instance() -> Iterator[DagsterInstance]:
    """Dagster's instance, opened one process at a time: each of its stores makes its tables at the first use."""
    with FileLock(Path(os.environ["DAGSTER_HOME"]) / ".opening.lock"):
        instance = DagsterInstance.get()
        instance.get_runs_count()
        instance.get_dynamic_partitions(str(training_runs.name))
        instance.all_instigator_state()
    with instance:
        yield instance


def _configuration(study: str, *, retry: bool = False) -> dict[str, Any]:
    workspace = Workspace(study_name=study, retry=retry)
    return {
        "resources": {"workspace": {"config": {"study_name": workspace.study_name, "retry": workspace.retry}}},
        "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
    }


def _fault(result: ExecuteInProcessResult) -> str | None:
    if result.success:
        return None
    told = []
    for event in result.filter_events(lambda event: event.is_step_failure):
        data = event.step_failure_data
        if data.user_failure_data and data.user_failure_data.description:
            told.append(data.user_failure_data.description)
        elif data.error:
            cause = data.error.cause or data.error
            told.append(cause.message.strip())
    return "\n".join(told) or "Dagster's run failed; see it in the UI."
