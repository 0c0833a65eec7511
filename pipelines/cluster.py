"""Training runs spread over a Ray cluster: each, or each part of a long one, is one Dagster run and one Ray job.

The counterpart of workers.py where Dagster's run launcher is dagster-ray's. Jobs write to the record, wherever this
process is; one whose node died is submitted again, and finds in the record what was done before. Not here: what a job
asks for (requests.py), how a training run is parted (assets/models/parts.py).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING

from assets.models.parts import N_SLOTS, TAG, WHOLE, Part, split
from catalog.errors import UserError
from pipelines.requests import Request, place, request_for
from pipelines.workers import Finished

if TYPE_CHECKING:
    from dagster import DagsterInstance

    from assets.probes.plan import RunPlan
    from catalog.record import Record

POLL_S = 1.0
MOST_ATTEMPTS = 3
"""Times that a job is submitted whose node dies each time."""
PER_PART = 16
"""Checkpoints due, below which a training run isn't parted further: each job loads libraries for some ten seconds."""
MOST_CHARACTERS = 300
"""Of what Ray says about a job that died: it adds the whole log."""
CALIBRATION = 1_000_000
"""Parameters taken for a calibration model that was not made yet; they have fewer."""


@dataclass(frozen=True)
class Share:
    """What one job measures."""

    run_id: str
    part: Part
    n_params: int | None

    def __str__(self) -> str:
        return self.run_id if self.part == WHOLE else f"{self.run_id}, part {self.part}"


@dataclass(frozen=True)
class _Job:
    share: Share
    request: Request
    attempt: int
    dagster_run_id: str = ""


def shares_of(due: Sequence[RunPlan], record: Record) -> list[Share]:
    """The jobs of training runs, in their order."""
    return [
        Share(plan.run.run_id, part, _n_params(plan, record))
        for plan in due
        for part in split(_n_parts(plan))
        if any(part.holds(checkpoint.planned.label) for checkpoint in plan.due)
    ]


def _n_parts(plan: RunPlan) -> int:
    """A power of two. A calibration run is one part: whoever wants its last checkpoint trains it from the first."""
    n_parts = 1
    while plan.run.kind != "calibration" and n_parts < N_SLOTS and len(plan.due) >= 2 * n_parts * PER_PART:
        n_parts *= 2
    return n_parts


def _n_params(plan: RunPlan, record: Record) -> int | None:
    """As the record has it from the weights, else as the family states it."""
    model = plan.run.model
    known = (record.latest("models", model.model_id) or {}).get("models", [{}])[0].get("n_params")
    return known or model.design.get("n_params") or (CALIBRATION if plan.run.kind == "calibration" else None)


def spread_on_cluster(
    shares: Sequence[Share],
    study: str,
    probes: Sequence[str],
    tick: Callable[[Finished | None], None],
    *,
    retry: bool = False,
) -> list[Finished]:
    """Measures training runs by jobs of the cluster that Dagster's run launcher names, as many at a time as it holds.

    Args:
        shares: what to measure; keys of partitions that exist.
        study: name or path of the study, as the nodes find it.
        probes: names of the probes to run.
        tick: called about once a second, with a share that has finished or None.
        retry: measure what failed lastingly too.

    Returns:
        One entry per share, in the order in which they finished.

    Raises:
        UserError: the cluster can't be reached.
    """
    from pipelines.execution import open_instance

    if Path(study).exists():
        study = str(Path(study).resolve())  # jobs have other working directories
    waiting = [(share, 1) for share in shares]
    running: list[_Job] = []
    finished: list[Finished] = []
    with open_instance() as instance, _reaching(instance):
        try:
            while waiting or running:
                nodes = _nodes(instance) if waiting else {}
                while waiting and (request := _request(waiting[0][0], nodes, running)) is not None:
                    share, attempt = waiting.pop(0)
                    running.append(_submit(instance, _Job(share, request, attempt), study, probes, retry))
                time.sleep(POLL_S)
                tick(None)
                for job in list(running):
                    over = _over(instance, job)
                    if over is None:
                        continue
                    running.remove(job)
                    if over.died and job.attempt < MOST_ATTEMPTS:
                        waiting.append((job.share, job.attempt + 1))
                        continue
                    finished.append(Finished(str(job.share), over.fault))
                    tick(finished[-1])
        finally:
            for job in running:
                instance.run_launcher.terminate(job.dagster_run_id)
    return finished


@dataclass(frozen=True)
class _Over:
    """The end of a job: what failed, and whether its process ended without saying so."""

    fault: str | None = None
    died: bool = False


def _request(share: Share, nodes: dict[str, Request], running: Sequence[_Job]) -> Request | None:
    """What the share's job asks for; None where it must wait for others to end."""
    request, free = request_for(share.n_params, list(nodes.values())), dict(nodes)
    for taken in (job.request for job in running):
        node = place(taken, free)
        if node:
            free[node] = free[node].minus(taken)
    return request if place(request, free) else None


def _submit(instance: DagsterInstance, job: _Job, study: str, probes: Sequence[str], retry: bool) -> _Job:
    from pipelines.execution import launch_measure

    part = {} if job.share.part == WHOLE else {TAG: str(job.share.part)}
    tags = {**part, "dagster-ray/config": json.dumps(job.request.configuration())}
    return replace(job, dagster_run_id=launch_measure(instance, job.share.run_id, study, probes, tags, retry=retry))


def _over(instance: DagsterInstance, job: _Job) -> _Over | None:
    """How a job ended, None while it runs."""
    from dagster._core.launcher import WorkerStatus

    from pipelines.execution import fault_of

    run = instance.get_run_by_id(job.dagster_run_id)
    assert run is not None
    health = None
    if not run.is_finished:
        health = instance.run_launcher.check_run_worker_health(run)
        if health.status in {WorkerStatus.RUNNING, WorkerStatus.UNKNOWN}:
            return None
        run = instance.get_run_by_id(job.dagster_run_id)  # it may have ended since
        assert run is not None
    if run.is_success:
        return _Over()
    if run.is_finished and (told := fault_of(instance, run.run_id)):
        return _Over(told)
    reason = shorten((health and health.msg) or "its process was ended", MOST_CHARACTERS)
    if not run.is_finished:
        instance.report_run_failed(run, reason)
    return _Over(
        f"The job died {job.attempt} times, the last time so: {reason}. What it had finished is kept; run the same "
        "command again for the rest.",
        died=True,
    )


def _nodes(instance: DagsterInstance) -> dict[str, Request]:
    """What each living node holds, by its id."""
    from ray.util.state import list_nodes

    address = instance.run_launcher.client.get_address()  # type: ignore[attr-defined]
    # dead nodes that the filter leaves out count as missing
    alive = list_nodes(address, filters=[("state", "=", "ALIVE")], limit=10_000, raise_on_missing_output=False)
    return {node.node_id: _held(node.resources_total) for node in alive}


def _held(resources: dict[str, float]) -> Request:
    return Request(resources.get("CPU", 0), int(resources.get("memory", 0)), resources.get("GPU", 0))


@contextmanager
def _reaching(instance: DagsterInstance) -> Iterator[None]:
    """What goes wrong between here and the cluster, as one message."""
    import requests
    from ray.util.state.exception import RayStateApiException

    try:
        yield
    except (ConnectionError, requests.RequestException, RayStateApiException) as error:
        raise UserError(
            f"The Ray cluster can't be reached: {error}",
            where=str(getattr(instance.run_launcher, "address", "")),
            mend="Check that the head node runs with its dashboard (`ray start --head`) and that "
            "RAY_API_SERVER_ADDRESS names it, http://HOST:8265.",
        ) from error
