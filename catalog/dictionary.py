"""What stands in a catalog: its tables, views and macros with their columns, as their comments describe them.

Here: reading the descriptions. A view's column without a comment of its own has that of the column of the same name
in what the view reads. Not here: the comments (schema.sql, views/), the page made of them (tests/documents).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import duckdb

REFERENCE = re.compile(r"\s*-> (\w+\.\w+)")
KEY = re.compile(r"KEY: ([^.]*)\.\s*")


@dataclass(frozen=True)
class Column:
    """A column; `refers_to` is the `table.column` in which its values stand, or None."""

    name: str
    type: str
    description: str
    refers_to: str | None = None


@dataclass(frozen=True)
class Relation:
    """A table, a view or a table macro; `key` names the columns that identify a row of a table."""

    name: str
    kind: Literal["table", "view", "macro"]
    description: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()


def relations(connection: duckdb.DuckDBPyConnection) -> list[Relation]:
    """Everything that can be queried: tables in the order of the schema, then views and macros by name."""
    columns = _columns(connection)
    comments = dict(connection.execute("SELECT table_name, comment FROM duckdb_tables() WHERE NOT internal").fetchall())
    found = [
        Relation(
            name,
            "table",
            KEY.sub("", comments[name] or ""),
            columns[name],
            tuple(re.split(r",\s*", key[1])) if (key := KEY.match(comments[name] or "")) else (),
        )
        for name in columns
        if name in comments
    ]
    found += [
        Relation(name, "view", comment or "", columns[name])
        for name, comment in connection.execute(
            "SELECT view_name, comment FROM duckdb_views() WHERE NOT internal ORDER BY view_name"
        ).fetchall()
    ]
    found += [
        Relation(name, "macro", comment or "", _returned(connection, name, parameters), parameters=tuple(parameters))
        for name, comment, parameters in connection.execute(MACROS).fetchall()
    ]
    return _completed(found, _read_by(connection))


MACROS = (
    "SELECT function_name, comment, parameters FROM duckdb_functions() "
    "WHERE NOT internal AND function_type = 'table_macro' ORDER BY function_name"
)


def _returned(connection: duckdb.DuckDBPyConnection, macro: str, parameters: list[str]) -> tuple[Column, ...]:
    """The columns that a table macro gives."""
    nothing = ", ".join(f"{name} := NULL" for name in parameters)
    described = connection.execute(f"DESCRIBE FROM {macro}({nothing})").fetchall()
    return tuple(Column(name, kind, "") for name, kind, *_ in described)


def _columns(connection: duckdb.DuckDBPyConnection) -> dict[str, tuple[Column, ...]]:
    """By table or view, in the order in which they were made."""
    found: dict[str, list[Column]] = {}
    for table, name, kind, comment in connection.execute(
        "SELECT table_name, column_name, data_type, comment FROM duckdb_columns() WHERE NOT internal "
        "ORDER BY table_oid, column_index"
    ).fetchall():
        reference = REFERENCE.search(comment or "")
        described = Column(name, kind, REFERENCE.sub("", comment or ""), reference[1] if reference else None)
        found.setdefault(table, []).append(described)
    return {table: tuple(columns) for table, columns in found.items()}


def _read_by(connection: duckdb.DuckDBPyConnection) -> dict[str, list[str]]:
    """The words of each view's and macro's definition, in their order: among them what it reads."""
    definitions = connection.execute(
        "SELECT view_name, sql FROM duckdb_views() WHERE NOT internal UNION ALL "
        "SELECT function_name, macro_definition FROM duckdb_functions() "
        "WHERE NOT internal AND function_type = 'table_macro'"
    ).fetchall()
    return {name: re.findall(r"\w+", sql) for name, sql in definitions}


def _completed(found: list[Relation], words: dict[str, list[str]]) -> list[Relation]:
    """The same, columns described by what their view or macro reads where they have no description of their own.

    Columns of macros can have none: those of a view made of the macro, or of its name without `_under`, speak for them.
    """
    by_name = {relation.name: relation for relation in found}

    def below(name: str) -> Iterator[Relation]:
        """What a view or macro reads, nearest first."""
        level, seen = [name], {name}
        while level:
            named = [word for above in level for word in words.get(above, ()) if word in by_name]
            level = [word for word in dict.fromkeys(named) if word not in seen]
            seen |= set(level)
            yield from (by_name[word] for word in level)

    def described(column: Column, of: Relation) -> Column:
        if column.description:
            return column
        views = [r for r in found if r.kind == "view" and of.kind == "macro"]
        made_of_it = [r for r in views if of.name in words[r.name] or of.name == f"{r.name}_under"]
        for relation in (*made_of_it, *below(of.name)):
            for other in relation.columns:
                if other.name == column.name and other.description:
                    return Column(column.name, column.type, other.description, other.refers_to)
        return column

    return [
        Relation(r.name, r.kind, r.description, tuple(described(c, r) for c in r.columns), r.key, r.parameters)
        for r in found
    ]
