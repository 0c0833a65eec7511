"""`run`: check the study, plan without torch, measure what is due in workers, publish, tell.

Nothing is started where nothing is due. Not here: the workers (workers.py), what is printed (show.py).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from assets.claims.schema import load_claims
from assets.models.parts import is_at_work_on
from assets.probes.plan import RunPlan, plan
from assets.publish.checks import faults
from assets.publish.due import publication_is_due
from assets.published import importer_named
from assets.study import Study, load_study
from catalog.errors import UserError
from catalog.home import Home
from catalog.record import Record
from pipelines import show, show_due
from pipelines.settings import use_defaults

if TYPE_CHECKING:
    from pipelines.workers import Finished


def checked(name: str) -> Study:
    """The study, with every name in it known: a fault is told before anything runs."""
    study = load_study(name)
    load_claims(study.claims)
    for published in study.published:
        importer_named(published.importer, where=name)
    return study


def run_study(name: str, n_workers: int, out: Console, err: Console, *, retry: bool = False) -> None:
    """Brings home, catalog and report up to a study; with `retry` what failed lastingly is tried again too.

    Raises:
        UserError: the study is faulty, newer code wrote the record, or publishing failed. Training runs that failed
            are told at the end, with exit status 1, after everything else was published.
    """
    home = use_defaults()
    Record(home).check_understood()
    study, before = checked(name), last_build(home)
    plans = plan(study, Record(home), retry=retry)
    due = [run for run in plans if run.due]
    failed: list[Finished] = []
    if due:
        failed = measure_due(name, study, due, home, n_workers, out, retry=retry)
    for published in study.published:
        if not Path(published.path).expanduser().exists():
            how = importer_named(published.importer).how_to_get
            out.print(f"Left out: {published.importer}, no folder {published.path}. To add it: {how}", highlight=False)
    if due or publication_is_due(home, study):
        publish_now(name, home, out)
    else:
        out.print("Nothing is due: everything was measured, decided and published before.")
    if given_up := show_due.given_up(plans):
        out.print(given_up)
    tell(home, before, failed, out, err)


def last_build(home: Home) -> int:
    """The number of the record's last build, 0 where there is none."""
    return max((int(name.removesuffix(".json")) for name in Record(home).store.names("builds")), default=0)


def publish_now(name: str, home: Home, out: Console) -> None:
    """Brings catalog and report up to the record.

    Raises:
        UserError: publishing failed.
    """
    from pipelines.execution import execute_publish

    with _status(out, "Deciding claims, publishing catalog and report"):
        fault = execute_publish(name)
    if fault:
        raise UserError("Publishing failed; the last catalog is untouched.", where=str(home.catalog), mend=fault)


def tell(home: Home, before: int, failed: list[Finished], out: Console, err: Console) -> None:
    """Verdicts, which of them moved in the builds after `before`, and what is wrong.

    Raises:
        SystemExit: training runs failed.
    """
    out.print(show.verdicts(home))
    moved = show.moves(home, before)
    if moved is not None:
        out.print(moved)
    out.print(f"Catalog  {home.catalog}", soft_wrap=True, highlight=False)
    out.print(f"Report   {home.reports / 'index.html'}", soft_wrap=True, highlight=False)
    out.print(show.NEXT_STEPS)
    for check, count in faults(home).items():
        err.print(f"[bold yellow]Check {check} found {count} faults[/]: `make ui` shows them at asset catalog.")
    if failed:
        for run in failed:
            err.print(f"[bold red]{run.run_id} failed:[/]", end=" ")
            err.print(run.fault, markup=False, highlight=False, soft_wrap=True)
        raise SystemExit(1)


def measure_due(
    name: str, study: Study, due: list[RunPlan], home: Home, n_workers: int, out: Console, *, retry: bool = False
) -> list[Finished]:
    """Measures training runs in workers, or on a cluster, with a progress bar; those that failed."""
    from pipelines.cluster import shares_of, spread_on_cluster
    from pipelines.execution import add_partitions, is_clustered
    from pipelines.workers import spread

    due = sorted(due, key=_longest_first)
    run_ids = [plan.run.run_id for plan in due]
    busy = [run_id for run_id in run_ids if is_at_work_on(home, run_id)]
    run_ids = [run_id for run_id in run_ids if run_id not in busy] + busy
    add_partitions(run_ids)
    shares = shares_of(due, Record(home)) if is_clustered() else []
    n_tasks = sum(plan.n_tasks for plan in due)
    where = f"{len(shares)} jobs for the Ray cluster" if shares else f"{n_workers} workers"
    n_checkpoints = sum(len(plan.due) for plan in due)
    out.print(f"Study {study.name}: {len(due)} training runs, {n_checkpoints} checkpoints due, {where}")
    if busy:
        named = f"{', '.join(busy[:3])}{' ...' if len(busy) > 3 else ''}"
        out.print(f"Another process is at work on {named}: waited for at the end, what it measures is not done again.")
    count = _Count(Record(home))
    already = count.now()
    with _progress(out) as progress:
        task = progress.add_task("measuring", total=n_tasks)

        def tick(done: Finished | None) -> None:
            progress.update(task, completed=min(n_tasks, count.now() - already))
            if done is not None:
                word = "failed" if done.fault else "done"
                progress.console.print(f"  {word}  {done.run_id}", highlight=False)

        if shares:
            finished = spread_on_cluster(shares, name, study.probe_names, tick, retry=retry)
        else:
            finished = spread(run_ids, name, study.probe_names, n_workers, tick, retry=retry)
    return [run for run in finished if run.fault]


def _longest_first(plan: RunPlan) -> tuple[bool, int]:
    """Language models before our own small ones, then by tasks: no worker is left with a long run at the end."""
    return plan.run.role != "natural", -plan.n_tasks


class _Count:
    """Checkpoints and probe runs recorded so far: progress is read from the record, whoever makes it.

    Counting takes a twentieth of the time at most, however slowly the record is listed.
    """

    def __init__(self, record: Record) -> None:
        self._record, self._n, self._next = record, 0, 0.0

    def now(self) -> int:
        started = time.monotonic()
        if started >= self._next:
            self._n = self._record.n_measured()
            ended = time.monotonic()
            self._next = ended + 20 * (ended - started)
        return self._n


def _progress(out: Console) -> Progress:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=out, disable=False)


@contextmanager
def _status(out: Console, text: str) -> Iterator[None]:
    if out.is_terminal:
        with out.status(text):
            yield
    else:
        out.print(text)
        yield
