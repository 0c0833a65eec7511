"""A page per model, and one per training run: its design, its runs and checkpoints, how its mechanisms develop, where
its heads sit at each checkpoint, and the claims that were decided on it.

Here: what stands on these pages. Not here: the family beside its other models (family.py), drawing (charts/).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import groupby

import duckdb
import polars as pl

from reports.charts import checkpoint_maps, clocks, repeats, trajectories
from reports.charts.theme import series
from reports.html import Page, model_path, run_path
from reports.pages.agreement import shade
from reports.pages.facts import Facts, Row
from reports.pages.family import Measured, design
from reports.pages.likeness import AXES
from reports.pages.matrix import is_instrument
from reports.query import Query
from reports.words import EVALUATED, NONE, number


def runs_query(model: str) -> Query:
    """The training runs, with what is known of their checkpoints."""
    return Query(
        """
SELECT r.run_id, r.seed, r.description, r.parent_checkpoint_id, count(c.checkpoint_id) AS n_checkpoints,
    min(c.step) AS first_step, max(c.step) AS last_step, max(c.tokens_seen) AS tokens,
    count(*) FILTER (c.availability = 'available') AS n_available,
    count(*) FILTER (c.availability = 'published_only') AS n_published,
    count(*) FILTER (c.availability IN ('missing', 'refused')) AS n_missing,
    count(*) FILTER (c.checkpoint_id IN (SELECT checkpoint_id FROM evidence)) AS n_measured
FROM training_runs AS r
LEFT JOIN checkpoints AS c USING (run_id)
WHERE r.model_id = $model
GROUP BY r.run_id, r.seed, r.description, r.parent_checkpoint_id
ORDER BY r.seed NULLS FIRST, r.run_id""",
        {"model": model},
    )


def checkpoints_query(model: str) -> Query:
    """Every checkpoint of the model's training runs."""
    return Query(
        """
SELECT c.run_id, c.checkpoint_id, c.label, c.step, c.tokens_seen, c.is_final, c.availability,
    c.checkpoint_id IN (SELECT checkpoint_id FROM evidence) AS is_measured
FROM checkpoints AS c
JOIN training_runs AS r USING (run_id)
WHERE r.model_id = $model
ORDER BY r.seed NULLS FIRST, c.run_id, c.step NULLS LAST, c.label""",
        {"model": model},
    )


def verdicts_query(model: str) -> Query:
    """What was decided on the model, and on how many of its training runs each way."""
    return Query(
        """
SELECT v.claim_id, v.verdict, v.estimate, v.ci_low, v.ci_high, v.unit, v.n_h, v.n_f, v.n_u, v.robustness, v.reason
FROM current_verdicts AS v
WHERE v.level = 'model' AND v.subject = $model
ORDER BY v.claim_id""",
        {"model": model},
    )


def likeness_query(model: str) -> Query:
    """How alike the model's training runs are, on the axes of correspondence, by mechanism."""
    return Query(
        """
SELECT *
FROM correspondence_matrix
WHERE level = 'model' AND subject_a = $model AND subject_b = $model
ORDER BY construct""",
        {"model": model},
    )


def pages(catalog: duckdb.DuckDBPyConnection, facts: Facts, model: Row, numbers: Measured) -> Iterator[Page]:
    """The model's page, then one per training run.

    Args:
        numbers: what was measured in its family.
    """
    name, family = model["model_id"], model["family_id"]
    runs = runs_query(name).rows(catalog)
    by_run = {
        run: list(rows)
        for run, rows in groupby(checkpoints_query(name).rows(catalog), key=lambda checkpoint: checkpoint["run_id"])
    }
    maps, maps_query = checkpoint_maps.read(catalog, family, name), checkpoint_maps.query(family, name)
    role = next((row["role"] for row in facts.families if row["family_id"] == family), "")
    best, behaviour = (frame.filter(pl.col("model_id") == name) for frame in (numbers.best, numbers.behaviour))
    shared = {"model": model, "family_role": role, "runs": runs}
    decided = [*_verdicts(facts, catalog, name)]
    spoken = [row for row in decided if row["verdict"]["verdict"] in EVALUATED]
    first = runs[0]["run_id"] if runs else ""
    yield Page(
        path=model_path(name),
        template="model.html",
        title=name,
        values={
            **shared,
            "parent": model["parent_model_id"],
            "known_models": {row["model_id"] for row in facts.models},
            "descendants": [row["model_id"] for row in facts.models if row["parent_model_id"] == name],
            "development": clocks.figures(best, behaviour, (trajectories.query(family), repeats.query(family))),
            "first": first,
            "head_maps": checkpoint_maps.figure(maps.get(first, checkpoint_maps.NOTHING), maps_query) if runs else None,
            "likeness": [row for row in likeness_query(name).rows(catalog) if _is_computed(row)],
            "likeness_query": likeness_query(name),
            "axes": AXES,
            "shade": shade,
            "decided": [row for row in spoken if not row["is_instrument"]],
            "undecided": [row for row in decided if row not in spoken and not row["is_instrument"]],
            "instruments": [row for row in decided if row["is_instrument"]],
            "tally": Counter(row["verdict"]["verdict"] for row in spoken if not row["is_instrument"]).most_common(),
            "verdicts_query": verdicts_query(name),
            "design": design([model]),
            "checkpoints": _by_label(by_run),
            "runs_query": runs_query(name),
            "checkpoints_query": checkpoints_query(name),
            "advisories": facts.advisories("model_id", {name}),
        },
    )
    for run in runs:
        found = maps.get(run["run_id"], checkpoint_maps.NOTHING)
        yield Page(
            path=run_path(name, run["run_id"]),
            template="run.html",
            title=run["run_id"],
            values={
                **shared,
                "run": run,
                "head_maps": checkpoint_maps.figure(found, maps_query),
                "columns": [series(metric).label for metric in found.scores],
                "checkpoints": _with_tops(by_run.get(run["run_id"], []), found),
                "checkpoints_query": checkpoints_query(name),
                "advisories": facts.advisories("run_id", {run["run_id"]}),
            },
        )


def _is_computed(likeness: Row) -> bool:
    return any(likeness[f"{axis}_likeness"] is not None for axis in AXES)


def _verdicts(facts: Facts, catalog: duckdb.DuckDBPyConnection, model: str) -> Iterator[Row]:
    """Each claim that was decided on the model, with the verdicts on its training runs counted."""
    claims = {claim["claim_id"]: claim for claim in facts.claims}
    on_runs: dict[str, Counter[str]] = {}
    for verdict in facts.verdicts:
        if verdict["level"] == "run" and verdict["model_id"] == model:
            on_runs.setdefault(verdict["claim_id"], Counter())[verdict["verdict"]] += 1
    for verdict in verdicts_query(model).rows(catalog):
        claim = claims[verdict["claim_id"]]
        counted = on_runs.get(claim["claim_id"], Counter()).most_common()
        yield {"claim": claim, "is_instrument": is_instrument(claim), "verdict": verdict, "on_runs": counted}


def _by_label(by_run: dict[str, list[Row]]) -> list[Row]:
    """A row per label that the runs' checkpoints share, in the order of training: step, tokens, and in how many runs
    it is available, measured, or missing."""
    found: dict[tuple[str, int | None, int | None], Row] = {}
    for checkpoints in by_run.values():
        for row in checkpoints:
            key = (row["label"], row["step"], row["tokens_seen"])
            entry = found.setdefault(
                key, {"label": key[0], "step": key[1], "tokens": key[2], "n": 0, "n_measured": 0, "kinds": Counter()}
            )
            entry["n"] += 1
            entry["n_measured"] += row["is_measured"]
            entry["kinds"][row["availability"]] += 1
    return sorted(found.values(), key=lambda row: (row["step"] is None, row["step"] or 0, row["label"]))


def _with_tops(checkpoints: list[Row], maps: checkpoint_maps.Maps) -> list[Row]:
    """The checkpoints of a run, each with the top head on every mapped metric in words."""

    def told(metric: str, checkpoint: str) -> str:
        top = maps.tops[metric].get(checkpoint)
        return f"{number(top.value)} (layer {top.layer}, head {top.head})" if top else NONE

    return [{**row, "tops": [told(metric, row["checkpoint_id"]) for metric in maps.scores]} for row in checkpoints]
