"""What `status` prints: what is due, why, at what cost, and what failed. Not here: finding it out (assets/probes)."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Column, Table
from rich.text import Text

from assets.models.faults import FETCH, Failure
from assets.probes.battery import battery_of
from assets.probes.costs import Cost, cost_of, rates, total
from assets.probes.plan import RunPlan, plan
from assets.probes.why import history, reasons
from assets.study import Study
from catalog.home import Home
from catalog.record import Record

MOST_NAMED = 3
"""Training runs or checkpoints that are named beside a reason."""


def status(study: Study, home: Home, n_workers: int) -> Group:
    """A study's training runs with what is done and due, why and at what cost; and what failed."""
    record = Record(home)
    plans = plan(study, record)
    due = [each for each in plans if each.due]
    costs = _costs(due, home)
    table = Table("training run", "source", "checkpoints", "due", "cost", title="What is due")
    for each in plans:
        n_due = str(len(each.due)) if each.due else Text("none", style="dim")
        cost = _of_run(costs[each.run.run_id]) if each.due else ""
        table.add_row(each.run.run_id, each.run.kind, str(len(each.checkpoints)), n_due, cost)
    n_checkpoints = sum(len(each.due) for each in due)
    blocks: list[RenderableType] = [
        table,
        Text(f"{n_checkpoints} checkpoints due in {len(due)} of {len(plans)} training runs"),
    ]
    if due:
        blocks += [_why(study, due, record), _in_all(total(costs.values(), n_workers), n_workers)]
    return Group(*blocks, *_failed(plans))


def _costs(due: Iterable[RunPlan], home: Home) -> dict[str, Cost]:
    """By training run."""
    known = rates(home)
    return {each.run.run_id: cost_of(each, known, home) for each in due}


def _of_run(cost: Cost) -> str:
    return _told_cost(cost) + (" + unknown" if _told_cost(cost) else "unknown") * bool(cost.unknown)


def _told_cost(cost: Cost, how: str = "") -> str:
    """`about 12 min with 2 workers, 3.4 GB to fetch`, as far as known."""
    parts = [f"about {_duration(cost.seconds)}{how}"] if cost.seconds else []
    parts += [f"{_size(cost.bytes)} to fetch"] if cost.bytes else []
    return ", ".join(parts)


def _in_all(cost: Cost, n_workers: int) -> Text:
    known = _told_cost(cost, f" with {n_workers} worker{'s' * (n_workers > 1)}")
    unknown = f"Not known, since nothing like it was done here before: {', '.join(sorted(cost.unknown))}."
    return Text("\n".join([f"In all: {known}"] * bool(known) + [unknown] * bool(cost.unknown)))


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{math.ceil(seconds)} s"
    return f"{math.ceil(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _size(n_bytes: int) -> str:
    return f"{n_bytes / 1e9:,.1f} GB" if n_bytes >= 1e8 else f"{n_bytes / 1e6:,.1f} MB"


# Why


def _why(study: Study, due: Iterable[RunPlan], record: Record) -> Table:
    """A row per reason: why, what on how many checkpoints, in which training runs."""
    battery, past = battery_of(study, record.home), history(record)
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    runs: dict[str, list[str]] = defaultdict(list)
    for each in due:
        for reason, found in reasons(each, battery, record, past).items():
            counts[reason].update(found)
            runs[reason].append(each.run.run_id)
    table = Table(*(Column(name, overflow="fold") for name in ("why", "what", "training runs")), title="Why")
    for reason, found in counts.items():
        table.add_row(Text(reason), Text(_what(found)), Text(_named(runs[reason])))
    return table


def _what(counts: Mapping[str, int]) -> str:
    """`3 to make or fetch`, or `attention, repeats on 3`."""
    by_number: dict[int, list[str]] = defaultdict(list)
    for probe, n in counts.items():
        if probe != FETCH:
            by_number[n].append(probe)
    to_make = [f"{counts[FETCH]} to make or fetch"] if counts.get(FETCH) else []
    return "\n".join(to_make + [f"{', '.join(probes)} on {n}" for n, probes in by_number.items()])


def _named(names: Sequence[str]) -> str:
    """The first of the names, and how many more."""
    more = [f"and {len(names) - MOST_NAMED} more"] if len(names) > MOST_NAMED else []
    return "\n".join([*names[:MOST_NAMED], *more])


# What failed


def given_up(plans: Sequence[RunPlan]) -> Group | None:
    """What is not tried again, with reasons; None where there is nothing."""
    lasting = [(name, failure) for name, failure in _failures(plans) if failure.is_lasting]
    if not lasting:
        return None
    told = f"Not tried again: {len(lasting)}, whose fault would come again; `run --retry` tries them."
    return Group(Text(told, style="yellow"), _by_reason(lasting))


def _failed(plans: Sequence[RunPlan]) -> Iterator[RenderableType]:
    passing = [(name, failure) for name, failure in _failures(plans) if not failure.is_lasting]
    if passing:
        yield Text(f"Failed, and tried again by the next run: {len(passing)}.", style="yellow")
        yield _by_reason(passing)
    if lasting := given_up(plans):
        yield lasting


def _failures(plans: Sequence[RunPlan]) -> Iterator[tuple[str, Failure]]:
    """By `checkpoint`, or `checkpoint probe` where a probe failed on it."""
    for each in plans:
        for checkpoint in each.checkpoints:
            for task, failure in checkpoint.failed.items():
                probe = "" if task.probe == FETCH else f" {task.probe}" + " (retest)" * bool(task.sample_seed)
                yield each.run.checkpoint_id(checkpoint.planned.label) + probe, failure


def _by_reason(failed: Sequence[tuple[str, Failure]]) -> RenderableType:
    """What failed, one row per reason."""
    names: dict[str, list[str]] = defaultdict(list)
    for name, failure in failed:
        names[failure.reason].append(name)
    table = Table(Column(overflow="fold"), Column(overflow="fold"), box=None, show_header=False)
    for reason, found in names.items():
        table.add_row(Text(_named(found)), Text(reason))
    return Padding(table, (0, 0, 0, 2))
