"""How measured values are stored: narrow, so that a hundred million fit, with a summary of each variant's heads.

Each probe run's variants get a number and a summary (storage.measured_variants); the values stand beside that number
alone (storage.measured_values), and the view `measurements` puts both together. Here: adding rows, and checking them.
Not here: where they come from (build.py), which of them count (views/*.sql).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import duckdb

from catalog.read import first_row

ROWS_AT_ONCE = 2_000_000
"""Rows that are added or checked in one go, some 200 MB of memory each time."""
ABOVE = 0.3
"""The excess above which a head counts as formed, as in the views trajectories and onsets."""

NUMBERED = """
CREATE OR REPLACE TEMP TABLE numbered AS
SELECT
    CAST({last} + row_number() OVER (ORDER BY checkpoint_id, probe_run_id, variant_id, stratum) AS INTEGER)
        AS measured_id, *
FROM (SELECT DISTINCT probe_run_id, variant_id, metric_id, checkpoint_id, stratum FROM {source})
"""
VALUES = """
INSERT INTO storage.measured_values
SELECT
    n.measured_id, s.layer, s.head, s.sender_layer, s.sender_head,
    s.value, s.value_a, s.value_b, s.chance, s.standard_error, s.n
FROM {source} AS s
JOIN numbered AS n
    ON n.probe_run_id = s.probe_run_id AND n.variant_id = s.variant_id AND n.metric_id = s.metric_id
    AND n.checkpoint_id = s.checkpoint_id AND n.stratum = s.stratum
"""
SUMMARIES = f"""
INSERT INTO storage.measured_variants BY NAME
WITH added AS (SELECT * FROM storage.measured_values WHERE measured_id > {{last}}),
heads AS (SELECT * FROM added WHERE head IS NOT NULL AND sender_head IS NULL),
counted AS (SELECT measured_id, count(*) AS n_rows FROM added GROUP BY measured_id),
summed AS (
    SELECT
        measured_id, count(*) AS n_heads, max(value) AS best_value, max(value, 2)[2] AS second_value,
        avg(value) AS mean_value, max((value - chance) / (1 - chance)) AS best_excess,
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
FROM numbered AS n
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


def add_measurements(
    connection: duckdb.DuckDBPyConnection, source: str, parameters: Mapping[str, Any] | None = None
) -> None:
    """Adds rows to the view `measurements`; those of one probe run must come together.

    Args:
        source: a relation with the columns of `measurements`, in SQL; it is read twice.
        parameters: its named parameters.
    """
    given = dict(parameters or {})
    [(last,)] = connection.execute("SELECT coalesce(max(measured_id), 0) FROM storage.measured_variants").fetchall()
    connection.execute(NUMBERED.format(source=source, last=last), given)
    connection.execute(VALUES.format(source=source), given)
    connection.execute(SUMMARIES.format(last=last))
    connection.execute("DROP TABLE numbered")


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
