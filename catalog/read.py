"""Opening the catalog for reading: never blocks the writer, never writes.

Here: connections. Not here: queries (views/*.sql, reports/), building (build.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

from catalog.errors import UserError
from catalog.home import Home
from catalog.record import SCHEMA_VERSION


@contextmanager
def open_catalog(home: Home) -> Iterator[duckdb.DuckDBPyConnection]:
    """A read-only connection to the last published catalog, closed at the end.

    Raises:
        UserError: there is no catalog yet, or the file is not one.
    """
    connection = connect(home.catalog)
    try:
        yield connection
    finally:
        connection.close()


def connect(path: Path) -> duckdb.DuckDBPyConnection:
    """A read-only connection to a catalog file, the caller's to close; raises as open_catalog does."""
    if not path.exists():
        raise UserError(
            "There is no catalog yet.", where=str(path), mend="Run a study first: `python -m pipelines run demo`."
        )
    try:
        return duckdb.connect(str(path), read_only=True)
    except duckdb.Error as error:
        raise UserError(
            f"The catalog can't be opened: {error}",
            where=str(path),
            mend="It can be made again from the record: `python -m pipelines catalog rebuild`.",
        ) from None


def is_of_this_schema(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether the catalog has the tables that this code reads; else the next publication builds it again."""
    return first_row(connection, "SELECT schema_version FROM schema_info") == (SCHEMA_VERSION,)


def check_schema(home: Home) -> None:
    """Raises a UserError where the published catalog has other tables than this code reads."""
    with open_catalog(home) as connection:
        if not is_of_this_schema(connection):
            raise UserError(
                f"The catalog was built by another version of the project; here the schema is {SCHEMA_VERSION}.",
                where=str(home.catalog),
                mend="Make it again from the record: `python -m pipelines catalog rebuild`.",
            )


def first_row(
    connection: duckdb.DuckDBPyConnection, query: str, parameters: Sequence[Any] = ()
) -> tuple[Any, ...] | None:
    """A query's first row, None where there is none.

    By fetchall: after fetchone DuckDB 2.0 holds the rest of the result open and refuses the connection's next query.
    """
    rows = connection.execute(query, parameters).fetchall()
    return rows[0] if rows else None


def rows_or_none(home: Home, query: str) -> list[tuple[Any, ...]] | None:
    """A query's rows from the last published catalog; None where there is none, or one that lacks what is asked for."""
    if not home.catalog.exists():
        return None
    try:
        with duckdb.connect(str(home.catalog), read_only=True) as connection:
            return connection.execute(query).fetchall()
    except duckdb.Error:
        return None


def hold(connection: duckdb.DuckDBPyConnection, views: Sequence[str]) -> None:
    """Works these views out once, for a connection that asks them many times: each as a temporary table of its name."""
    for view in views:
        connection.execute(f"CREATE OR REPLACE TEMP TABLE {view} AS FROM main.{view}")


def sandboxed(path: Path) -> duckdb.DuckDBPyConnection:
    """A connection for other people's SQL: the catalog read-only, and no other file, network or setting within reach.

    DuckDB's read_only alone still lets a query read any file and COPY to one.
    """
    connection = connect(path)
    connection.execute("SET allowed_directories = []")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    return connection


def check_is_query(sql: str) -> None:
    """Lets SELECT and EXPLAIN through.

    Raises:
        UserError: the text is no SQL, or another kind of statement.
    """
    allowed = {duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN}
    try:
        statements = duckdb.extract_statements(sql)
    except duckdb.Error as error:
        raise UserError(f"The query can't be read: {error}", mend="Check its spelling.") from None
    refused = [statement.query.strip() for statement in statements if statement.type not in allowed]
    if refused:
        raise UserError(
            "Only SELECT and EXPLAIN are allowed: the catalog is read-only.",
            where=refused[0][:200],
            mend="To change a copy, open the catalog file's copy with DuckDB.",
        )
