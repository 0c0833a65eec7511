"""Two catalogs row by row, whenever and in whatever processes they were made."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from catalog.build import table_keys
from catalog.read import connect

CLOCKS = {"recorded_at", "started_at", "built_at", "evaluated_at", "fetched_at", "made_at"}
COSTS = {"duration_s", "cpu_s", "peak_memory_bytes"}
NAMES_OF_A_TIME = {"evaluation_id", "of_evaluation", "dagster_run_id"}
"""Made of a clock and random digits; which rows belong together is compared by all their other columns."""
OVER_CLOCKS = {"digest", "record_digest"}
"""sha256 over entries of the record, which hold clocks."""
APART = CLOCKS | COSTS | NAMES_OF_A_TIME | OVER_CLOCKS
Rows = dict[str, Counter[tuple[str, ...]]]


def rows_of(path: Path) -> Rows:
    """How often each row stands in each table, and in measurements, but for the columns that differ from run to run."""
    connection = connect(path)
    try:
        listed = connection.execute(
            "SELECT table_name, column_name FROM duckdb_columns() WHERE NOT internal"
        ).fetchall()
        tables = table_keys(connection)
        found = {}
        for table in sorted(tables):
            columns = ", ".join(f'"{column}"' for name, column in listed if name == table and column not in APART)
            found[table] = Counter(map(_text, connection.execute(f"SELECT {columns} FROM {table}").fetchall()))
        return found
    finally:
        connection.close()


def differences(found: Rows, expected: Rows) -> list[str]:
    """Rows that are in one of them only, or more often than in the other."""
    told = []
    for table in sorted(found.keys() | expected.keys()):
        here, there = found.get(table, Counter()), expected.get(table, Counter())
        told += [f"{table}: not expected {n} times: {row}" for row, n in (here - there).items()]
        told += [f"{table}: missing {n} times: {row}" for row, n in (there - here).items()]
    return told


def _text(row: tuple[object, ...]) -> tuple[str, ...]:
    return tuple(map(repr, row))
