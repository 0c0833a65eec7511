"""What the command line prints: tables of verdicts, probes and query results.

Not here: their rows' making, what is due (show_due.py).
"""

from __future__ import annotations

import inspect
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
from rich import box
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.padding import Padding
from rich.table import Column, Table
from rich.text import Text

from assets.models.hub.cache import VARIABLE, budget_bytes, used_bytes
from assets.probes.registry import Probe
from assets.study import Study
from catalog.dictionary import Relation
from catalog.home import Home
from catalog.questions import Question
from catalog.read import open_catalog
from catalog.store import store_of

if TYPE_CHECKING:
    from assets.publish.freezing import Frozen

SHORT = {"inconclusive": "inconcl.", "insufficient": "insuff.", "not_applicable": "n/a"}
LEGEND = """inconcl. = inconclusive   insuff. = insufficient: too few units at that level
n/a = not_applicable: outside the claim's class, or its instrument failed there"""
STYLES = {"holds": "green", "fails": "red", "mixed": "yellow", "inconclusive": "cyan"}
LEVELS = ("run", "model", "architecture", "family", "across")
MOST_ROWS, MOST_RECORDS, MOST_CHARACTERS = 100, 10, 80
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
PLAN = ["explain_key", "explain_value"]
"""Columns of what EXPLAIN gives."""
NARROWEST = 14
"""Characters to which a column of long values may be squeezed."""
NEXT_STEPS = """
Three things to try next:
  open the report in a browser: each cell of its matrix leads to the evidence
  [bold].venv/bin/python -m pipelines sql 'FROM claim_matrix'[/]   asks the catalog
  [bold]make ui[/]   shows the same graph in Dagster: materialize one training run"""


def verdicts(home: Home) -> Table:
    """Claims by levels: how many subjects got which verdict."""
    with open_catalog(home) as connection:
        found = connection.execute("SELECT claim_id, level, verdict FROM current_verdicts").fetchall()
    counts: dict[str, dict[str, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
    for claim, level, verdict in found:
        counts[claim][level][verdict] += 1
    table = Table(
        Column("claim", no_wrap=True),
        *LEVELS,
        title="Verdicts: claim x level, subjects by verdict",
        caption=LEGEND,
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    for claim in sorted(counts):
        table.add_row(claim, *(_cell(counts[claim].get(level)) for level in LEVELS))
    return table


def moves(home: Home, since: int) -> Table | str | None:
    """Which verdicts moved in the builds after this one, and why; None where none did or was decided anew."""
    with open_catalog(home) as connection:
        found = connection.execute(
            "SELECT claim_id, level, subject, previous, verdict, cause FROM verdict_changes "
            "WHERE since_build > $1 AND kind = 'change' ORDER BY ALL",
            [since],
        ).fetchall()
        counted = connection.execute(
            "SELECT kind, count(*) FROM verdict_changes WHERE since_build > $1 AND kind <> 'change' GROUP BY kind",
            [since],
        ).fetchall()
    others = dict(counted)
    beside = f"{others.get('drift', 0)} to or from another word, {others.get('first', 0)} decided for the first time"
    if not found:
        return f"No verdict moved between holds, fails and mixed; {beside}." if others else None
    table = Table(
        Column("claim", no_wrap=True),
        *("level", "subject", "from", "to", "because of"),
        title="What moved: verdicts between holds, fails and mixed",
        caption=f"Beside these {beside}: sql 'FROM verdict_changes'",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    for claim, level, subject, previous, verdict, cause in found:
        words = [Text(word, style=STYLES.get(word, "")) for word in (previous, verdict)]
        table.add_row(claim, level, Text(subject), *words, cause)
    return table


def scores(home: Home, model_id: str) -> Table | None:
    """How a model's predictions did, those that are scored; None where none is."""
    with open_catalog(home) as connection:
        found = connection.execute(
            "SELECT claim_id, probability, outcome, estimate, pi_low, pi_high, observed, skill FROM prediction_record "
            "WHERE model_id = $1 AND n_scored > 0 ORDER BY claim_id",
            [model_id],
        ).fetchall()
    if not found:
        return None
    table = Table(
        Column("claim", no_wrap=True),
        *(Column(name, justify="right") for name in ("prob.", "held in", "quantity", "came", "skill")),
        title=f"How the predictions of {model_id} did",
        caption="held in: share of training runs. skill: above 0 where the prediction was better than the base rate.",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    for claim, probability, outcome, estimate, low, high, observed, skill in found:
        interval = f" {_three(low)} to {_three(high)}" if low is not None else ""
        numbers = (_three(probability), _three(outcome), _three(estimate) + interval, _three(observed), _three(skill))
        table.add_row(claim, *map(Text, numbers))
    return table


def predictions(frozen: Frozen) -> Group:
    """What was frozen now: numbers, claims that expect nothing and why, and how many predictions stood before."""
    table = Table(
        Column("claim", no_wrap=True),
        Column("prob.", justify="right"),
        Column("base", justify="right"),
        "quantity, 95 % interval",
        Column("last size", justify="right"),
        title="Probability that a claim holds in a training run, and its quantity there",
        caption="base: mean over all models. last size: the next smaller model of the family.\n"
        "Units: sql 'SELECT claim_id, unit FROM prediction_record'",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    silent = []
    for row in frozen.new:
        if row["probability"] is None and row["estimate"] is None:
            silent.append(f"{row['claim_id']}: {row['basis']}")
            continue
        interval = f" {_three(row['pi_low'])} to {_three(row['pi_high'])}" if row["pi_low"] is not None else ""
        last = row["last_estimate"] if row["probability"] is None else row["last_probability"]
        numbers = (
            _three(row["probability"]),
            _three(row["base_rate"]),
            _three(row["estimate"]) + interval,
            _three(last),
        )
        table.add_row(row["claim_id"], *map(Text, numbers))
    told = f"{len(frozen.new)} predictions frozen in build {frozen.build}"
    kept = f", {len(frozen.kept)} kept as they were frozen before" if frozen.kept else ""
    shown: list[RenderableType] = [table] if table.row_count else []
    if silent:
        shown += ["Nothing is expected by", Padding(Text("\n".join(silent)), (0, 0, 0, 2))]
    return Group(*shown, Text(f"{told}{kept}. Their basis, and their scores later: sql 'FROM prediction_record'."))


def _three(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


def _cell(words: Counter[str] | None) -> Text:
    if not words:
        return Text("-", style="dim")
    parts = [Text(f"{n} {SHORT.get(word, word)}", style=STYLES.get(word, "dim")) for word, n in words.most_common()]
    return Text(", ").join(parts)


def disk(home: Home) -> Table:
    """Sizes of the home's folders, and what fetched weights take of their budget."""
    table = Table("what", "path", "files", "MB", title=f"Disk use of {escape(str(home.root))}")
    notes = {
        home.weights: "weights: a cache, made or fetched again",
        home.catalog: "catalog: made again from the record",
        home.reports: "reports: made again from the catalog",
        home.dagster: "dagster: its history of runs",
    }
    store = store_of(home)
    n_files, size = store.usage()
    shown = store.location if home.record_location else home.record.name
    table.add_row("record: keep it, back it up", Text(shown, overflow="fold"), f"{n_files:,}", f"{size / 1e6:,.1f}")
    if home.record_is_remote:
        notes = {home.record_copies: "copies of the record's files, fetched again", **notes}
    for path, note in notes.items():
        files = [path] if path.is_file() else [f for f in path.rglob("*") if f.is_file()]
        size = sum({status.st_ino: status.st_size for status in map(Path.stat, files)}.values())
        table.add_row(note, path.name, f"{len(files):,}", f"{size / 1e6:,.1f}")
    used, budget = used_bytes(home), budget_bytes()
    table.caption = f"weights fetched from hubs: {used / 1e9:,.1f} of {budget / 1e9:,g} GB ({VARIABLE})"
    return table


def cookbook(found: Sequence[Question]) -> Table:
    """Questions of the cookbook by name."""
    table = Table(Column("name", no_wrap=True), "question", box=box.SIMPLE_HEAD)
    table.caption = "sql --cookbook NAME asks one; its file says what to change"
    for question in found:
        table.add_row(question.name, Text(question.question))
    return table


def relations(found: Sequence[Relation]) -> Table:
    """Tables, views and macros with the first sentence of what they hold."""
    table = Table(Column("name", no_wrap=True), "kind", "what it holds", box=box.SIMPLE_HEAD)
    for relation in found:
        called = f"{relation.name}({', '.join(relation.parameters)})" if relation.kind == "macro" else relation.name
        table.add_row(called, relation.kind, Text(relation.description.partition(". ")[0].rstrip(".")))
    return table


def columns(relation: Relation) -> Table:
    """The columns of a table, view or macro, described."""
    table = Table(Column("column", no_wrap=True), "type", "what it holds", box=box.SIMPLE_HEAD)
    for column in relation.columns:
        table.add_row(column.name, column.type.lower(), Text(column.description))
    return table


def rows(frame: pl.DataFrame, width: int) -> Table | Text:
    """A query's result, its first hundred rows; where they are not readable in `width`, one value a line."""
    if frame.columns == PLAN:
        return Text("\n".join(map(_written, frame["explain_value"])))
    if sum(_least(frame, name) + 3 for name in frame.columns) > width:
        return _records(frame)
    table = Table()
    for name in frame.columns:
        table.add_column(Text(name), overflow="fold")
    for row in frame.head(MOST_ROWS).iter_rows():
        table.add_row(*(Text(_short(value)) for value in row))
    if frame.height > MOST_ROWS:
        table.caption = f"the first {MOST_ROWS} of {frame.height:,} rows; --csv or --json gives all"
    return table


def _least(frame: pl.DataFrame, name: str) -> int:
    """Characters that a column needs to be read."""
    return min(NARROWEST, max([len(name), *(len(_written(value)) for value in frame[name].head(MOST_ROWS))]))


def _records(frame: pl.DataFrame) -> Table:
    """The first rows, each as its columns' names and values below each other; what is null is left out."""
    table = Table(Column(no_wrap=True, style="dim"), Column(overflow="fold"), show_header=False, box=box.SIMPLE)
    for row in frame.head(MOST_RECORDS).iter_rows(named=True):
        for name, value in row.items():
            if value is not None:
                table.add_row(Text(name), Text(_written(value)))
        table.add_section()
    shown = f"the first {MOST_RECORDS} of {frame.height:,} rows" if frame.height > MOST_RECORDS else "all rows"
    table.caption = f"{shown}, nulls left out: too wide for a table; name columns for one, or --csv or --json"
    return table


def _written(value: object) -> str:
    """A value as text, characters that would command a terminal as their codes."""
    text = "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
    return CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def _short(value: object) -> str:
    text = _written(value)
    return text if len(text) <= MOST_CHARACTERS else text[: MOST_CHARACTERS - 1] + "…"


def studies(found: Sequence[Study]) -> Table:
    """Studies with what they choose."""
    table = Table("study", "families", "probes", "claims", "description")
    for study in found:
        names = ", ".join(f if isinstance(f, str) else f.family_id for f in study.families)
        claims = study.claims if isinstance(study.claims, str) else str(len(study.claims))
        table.add_row(study.name, names, ", ".join(study.probe_names), claims, study.description)
    return table


def probes(found: Sequence[Probe]) -> Group:
    """Probes with where they run, their metrics and what they cost."""
    blocks: list[Text | Padding] = []
    for probe in found:
        where = "every checkpoint" if probe.checkpoints == "all" else "final checkpoints"
        metrics = ", ".join(f"{metric.metric_id} ({metric.grain})" for metric in probe.metrics)
        told = Text(f"measures {metrics}\n").append(f"cost: {probe.cost}", style="dim")
        blocks += [
            Text(f"{probe.name}", style="bold").append(f" v{probe.version}, {where}"),
            Padding(told, (0, 0, 1, 2)),
        ]
    return Group(*blocks, Text("python -m pipelines probes NAME tells definitions, sources and options.", style="dim"))


def probe(found: Probe) -> Group:
    """One probe: what it is, its metrics with definition and source, its options."""
    opening = re.sub(r"(?<!\n)\n(?![\n-])\s*", " ", inspect.getdoc(inspect.getmodule(type(found))) or "")
    blocks: list[Text | Padding] = [Text(f"{opening}\n"), Text(f"Cost: {found.cost}\n")]
    for metric in found.metrics:
        told = Text(f"{metric.definition}\n")
        if metric.chance_rule:
            told.append(f"Chance: {metric.chance_rule}\n")
        told.append(f"Source: {metric.citation}", style="dim")
        heading = Text(metric.metric_id, style="bold").append(f", {metric.unit}, one per {metric.grain}")
        blocks += [heading, Padding(told, (0, 0, 1, 2))]
    options = Table("option", "default", title="What a study may state for it", title_justify="left", box=box.SIMPLE)
    options.add_row("checkpoints", found.checkpoints)
    for name, field in found.Options.model_fields.items():
        options.add_row(name, "by role or model" if field.default is None else str(field.default))
    return Group(*blocks, options)
