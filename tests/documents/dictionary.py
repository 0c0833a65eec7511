"""The data dictionary as a page, catalog/DICTIONARY.md, made of the comments alone.

Here: layout. Not here: the descriptions (catalog/schema.sql, catalog/views), reading them (catalog/dictionary.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import duckdb

from catalog.dictionary import Column, Relation, relations
from tests.documents.markdown import plain, table

CATALOG = Path(__file__).parents[2] / "catalog"
PATH = CATALOG / "DICTIONARY.md"
HEAD = """\
# Data dictionary

<!-- Written by `make docs` from the comments in schema.sql and views/; a test holds it to them. -->

Every table, view and macro of `catalog.duckdb`. Names are a contract: they change with the schema version only. Read
the views first; the tables hold everything that was ever recorded, superseded rows included. A column that refers to
another holds values of that one. What can be asked: [COOKBOOK.md](COOKBOOK.md).
"""
SECTIONS = {
    "view": ("Views", "What counts now, and what follows from it."),
    "macro": ("Macros", "Views that take a parameter: `FROM verdicts_as_of(3)`."),
    "table": ("Tables", "What the record holds."),
}


def described() -> list[Relation]:
    """Tables, views and macros of an empty catalog."""
    with duckdb.connect() as connection:
        for path in [CATALOG / "schema.sql", *sorted((CATALOG / "views").glob("*.sql"))]:
            connection.execute(path.read_text(encoding="utf-8"))
        return relations(connection)


def page() -> str:
    found = described()
    parts = [HEAD]
    for kind, (title, told) in SECTIONS.items():
        chosen = [relation for relation in found if relation.kind == kind]
        links = ", ".join(f"[{relation.name}](#{relation.name})" for relation in chosen)
        parts += [f"## {title}\n\n{told}\n\n{links}\n", *map(section, chosen)]
    return "\n".join(parts)


def section(relation: Relation) -> str:
    parameters = (
        f"Parameters: {', '.join(f'`{name}`' for name in relation.parameters)}\n" if relation.parameters else ""
    )
    key = f"Key: {', '.join(f'`{name}`' for name in relation.key)}\n" if relation.key else ""
    told = [f"### {relation.name}", plain(relation.description) + "\n", key, parameters, columns(relation.columns)]
    return "\n".join(part for part in told if part)


def columns(found: Iterable[Column]) -> str:
    refers = any(column.refers_to for column in found)
    rows = []
    for column in found:
        row = [f"`{column.name}`", column.type.lower(), plain(column.description)]
        rows.append([*row, *([f"`{column.refers_to}`" if column.refers_to else ""] if refers else [])])
    return table(["column", "type", "what it holds", *(["refers to"] if refers else [])], rows)
