"""How measured values are stored: narrow, so that a hundred million fit, with a summary of each variant's heads.

Each probe run's variants get a number and a summary (storage.measured_variants); the values stand beside that number
alone (storage.measured_values), and the view `measurements` puts both together. Here: adding rows, and checking them.
Not here: where they come from (build.py), which of them count (views/*.sql).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import duckdb
import polars as pl

from catalog.read import first_row

ROWS_AT_ONCE = 1_000_000
"""Rows that are added or checked in one go, some 200 MB of memory each time."""
ABOVE = 0.3
"""The excess above which a head counts as formed, as in the views trajectories and onsets."""
SCHEMA = {
    **dict.fromkeys(("probe_run_id", "variant_id", "metric_id", "checkpoint_id"), pl.String),
    **dict.fromkeys(("layer", "head", "sender_layer", "sender_head"), pl.Int32),
    "stratum": pl.String,
    **dict.fromkeys(("value", "value_a", "value_b", "chance", "standard_error"), pl.Float64),
    "n": pl.Int32,
}
"""Columns of the view `measurements`, and of the Parquet files that probes write."""
SHARED = [name for name, kind in SCHEMA.items() if kind == pl.String]
"""Columns that are equal in all rows of a measured variant, and tell it from others."""

VALUES = """
INSERT INTO storage.measured_values
SELECT measured_id, layer, head, sender_layer, sender_head, value, value_a, value_b, chance, standard_error, n
FROM added_values
"""
SUMMARIES = f"""
INSERT INTO storage.measured_variants BY NAME
WITH added AS (SELECT * FROM storage.measured_values WHERE measured_id > {{last}}),
heads AS (SELECT * FROM added WHERE head IS NOT NULL AND sender_head IS NULL),
counted AS (SELECT measured_id, count(*) AS n_rows FROM added GROUP BY measured_id),
summed AS (
    SELECT
        measured_id, count(*) AS n_heads, max(value) AS best_value, max(value, 2)[2] AS second_value,
        favg(value) AS mean_value, max((value - chance) / (1 - chance)) AS best_excess,
        count(*) FILTER ((value - chance) / (1 - chance) > {ABOVE}) AS n_heads_above, any_value(chance) AS chance
    FROM heads
    GROUP BY measured_id
),
best AS (
    SELECT
        h.measured_id, h.layer AS best_layer, h.head AS best_head, h.chance AS best_chance,
        h.standard_error AS best_standard_error
    FROM heads AS h
    JOIN summed AS s ON s.measured_id = h.measured_id AND s.best_value IS NOT DISTINCT FROM h.value
    QUALIFY row_number() OVER (PARTITION BY h.measured_id ORDER BY h.layer, h.head) = 1
)
SELECT
    n.*, c.n_rows, coalesce(s.n_heads, 0) AS n_heads, coalesce(s.n_heads_above, 0) AS n_heads_above,
    s.* EXCLUDE (measured_id, n_heads, n_heads_above), b.* EXCLUDE (measured_id)
FROM added_variants AS n
JOIN counted AS c ON c.measured_id = n.measured_id
LEFT JOIN summed AS s ON s.measured_id = n.measured_id
LEFT JOIN best AS b ON b.measured_id = n.measured_id
"""
TWICE = """
SELECT g.probe_run_id, g.variant_id, v.layer, v.head, v.sender_layer, v.sender_head, g.stratum
FROM (
    SELECT measured_id, layer, head, sender_layer, sender_head FROM storage.measured_values
    WHERE measured_id BETWEEN ? AND ?
    GROUP BY ALL HAVING count(*) > 1 LIMIT 1
) AS v
JOIN storage.measured_variants AS g ON g.measured_id = v.measured_id
"""
SPANS = f"""
SELECT min(measured_id), max(measured_id)
FROM (
    SELECT measured_id, sum(n_rows) OVER (ORDER BY measured_id) // {ROWS_AT_ONCE} AS span
    FROM storage.measured_variants
    WHERE probe_run_id IN (SELECT probe_run_id FROM probe_runs WHERE $build IS NULL OR since_build = $build)
)
GROUP BY span
ORDER BY span
"""


def read_measurements(paths: list[str]) -> pl.DataFrame:
    """The rows of Parquet files of measurements, in the order of the files; what a file lacks is null."""
    try:
        return pl.scan_parquet(paths, schema=SCHEMA, missing_columns="insert", extra_columns="ignore").collect()
    except pl.exceptions.SchemaError:  # other types, as in records of the first versions
        frames = [pl.read_parquet(path) for path in paths]
        found = pl.concat(frames, how="diagonal_relaxed")
        lacking = [pl.lit(None, kind).alias(name) for name, kind in SCHEMA.items() if name not in found.columns]
        return found.with_columns(lacking).select(pl.col(name).cast(kind) for name, kind in SCHEMA.items())


def add_measurements(connection: duckdb.DuckDBPyConnection, rows: pl.DataFrame) -> None:
    """Adds rows (SCHEMA) to the view `measurements`; those of one probe run must come together."""
    [(last,)] = connection.execute("SELECT coalesce(max(measured_id), 0) FROM storage.measured_variants").fetchall()
    runs = rows.select(run=pl.struct(SHARED).rle_id())["run"]
    begins = runs.diff().fill_null(1) > 0
    variants = rows.filter(begins).select(SHARED)
    numbers = variants.unique(maintain_order=True).with_row_index("measured_id", last + 1)
    of_runs = variants.join(numbers, on=SHARED, how="left", maintain_order="left")["measured_id"]
    values = rows.select(pl.exclude(SHARED)).with_columns(measured_id=of_runs.gather(runs))
    connection.register("added_variants", numbers)
    connection.register("added_values", values)
    connection.execute(VALUES)
    connection.execute(SUMMARIES.format(last=last))
    connection.unregister("added_values")
    connection.unregister("added_variants")


def in_turns(rows: Sequence[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    """Rows of probe_runs, split so that the values of each part can be added in one go."""
    part: list[Mapping[str, Any]] = []
    held = 0
    for row in rows:
        if part and held + row["n_rows"] > ROWS_AT_ONCE:
            yield part
            part, held = [], 0
        part.append(row)
        held += row["n_rows"]
    if part:
        yield part


def measured_twice(connection: duckdb.DuckDBPyConnection, build: int | None) -> tuple[Any, ...] | None:
    """The key of a measurement that stands twice, of one build or of all; None where none does."""
    for first, last in connection.execute(SPANS, {"build": build}).fetchall():
        if found := first_row(connection, TWICE, [first, last]):
            return found
    return None
