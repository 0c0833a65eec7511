"""A page per family: how its heads and its behaviour develop, where the heads sit, what the models are.

Here: what stands on the page. Not here: how it is drawn (charts/), how it looks (templates/family.html).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import duckdb
import polars as pl

from reports.charts import head_maps, repeats, trajectories
from reports.charts.theme import series
from reports.html import Page, family_path
from reports.pages.facts import Facts, Row
from reports.query import Query
from reports.words import LABELS, NONE, PROPERTIES, compact, number

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


def page(catalog: duckdb.DuckDBPyConnection, facts: Facts, family: Row, numbers: Measured) -> Page:
    """The page of one family."""
    name = family["family_id"]
    models = facts.models_of(name)
    profile = head_maps.profile_figure(numbers.profile, name)
    return Page(
        path=family_path(name),
        template="family.html",
        title=name,
        values={
            "family": family,
            "models": models,
            "verdicts": [v for v in facts.verdicts if v["family_id"] == name and v["level"] in ("family", "model")],
            "statements": {claim["claim_id"]: claim["statement"] for claim in facts.claims},
            "sentence": repeats.final_sentence(numbers.behaviour),
            "drift": trajectories.drift(numbers.best, numbers.behaviour, family["role"]),
            "development": trajectories.figures(numbers.best, name),
            "behaviour": repeats.figures(numbers.behaviour, name),
            "maps": head_maps.figures(numbers.final, name),
            "profile": profile,
            "tops": top_heads(numbers.final),
            "properties": properties(models),
            "probing": probing_query(name).rows(catalog),
            "probing_query": probing_query(name),
            "sources": {source["source_id"]: source for source in facts.sources},
            "advisories": facts.advisories("family_id", {name}),
        },
    )


def properties(models: list[Row]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Rows of the design table: the property, and per model its value and where it was stated ('' where read here)."""
    stated = [_stated(model) for model in models]
    rows = []
    for key, label in PROPERTIES.items():
        cells = [(_written(key, model[key]), facts.get(key, "")) for model, facts in zip(models, stated, strict=True)]
        if any(model[key] is not None for model in models):
            rows.append((label, cells))
    return rows


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
