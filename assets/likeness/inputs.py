"""What pair measures are given: the scores, courses and arrays of a model's training runs, read from a catalog.

Not here: whether a comparison is due (plan.py), the statistics (one module a measure).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

import duckdb
import numpy as np
import polars as pl

from assets.likeness.registry import (
    Arrays,
    Compared,
    Course,
    Developed,
    Edges,
    Heads,
    Linked,
    PairMeasure,
    Scored,
    measures,
)
from assets.likeness.tops import alike, fits
from assets.probes.registry import Parameters
from catalog.record import Record

ENDS = """
CREATE OR REPLACE TEMP TABLE ends AS
SELECT
    e.model_id, e.run_id, e.checkpoint_id, e.step, e.is_final, e.metric_id, e.variant_id, e.parameters, e.layer, e.head,
    e.sender_layer, e.sender_head, e.stratum, e.value, t.grain, t.upper - t.lower AS span
FROM evidence AS e JOIN metrics AS t ON t.metric_id = e.metric_id
WHERE (t.grain = 'head' AND e.stratum = '' AND (e.is_final OR e.step = 0))
   OR (t.grain = 'edge' AND e.is_final AND list_contains($1, e.metric_id))
"""
COURSES = """
WITH courses AS (
    SELECT
        model_id, run_id, metric_id, variant_id, checkpoint_id, step, tokens_seen, FALSE AS less_placebo,
        best_value AS best
    FROM trajectories
    WHERE (model_id, variant_id) NOT IN (SELECT (model_id, variant_id) FROM placebos)
    UNION ALL
    SELECT
        h.model_id, h.run_id, h.metric_id, h.variant_id, h.checkpoint_id, h.step, h.tokens_seen, TRUE,
        max(h.value - c.value)
    FROM head_scores AS h
    JOIN placebos AS p ON p.model_id = h.model_id AND p.variant_id = h.variant_id
    JOIN head_scores AS c
        ON c.checkpoint_id = h.checkpoint_id AND c.variant_id = p.placebo_id AND c.layer = h.layer AND c.head = h.head
    WHERE h.step IS NOT NULL AND h.metric_id = 'prefix_matching' AND c.metric_id = 'prefix_matching_placebo'
    GROUP BY ALL
)
SELECT j.*, v.parameters, t.upper - t.lower AS span
FROM courses AS j
JOIN metrics AS t ON t.metric_id = j.metric_id
JOIN metric_variants AS v ON v.variant_id = j.variant_id
WHERE t.grain = 'head' AND span IS NOT NULL
ORDER BY j.variant_id, j.less_placebo, j.model_id, j.run_id, j.step
"""
INDUCTION = """
SELECT DISTINCT model_id, metric_id, variant_id, parameters FROM ends
WHERE metric_id IN ('prefix_matching', 'prefix_matching_placebo')
ORDER BY ALL
"""
PLACEBOS = """
CREATE OR REPLACE TEMP TABLE placebos (model_id VARCHAR, variant_id VARCHAR, placebo_id VARCHAR)
"""
ARRAYS = """
SELECT
    r.model_id, p.probe, p.probe_version, CAST(p.parameters AS VARCHAR) AS parameters, p.checkpoint_id, p.arrays_path,
    p.arrays_sha256
FROM current_probe_runs AS p
JOIN checkpoints AS c ON c.checkpoint_id = p.checkpoint_id
JOIN training_runs AS r ON r.run_id = c.run_id
WHERE p.arrays_path IS NOT NULL AND c.is_final AND coalesce(p.sample_seed, 0) = 0
  AND p.probe_run_id NOT IN (SELECT probe_run_id FROM advised_probe_runs WHERE suspect)
QUALIFY row_number() OVER (
    PARTITION BY p.checkpoint_id, p.probe, p.probe_version, p.parameters ORDER BY p.dtype = 'float32' DESC, p.dtype
) = 1
ORDER BY ALL
"""

EDGE = ("checkpoint_id", "layer", "head", "sender_layer", "sender_head")
RANDOM_SENDERS = "sender=random"


class Inputs:
    """A reader of one catalog; the values are fetched once, the arrays when they are compared.

    Without the record there are no arrays.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, record: Record | None) -> None:
        self.connection = connection
        self.record = record
        edges = sorted({metric_id for measure in measures().values() for metric_id in measure.reads or ()})
        connection.execute(ENDS, [edges])
        self.courses = _courses(connection)
        self.arrays = arrays_of_final_checkpoints(connection)

    def compared(self, measure: PairMeasure, model_id: str) -> Compared:
        """What the measure reads of the model's training runs."""
        ends = self._ends(measure, model_id)
        return Compared(
            model_id,
            list(_scored(ends.filter(pl.col("grain") == "head"))),
            list(_developed(self.courses, model_id)) if measure.develops else [],
            list(_linked(ends.filter(pl.col("grain") == "edge"))),
            list(self._arrays(measure.arrays_of, model_id)) if measure.arrays_of else [],
        )

    def _ends(self, measure: PairMeasure, model_id: str) -> pl.DataFrame:
        metrics = "span IS NOT NULL AND grain = 'head'" if measure.reads is None else "list_contains($2, metric_id)"
        rows = self.connection.sql(
            f"SELECT * FROM ends WHERE model_id = $1 AND {metrics} ORDER BY variant_id, checkpoint_id, layer, head, "
            "sender_layer, sender_head, stratum",
            params=[model_id] if measure.reads is None else [model_id, list(measure.reads)],
        )
        return rows.pl()

    def _arrays(self, probe: str, model_id: str) -> Iterator[Arrays]:
        if self.record is None:
            return
        rows = self.arrays.filter(pl.col("model_id") == model_id, pl.col("probe") == probe)
        for (_, parameters), group in _groups(rows, "probe_version", "parameters"):
            kept = {
                row["checkpoint_id"]: self.record.arrays(row["arrays_path"], row["arrays_sha256"])
                for row in group.sort("checkpoint_id").iter_rows(named=True)
            }
            yield Arrays(json.loads(parameters), kept)


def arrays_of_final_checkpoints(connection: duckdb.DuckDBPyConnection) -> pl.DataFrame:
    """Which probe runs kept arrays of final checkpoints: model_id, probe, probe_version, parameters, checkpoint_id,
    arrays_path, arrays_sha256."""
    return connection.sql(ARRAYS).pl()


def _courses(connection: duckdb.DuckDBPyConnection) -> pl.DataFrame:
    """The best head of every checkpoint with a known step; prefix_matching less its placebo, as in tops.py."""
    connection.execute(PLACEBOS)
    for (model_id,), variants in _groups(connection.sql(INDUCTION).pl(), "model_id"):
        inputs = {metric_id: _inputs(rows) for (metric_id,), rows in _groups(variants, "metric_id")}
        placebos = inputs.get("prefix_matching_placebo", {})
        for variant_id, of in inputs.get("prefix_matching", {}).items():
            beside = next((placebo_id for placebo_id, placebo in placebos.items() if alike(placebo, of)), None)
            if beside:
                fitting = beside if fits(of, placebos[beside]) else None
                connection.execute("INSERT INTO placebos VALUES (?, ?, ?)", [model_id, variant_id, fitting])
    return connection.sql(COURSES).pl()


def _inputs(variants: pl.DataFrame) -> dict[str, Parameters]:
    return {row["variant_id"]: json.loads(row["parameters"]) for row in variants.iter_rows(named=True)}


def _groups(rows: pl.DataFrame, *columns: str) -> Iterable[tuple[tuple[Any, ...], pl.DataFrame]]:
    return rows.partition_by(*columns, as_dict=True, maintain_order=True).items()


def _scored(ends: pl.DataFrame) -> Iterator[Scored]:
    for (metric_id, _, parameters, span), group in _groups(ends, "metric_id", "variant_id", "parameters", "span"):
        first = {run_id: rows["value"].to_numpy() for (run_id,), rows in _groups(group.filter(step=0), "run_id")}
        runs = [
            Heads(
                checkpoint_id,
                rows["layer"].to_numpy().astype(np.int64),
                rows["head"].to_numpy().astype(np.int64),
                rows["value"].to_numpy(),
                first.get(run_id),
            )
            for (run_id, checkpoint_id), rows in _groups(group.filter("is_final"), "run_id", "checkpoint_id")
        ]
        yield Scored(metric_id, json.loads(parameters), span, tuple(runs))


def _linked(ends: pl.DataFrame) -> Iterator[Linked]:
    for (metric_id, _, parameters), group in _groups(ends, "metric_id", "variant_id", "parameters"):
        runs = [
            Edges(checkpoint_id, rows["value"].to_numpy(), rows["control"].to_numpy())
            for (checkpoint_id,), rows in _groups(_beside_controls(group), "checkpoint_id")
        ]
        yield Linked(metric_id, json.loads(parameters), tuple(runs))


def _beside_controls(edges: pl.DataFrame) -> pl.DataFrame:
    """The real edges, each with the value of its random senders as `control`."""
    controls = edges.filter(stratum=RANDOM_SENDERS).select(*EDGE, control="value")
    beside = edges.filter(stratum="").join(controls, on=EDGE, how="left", maintain_order="left")
    return beside.with_columns(pl.col("control").fill_null(np.nan))


def _developed(courses: pl.DataFrame, model_id: str) -> Iterator[Developed]:
    own = courses.filter(pl.col("model_id") == model_id)
    compared = ["variant_id", "less_placebo"]
    shared = courses.join(own.select(compared).unique(), on=compared, maintain_order="left")
    for (metric_id, _, parameters, span), group in _groups(shared, "metric_id", "variant_id", "parameters", "span"):
        every = list(courses_of(group))
        runs = sorted((c for c in every if c.model_id == model_id), key=lambda course: course.checkpoint_id)
        others = tuple(c for c in every if c.model_id != model_id)
        yield Developed(metric_id, json.loads(parameters), span, tuple(runs), others)


def courses_of(rows: pl.DataFrame) -> Iterator[Course]:
    """The courses in rows of `Inputs.courses` of one variant, by model and training run."""
    for (model_id, _), course in _groups(rows, "model_id", "run_id"):
        tokens = None if course["tokens_seen"].has_nulls() else course["tokens_seen"].to_numpy().astype(np.float64)
        yield Course(
            course["checkpoint_id"][-1], model_id, course["step"].to_numpy(), course["best"].to_numpy(), tokens
        )
