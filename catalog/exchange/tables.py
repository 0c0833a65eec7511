"""Tables and main views of the catalog as Parquet or CSV files, the same bytes for the same catalog.

Rows are sorted by the table's key. In CSV an empty field is null and "" the empty text; nested values and JSON are JSON
text, times are ISO 8601 in UTC. Not here: what the files are said to be (datapackage.py), which rows may be handed on
(release.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import duckdb

from catalog.build import table_keys

Format = Literal["parquet", "csv"]
Say = Callable[[str], None]

VIEWS = {
    "evidence": ("checkpoint_id", "variant_id", "layer", "head", "sender_layer", "sender_head", "stratum"),
    "current_verdicts": ("claim_id", "level", "subject"),
    "claim_matrix": ("claim_id", "family_id"),
    "best_heads": ("checkpoint_id", "variant_id"),
    "onsets": ("run_id", "variant_id"),
}
"""The views exported beside all tables, each with the columns that identify a row."""
MEMORY = "2GB"
"""What sorting may take; beyond it DuckDB uses a file beside the catalog."""
MAY_BE_NULL = {"layer", "head", "sender_layer", "sender_head"}
"""Columns of these keys that may be null; of a view DuckDB can't tell."""


@dataclass(frozen=True)
class Column:
    """A column: DuckDB's type, its comment in the catalog, and whether it is never null."""

    name: str
    kind: str
    comment: str | None
    required: bool


@dataclass(frozen=True)
class Table:
    """A table or view to be exported; `key` identifies a row."""

    name: str
    comment: str | None
    key: tuple[str, ...]
    columns: tuple[Column, ...]

    def file(self, kind: Format) -> str:
        """The name of its file."""
        return f"{self.name}.{kind}"


@dataclass(frozen=True)
class Omission:
    """What is left out of a table: the rows for which a condition in SQL is true or, of these rows, some columns."""

    condition: str
    columns: tuple[str, ...] = ()


def exported(connection: duckdb.DuckDBPyConnection) -> list[Table]:
    """Every table of the catalog and the main views, by name."""
    keys = table_keys(connection) | VIEWS
    comments = dict(
        connection.execute(
            "SELECT table_name, comment FROM duckdb_tables() WHERE NOT internal "
            "UNION ALL SELECT view_name, comment FROM duckdb_views() WHERE NOT internal"
        ).fetchall()
    )
    views = {*VIEWS, "measurements"}
    columns: dict[str, list[Column]] = {}
    for table, name, kind, comment, is_nullable in connection.execute(
        "SELECT table_name, column_name, data_type, comment, is_nullable FROM duckdb_columns() "
        "WHERE schema_name = 'main' AND database_name = current_database() ORDER BY column_index"
    ).fetchall():
        if table not in keys:
            continue
        required = (name in keys[table] and name not in MAY_BE_NULL) if table in views else not is_nullable
        columns.setdefault(table, []).append(Column(name, kind, comment, required))
    return [Table(name, comments[name], keys[name], tuple(columns[name])) for name in sorted(keys)]


def write_tables(
    connection: duckdb.DuckDBPyConnection, folder: Path, kind: Format, say: Say, leave_out: Mapping[str, Omission]
) -> list[Table]:
    """Writes a file for each exported table into a folder, but what is left out of it."""
    found = exported(connection)
    connection.execute("SET threads = 1")  # row groups, and so bytes, then do not depend on which thread is first
    connection.execute(f"SET memory_limit = '{MEMORY}'")
    try:
        for number, table in enumerate(found, start=1):
            path = folder / table.file(kind)
            write(connection, table, path, kind, leave_out.get(table.name))
            say(f"{number} of {len(found)}: {path.name}, {path.stat().st_size / 1e6:.1f} MB")
    finally:
        connection.execute("RESET threads")
        connection.execute("RESET memory_limit")
    return found


def write(
    connection: duckdb.DuckDBPyConnection, table: Table, path: Path, kind: Format, leave_out: Omission | None = None
) -> None:
    """Writes one table, but what is left out of it."""
    columns = ", ".join(_as_text(column) if kind == "csv" else f'"{column.name}"' for column in table.columns)
    order = ", ".join(f'rows."{name}"' for name in table.key)
    form = "FORMAT csv, HEADER" if kind == "csv" else "FORMAT parquet, COMPRESSION zstd"
    file = str(path).replace("'", "''")
    connection.execute(
        f"COPY (SELECT {columns} FROM {_rows(table, leave_out)} AS rows ORDER BY {order}) TO '{file}' ({form})"
    )


def _rows(table: Table, leave_out: Omission | None) -> str:
    """The rows to be written, as SQL."""
    if leave_out is None:
        return table.name
    if not leave_out.columns:
        return f"(FROM {table.name} WHERE ({leave_out.condition}) IS NOT TRUE)"
    blanked = ", ".join(
        f'CASE WHEN ({leave_out.condition}) IS NOT TRUE THEN "{name}" END AS "{name}"' for name in leave_out.columns
    )
    return f"(SELECT * REPLACE ({blanked}) FROM {table.name})"


def _as_text(column: Column) -> str:
    """How a column is read for CSV."""
    name = f'"{column.name}"'
    if column.kind == "DOUBLE":  # as the Table Schema standard spells what is not finite
        return (
            f"CASE WHEN {name} IS NULL OR isfinite({name}) THEN CAST({name} AS VARCHAR) WHEN isnan({name}) THEN 'NaN' "
            f"WHEN {name} > 0 THEN 'INF' ELSE '-INF' END AS {name}"
        )
    if column.kind == "TIMESTAMP":
        return f"strftime({name}, '%Y-%m-%dT%H:%M:%SZ') AS {name}"
    if is_nested(column):
        return f"CAST(to_json({name}) AS VARCHAR) AS {name}"
    return name


def is_nested(column: Column) -> bool:
    """Whether the values are lists or structures."""
    return column.kind.endswith("]") or column.kind.startswith(("STRUCT", "MAP"))
