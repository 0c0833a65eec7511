"""Asking the catalog: a query or a question of the cookbook, and its answer as CSV, JSON or Parquet.

Here: one query and its result. Not here: the sandbox that it runs in (catalog/read.py), the prompt (prompt.py), tables
on a terminal (show.py).
"""

from __future__ import annotations

import json
import os
from decimal import Decimal
from pathlib import Path
from typing import IO, Any

import duckdb
import polars as pl

from catalog.errors import UserError
from catalog.home import Home
from catalog.read import check_is_query, sandboxed
from catalog.store import told_plainly

LOOK_UP = "`FROM duckdb_tables()` lists tables, `DESCRIBE name` columns; catalog/DICTIONARY.md describes them all."


def ask(home: Home, text: str) -> pl.DataFrame:
    """The whole result of one query.

    Raises:
        UserError: there is no catalog, the text is not one SELECT or EXPLAIN, or it fails.
    """
    connection = sandboxed(home.catalog)
    try:
        return ask_over(connection, text)
    finally:
        connection.close()


def ask_over(connection: duckdb.DuckDBPyConnection, text: str) -> pl.DataFrame:
    """The same over a sandboxed connection."""
    check_is_query(text)
    n_queries = len(duckdb.extract_statements(text))
    if n_queries != 1:
        told = "There is no query." if n_queries == 0 else f"These are {n_queries} queries."
        raise UserError(told, mend="Ask one at a time: `FROM claim_matrix`.")
    try:
        return _readable(connection.sql(text)).pl()
    except duckdb.Error as error:
        raise UserError(f"The query failed: {error}", mend=LOOK_UP) from None
    except pl.exceptions.PolarsError as error:
        raise UserError(
            f"The result can't be shown: {str(error)[:200]}", mend="Cast the column: `CAST(... AS VARCHAR)`."
        ) from None
    except RuntimeError as error:
        if "interrupted" in str(error):  # how DuckDB tells of Ctrl-C
            raise KeyboardInterrupt from None
        raise


def _readable(result: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
    """The same, intervals as text: a frame has no column for months, days and seconds at once."""
    kinds = [str(kind) for kind in result.types]
    if "INTERVAL" not in kinds:
        return result
    names = ['"' + name.replace('"', '""') + '"' for name in result.columns]
    shown = (f"CAST({n} AS VARCHAR) AS {n}" if k == "INTERVAL" else n for n, k in zip(names, kinds, strict=True))
    return result.project(", ".join(shown))


def as_csv(rows: pl.DataFrame) -> str:
    """Lists, structs and maps as JSON, since a cell of CSV holds one value; bytes as hexadecimal digits."""
    odd = [name for name, kind in rows.schema.items() if kind.is_nested() or kind == pl.Binary]
    texts = [pl.Series(name, [_text(value) for value in rows[name].to_list()], pl.String) for name in odd]
    return rows.with_columns(texts).write_csv()


def as_json(rows: pl.DataFrame) -> str:
    """A list of objects; what JSON has no number for (NaN, infinity) is null."""
    finite = [pl.when(pl.col(name).is_finite()).then(pl.col(name)).alias(name) for name in _floats(rows)]
    return json.dumps(rows.with_columns(finite).to_dicts(), default=_plain, indent=1) + "\n"


def _floats(rows: pl.DataFrame) -> list[str]:
    return [name for name, kind in rows.schema.items() if kind.is_float()]


def _text(value: Any) -> str | None:
    if isinstance(value, bytes):
        return value.hex()
    return None if value is None else json.dumps(value, default=_plain)


def _plain(value: Any) -> float | str:
    """What JSON has no word for: sums come as Decimal."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value.hex() if isinstance(value, bytes) else str(value)


def write_parquet(rows: pl.DataFrame, path: Path, home: Home) -> None:
    """Writes the rows to a file, replacing it whole.

    Raises:
        UserError: there is no such folder, it refuses, or the file is one of the home's own.
    """
    if path.resolve() == home.catalog or (not home.record_is_remote and home.record in path.resolve().parents):
        raise UserError(
            "The result of a query is not written over the catalog or into the record.",
            where=str(path),
            mend="Name a file elsewhere.",
        )
    if path.is_dir() or not path.resolve().parent.is_dir():
        raise UserError("The file can't be written.", where=str(path), mend="Name a file in a folder that exists.")
    part = path.with_name(f".{path.name}.part")
    try:
        with told_plainly(path):
            rows.write_parquet(part)
            os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def read_query(query: str, stdin: IO[str]) -> str:
    """The query, from standard input where it is `-`."""
    return stdin.read() if query == "-" else query
