"""Executing the jobs inside this process, recorded in Dagster's instance so that they show in the UI.

Here: everything that the command line needs Dagster for. Imported late, since importing Dagster takes seconds.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from textwrap import shorten
from typing import Any

from dagster import AssetKey, DagsterEvent, DagsterEventType, DagsterInstance, ExecuteInProcessResult
from dagster._core.code_pointer import ModuleCodePointer
from dagster._core.origin import RepositoryPythonOrigin
from filelock import FileLock

from assets.partitions import training_runs
from assets.resources import Workspace
from catalog.errors import UserError
from pipelines.definitions import definitions

MOST_CHARACTERS = 300
INTERRUPTED = "DagsterExecutionInterruptedError"
MEASURE = RepositoryPythonOrigin(
    executable_path=sys.executable,
    code_pointer=ModuleCodePointer("pipelines.definitions", "definitions", working_directory=None),
    entry_point=[sys.executable, "-m", "dagster"],
).get_job_origin("measure")
"""The job as another machine loads it, where the environment stands at the same path."""


def add_partitions(run_ids: Sequence[str]) -> int:
    """Makes the training runs known as partitions; the number that were new."""
    assert training_runs.name is not None
    with open_instance() as instance:
        known = set(instance.get_dynamic_partitions(training_runs.name))
        new = [run_id for run_id in run_ids if run_id not in known]
        if new:
            instance.add_dynamic_partitions(training_runs.name, new)
    return len(new)


def execute_measure(run_id: str, study: str, probes: Sequence[str], *, retry: bool = False) -> str | None:
    """Measures one training run, with `retry` what failed lastingly too; what failed, or None."""
    selection = [AssetKey(name) for name in ("predictions", "checkpoints", *probes)]
    with open_instance() as instance:
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
    with open_instance() as instance:
        result = definitions.resolve_job_def("publish").execute_in_process(
            instance=instance, run_config=_configuration(study), tags={"study": study}, raise_on_error=False
        )
    return _fault(result)


@contextmanager
def open_instance() -> Iterator[DagsterInstance]:
    """Dagster's instance, opened one process at a time: each of its stores makes its tables at the first use.

    Raises:
        UserError: dagster.yaml doesn't fit this machine.
    """
    with _told_with_its_file(), FileLock(Path(os.environ["DAGSTER_HOME"]) / ".opening.lock"):
        instance = DagsterInstance.get()
        instance.get_runs_count()
        instance.get_dynamic_partitions(str(training_runs.name))
        instance.all_instigator_state()
    with instance:
        yield instance


@contextmanager
def _told_with_its_file() -> Iterator[None]:
    """Whatever Dagster raises of its configuration, as one message: a package or variable that is missing, a database
    that does not answer."""
    try:
        yield
    except Exception as error:
        raise UserError(
            f"Dagster can't be set up: {shorten(str(error), MOST_CHARACTERS)}",
            where=str(Path(os.environ["DAGSTER_HOME"]) / "dagster.yaml"),
            mend="For a Ray cluster: `make ray` installs what it needs, and the variables that the file names must be "
            "set. For this machine alone, delete the file: the next command writes the usual one.",
        ) from error


def _configuration(study: str, *, retry: bool = False) -> dict[str, Any]:
    workspace = Workspace(study_name=study, retry=retry)
    return {
        "resources": {"workspace": {"config": {"study_name": workspace.study_name, "retry": workspace.retry}}},
        "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
    }


def launch_measure(
    instance: DagsterInstance,
    run_id: str,
    study: str,
    probes: Sequence[str],
    tags: Mapping[str, str],
    *,
    retry: bool = False,
) -> str:
    """Hands one training run to the instance's run launcher; the id of the Dagster run."""
    run = instance.create_run_for_job(
        job_def=definitions.resolve_job_def("measure"),
        asset_selection={AssetKey(name) for name in ("predictions", "checkpoints", *probes)},
        run_config=_configuration(study, retry=retry),
        tags={"study": study, "dagster/partition": run_id, **tags},
        job_code_origin=MEASURE,
    )
    return instance.launch_run(run.run_id, workspace=None).run_id  # type: ignore[arg-type]  # the launcher needs none


def fault_of(instance: DagsterInstance, dagster_run_id: str) -> str:
    """What the steps of a finished Dagster run said of their failure; empty where they failed of nothing of their
    own, but were interrupted or their process ended."""
    logged = instance.all_logs(dagster_run_id, of_type=DagsterEventType.STEP_FAILURE)
    return "\n".join(_told(entry.get_dagster_event() for entry in logged))


def is_clustered() -> bool:
    """Whether Dagster's run launcher is the one that submits to a Ray cluster."""
    with open_instance() as instance, _told_with_its_file():
        return type(instance.run_launcher).__name__ == "RayRunLauncher"


def _fault(result: ExecuteInProcessResult) -> str | None:
    if result.success:
        return None
    failures = result.filter_events(lambda event: event.is_step_failure)
    return "\n".join(_told(failures)) or "Dagster's run failed; see it in the UI."


def _told(failures: Iterable[DagsterEvent]) -> list[str]:
    told = []
    for event in failures:
        data = event.step_failure_data
        if data.user_failure_data and data.user_failure_data.description:
            told.append(data.user_failure_data.description)
        elif data.error and data.error.cls_name != INTERRUPTED:
            cause = data.error.cause or data.error
            told.append(cause.message.strip())
    return told
