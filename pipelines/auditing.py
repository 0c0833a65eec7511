"""`studies check` and `studies audit`: a study held against its hub without downloading weights, and what is printed.

Here: tables and words. Not here: asking, finding and recording (assets/models/audit).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column, Table
from rich.text import Text

from assets.models.audit.auditing import Audited, audit
from assets.models.audit.findings import Finding, find
from assets.models.audit.holdings import RunHoldings
from assets.models.audit.looking import Tick, hub_runs_of, look, refusals
from assets.models.runs import training_runs
from assets.study import Study
from catalog.errors import UserError
from catalog.home import Home

WORDS = {
    "missing": "missing",
    "no_weights": "without weights",
    "identical": "identical to another",
    "differs_from_main": "unlike main",
}
MOST_LABELS, MOST_FINDINGS = 3, 100


def check_study(study: Study, home: Home, out: Console) -> bool:
    """Prints what a study would fetch from its hub and what is wrong with it.

    Returns:
        Whether everything that the study needs is there and would be handed out.
    """
    runs = hub_runs_of(study)
    if not runs:
        out.print(f"No training run of study {study.name} stands on a hub: there is nothing to check.")
        return True
    with _bar(out) as tick:
        held = look(runs, home, tick=tick)
    refused = refusals(runs, home)
    found = find(held)
    out.print(_table_of_runs(held, found, refused))
    n_elsewhere = len(training_runs(study)) - len(runs)
    if n_elsewhere:
        out.print(f"{n_elsewhere} other training runs are made here or lie on this disk.", highlight=False)
    lacks = _lacks(held, found, refused)
    _tell_faults(held, refused, out)
    size = sum(holding.bytes for run in held for holding in run.chosen)
    asked = f"{sum(len(run.chosen) for run in held):,} checkpoints of {len(held)} training runs, {_gigabytes(size)}"
    verdict = f"[bold red]{', '.join(lacks)}[/]" if lacks else "[bold green]everything is there[/]"
    out.print(f"{asked}: {verdict}.", highlight=False, soft_wrap=True)
    return not lacks


def audit_study(name: str, study: Study, home: Home, out: Console) -> bool:
    """Audits a study's checkpoints on their hub and prints what was found.

    Args:
        name: how the user names the study.

    Returns:
        Whether all training runs could be asked about.
    """
    with _bar(out) as tick:
        done = audit(study, home, tick)
    if not done.runs:
        out.print(f"No training run of study {study.name} stands on a hub: there is nothing to audit.")
        return True
    if done.all_findings:
        out.print(_table_of_findings(done.all_findings))
    _tell_faults(done.runs, {}, out)
    out.print(_audit_verdict(done), highlight=False, soft_wrap=True)
    if done.new:
        out.print(f"Verdicts heed it from the next publication on: python -m pipelines run {name}", soft_wrap=True)
    return not done.unasked


@contextmanager
def _bar(out: Console) -> Iterator[Tick]:
    columns = (TextColumn("asking the hub"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=out, transient=True) as progress:
        task = progress.add_task("commits", total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def _table_of_runs(
    held: Sequence[RunHoldings], found: Mapping[str, Sequence[Finding]], refused: Mapping[str, UserError]
) -> Table:
    table = Table(
        Column("training run", no_wrap=True),
        Column("repository", overflow="fold"),
        Column("checkpoints", justify="right"),
        Column("size", justify="right"),
        "what is wrong",
        title="What the study would fetch",
        box=box.SIMPLE_HEAD,
    )
    for run in held:
        size = _gigabytes(sum(holding.bytes for holding in run.chosen))
        wrong = Text("; ".join(_wrong(run, found.get(run.run_id, []), refused)), style="red")
        count, size = ("-", "-") if run.fault else (f"{len(run.chosen):,}", size)
        table.add_row(Text(run.run_id), Text(run.repository), count, size, wrong)
    return table


def _wrong(run: RunHoldings, findings: Sequence[Finding], refused: Mapping[str, UserError]) -> list[str]:
    if run.fault:
        return [run.fault.partition("\n")[0].rstrip(".")]
    told = [refused[run.repository].what.rstrip(".")] if run.repository in refused else []
    for kind, words in WORDS.items():
        labels = [f.checkpoint_id.partition("@")[2] for f in findings if f.finding == kind]
        if labels:
            more = ", ..." if len(labels) > MOST_LABELS else ""
            told.append(f"{len(labels)} {words}: {', '.join(labels[:MOST_LABELS])}{more}")
    return told


def _lacks(
    held: Sequence[RunHoldings], found: Mapping[str, Sequence[Finding]], refused: Mapping[str, UserError]
) -> list[str]:
    """What stands in the way of measuring the study, counted; duplicates do not."""
    chosen = {holding.checkpoint_id for run in held for holding in run.chosen}
    findings = [finding for of_run in found.values() for finding in of_run]
    n_missing = sum(finding.finding == "missing" for finding in findings)
    n_empty = sum(f.finding == "no_weights" and f.checkpoint_id in chosen for f in findings)
    n_faults = sum(run.fault is not None for run in held)
    n_refused = len({run.repository for run in held if run.repository in refused and not run.fault})
    counted = {
        "missing": n_missing,
        "without weights": n_empty,
        "training runs that could not be checked": n_faults,
        "repositories that want a licence accepted or a token": n_refused,
    }
    return [f"{count} {words}" for words, count in counted.items() if count]


def _tell_faults(held: Sequence[RunHoldings], refused: Mapping[str, UserError], out: Console) -> None:
    """Each fault whole, with what mends it, once."""
    told = [run.fault for run in held if run.fault] + [str(error) for error in refused.values()]
    for fault in dict.fromkeys(told):
        out.print(fault, markup=False, highlight=False, soft_wrap=True)


def _table_of_findings(findings: Sequence[Finding]) -> Table:
    table = Table(Column("checkpoint", no_wrap=True), "finding", "what was found", box=box.SIMPLE_HEAD)
    for finding in sorted(findings, key=lambda each: not each.suspect)[:MOST_FINDINGS]:
        word = Text(finding.finding, style="red" if finding.suspect else "")
        table.add_row(Text(finding.checkpoint_id), word, Text(finding.detail))
    if len(findings) > MOST_FINDINGS:
        table.caption = f"the first {MOST_FINDINGS} of {len(findings)}; after the next publication all: " + escape(
            "sql 'FROM current_audit_findings'"
        )
    return table


def _audit_verdict(done: Audited) -> str:
    counts: Counter[str] = Counter(finding.finding for finding in done.all_findings)
    told = ", ".join(f"{counts[kind]} {words}" for kind, words in WORDS.items() if counts[kind]) or "nothing found"
    n_suspect = sum(finding.suspect for finding in done.all_findings)
    suspect = f"; {n_suspect} suspect, left out of evidence" if n_suspect else ""
    n_listed = sum(len(run.holdings) for run in done.runs)
    unasked = f"; {len(done.unasked)} training runs could not be asked about" if done.unasked else ""
    return f"{n_listed:,} checkpoints of {len(done.runs)} training runs audited: {told}{suspect}{unasked}."


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:,.1f} GB" if size >= 5e7 else f"{size / 1e6:,.1f} MB"
