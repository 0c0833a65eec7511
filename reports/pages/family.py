"""A page per family: how its heads and its behaviour develop, where the heads sit, what the models are.

Here: what stands on the page. Not here: how it is drawn (charts/), how it looks (templates/family.html).
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import Any

import duckdb
import polars as pl

from reports.charts import aligned, head_maps, overlays, repeats, trajectories
from reports.charts.theme import series
from reports.html import Page, family_path
from reports.pages.agreement import shade
from reports.pages.classes import expected_of
from reports.pages.facts import Facts, Row
from reports.pages.faults import FINDINGS, failed_of, findings_of
from reports.pages.likeness import AXES, likeness_of
from reports.pages.matrix import Cell, cells, is_instrument
from reports.query import Query
from reports.words import EVALUATED, LABELS, NONE, PROPERTIES, compact, number

DESIGN = tuple(PROPERTIES)[: list(PROPERTIES).index("training_tokens")]
"""Those that are read from configuration and weights unless a family file states them."""
COMPACT = {"n_params", "n_params_non_embedding", "training_tokens"}
TOP = 5
"""Heads listed for a family of a single training run; families with more list one head a run."""


@dataclass(frozen=True)
class Measured:
    """A family's numbers for charts, each with its query beside it (charts/)."""

    best: pl.DataFrame
    behaviour: pl.DataFrame
    final: pl.DataFrame
    profile: pl.DataFrame


def measured(catalog: duckdb.DuckDBPyConnection, family: str) -> Measured:
    """What the catalog holds of a family's measurements, reduced to what is drawn."""
    return Measured(
        best=trajectories.query(family).frame(catalog),
        behaviour=repeats.query(family).frame(catalog),
        final=head_maps.query(family).frame(catalog),
        profile=head_maps.profile_query(family).frame(catalog),
    )


def probing_query(family: str) -> Query:
    """What was measured or imported, with what outcome."""
    return Query(
        """
SELECT p.probe, p.provenance, p.source_id, p.status, count(DISTINCT c.run_id) AS n_runs,
    count(DISTINCT p.checkpoint_id) AS n_checkpoints, CAST(sum(p.n_rows) AS BIGINT) AS n_values, min(p.reason) AS reason
FROM probe_runs AS p
JOIN checkpoints AS c ON c.checkpoint_id = p.checkpoint_id
JOIN training_runs AS r ON r.run_id = c.run_id
JOIN models AS m ON m.model_id = r.model_id
WHERE m.family_id = $family
GROUP BY ALL
ORDER BY p.provenance, p.probe, p.source_id, p.status""",
        {"family": family},
    )


def unmeasured_query(family: str) -> Query:
    """Checkpoints of which no measurement counts."""
    return Query(
        """
SELECT c.checkpoint_id
FROM checkpoints AS c
JOIN training_runs AS r ON r.run_id = c.run_id
JOIN models AS m ON m.model_id = r.model_id
WHERE m.family_id = $family AND c.checkpoint_id NOT IN (SELECT checkpoint_id FROM evidence_variants)
ORDER BY c.checkpoint_id""",
        {"family": family},
    )


def page(catalog: duckdb.DuckDBPyConnection, facts: Facts, family: Row, numbers: Measured) -> Page:
    """The page of one family."""
    name = family["family_id"]
    models = facts.models_of(name)
    profile = head_maps.profile_figure(numbers.profile, name)
    together = overlays.recall_figure(numbers.best, numbers.behaviour, name)
    every = claim_standings(facts, name)
    standings = [row for row in every if not is_instrument(row.claim)]
    instruments = [row for row in every if is_instrument(row.claim)]
    decided = [row for row in standings if row.spoken]
    return Page(
        path=family_path(name),
        template="family.html",
        title=name,
        values={
            "family": family,
            "models": models,
            "decided": decided,
            "undecided": [row for row in standings if not row.spoken],
            "instruments": instruments,
            "tally": Counter(row.cell.verdicts[0]["verdict"] for row in decided).most_common(),
            "sentence": repeats.final_sentence(numbers.behaviour),
            "drift": trajectories.drift(numbers.best, numbers.behaviour, family["role"]),
            "aligned": aligned.figure(numbers.best, name),
            "development": [*([together] if together else []), *trajectories.figures(numbers.best, name)],
            "behaviour": repeats.figures(numbers.behaviour, name),
            "maps": head_maps.figures(numbers.final, name),
            "profile": profile,
            "tops": top_heads(numbers.final),
            "expected": expected_of(catalog, name),
            "likeness": likeness_of(catalog, name),
            "likeness_axes": AXES,
            "shade": shade,
            "findings": findings_of(catalog, name),
            "finding_words": FINDINGS,
            "failed": failed_of(catalog, name),
            "design": design(models),
            "probing": probing_query(name).rows(catalog),
            "probing_query": probing_query(name),
            "unmeasured": [row["checkpoint_id"] for row in unmeasured_query(name).rows(catalog)],
            "sources": {source["source_id"]: source for source in facts.sources},
            "advisories": facts.advisories("family_id", {name}),
        },
    )


@dataclass(frozen=True)
class Standing:
    """How a claim stands on a family: the verdicts of the highest level decided, and those of its models below."""

    claim: Row
    cell: Cell
    models: list[Row]

    @property
    def spoken(self) -> bool:
        """Whether some verdict says something about the evidence."""
        return any(verdict["verdict"] in EVALUATED for verdict in [*self.cell.verdicts, *self.models])


def claim_standings(facts: Facts, family: str) -> list[Standing]:
    """A row per claim that has a verdict on the family or its models."""
    own = [verdict for verdict in facts.verdicts if verdict["family_id"] == family and verdict["level"] != "run"]
    found = cells(own)
    rows = []
    for claim in facts.claims:
        cell = found.get((claim["claim_id"], family))
        if cell:
            models = [v for v in own if v["claim_id"] == claim["claim_id"] and v["level"] == "model"]
            rows.append(Standing(claim, cell, models if cell.level == "family" else []))
    return rows


@dataclass(frozen=True)
class Design:
    """The design table: per property its label and, per model, the value and its source's number (0: read here).

    Attributes:
        rows: what differs between the models first.
        differing: labels of the rows that differ.
    """

    rows: list[tuple[str, list[tuple[str, int]]]]
    sources: list[str]
    differing: list[str]


def design(models: list[Row]) -> Design:
    """What is known of the models' design, each stated value with its source as a footnote."""
    stated = [_stated(model) for model in models]
    sources: dict[str, int] = {}
    rows = []
    for key, label in PROPERTIES.items():
        if any(model[key] is not None for model in models):
            found = [s.get(key, "") if m[key] is not None else "" for m, s in zip(models, stated, strict=True)]
            numbers = [sources.setdefault(source, len(sources) + 1) if source else 0 for source in found]
            rows.append((label, [(_written(key, m[key]), n) for m, n in zip(models, numbers, strict=True)]))
    differing = [label for label, row in rows if len({value for value, _ in row}) > 1]
    return Design(sorted(rows, key=lambda row: row[0] not in differing), list(sources), differing)


def _stated(model: Row) -> dict[str, str]:
    """The source of each stated fact of a model: a key may name several properties, `other design` the rest."""
    facts = json.loads(model["properties"] or "{}").get("facts", {})
    named = {key.strip(): str(source) for keys, source in facts.items() for key in keys.split(",")}
    others = named.pop("other design", "")
    return {**dict.fromkeys(DESIGN, others), **named} if others else named


def _written(key: str, value: Any) -> str:
    if value is None:
        return NONE
    if isinstance(value, bool):
        return "yes" if value else "no"
    if key in COMPACT:
        return compact(value)
    return f"{value:,}" if isinstance(value, int) else str(value)


@dataclass(frozen=True)
class Tops:
    """The table of top heads: column labels, and rows of a training run with one text per column."""

    columns: list[str]
    rows: list[tuple[str, list[str]]]


def top_heads(frame: pl.DataFrame) -> Tops | None:
    """The top head of each run on the mapped metrics; the five best where there is a single run."""
    metrics = [metric for metric in head_maps.MAPPED if metric in frame["metric_id"].to_list()]
    if not metrics:
        return None
    runs = frame["run_id"].unique(maintain_order=True).to_list()
    depth = TOP if len(runs) == 1 else 1
    rows = [
        (run if depth == 1 else f"{run}, no. {place + 1}", [_nth(frame, run, metric, place) for metric in metrics])
        for run in runs
        for place in range(depth)
    ]
    return Tops([series(metric).label for metric in metrics], rows)


def _nth(frame: pl.DataFrame, run: str, metric: str, place: int) -> str:
    rows = frame.filter((pl.col("run_id") == run) & (pl.col("metric_id") == metric))
    if rows.is_empty():
        return LABELS["not_applicable"]
    rows = rows.filter(pl.col("variant_id") == rows["variant_id"].sort()[0])
    ordered = rows.sort(["value", "layer", "head"], descending=[True, False, False]).to_dicts()
    if place >= len(ordered):
        return ""
    head = ordered[place]
    return f"{number(head['value'])} (layer {head['layer']}, head {head['head']})"
