"""Exported tables with their description, a Frictionless Data Package of version 2 (https://datapackage.org).

Fields, keys and references come from the catalog's own columns and comments. Not here: how the files are written
(tables.py), what may be handed on (release.py).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb

from catalog.build import references
from catalog.exchange.folders import new_folder, sha256_of_file
from catalog.exchange.tables import Column, Format, Say, Table, is_nested, write_tables
from catalog.home import Home
from catalog.read import first_row, open_catalog

FILE = "datapackage.json"
PROFILES = "https://datapackage.org/profiles/2.0"
MEDIA_TYPES: dict[Format, str] = {"csv": "text/csv", "parquet": "application/vnd.apache.parquet"}
TYPES = {
    "BOOLEAN": "boolean",
    "INTEGER": "integer",
    "BIGINT": "integer",
    "DOUBLE": "number",
    "DATE": "date",
    "TIMESTAMP": "datetime",
    "VARCHAR": "string",
}
"""Table Schema's types of DuckDB's."""
TITLE = "Moving Target: which findings about language models still hold, in which models, since when?"
NO_LICENCE = "none"
"""What `sources.licence` says where a source states none."""


def version_of(connection: duckdb.DuckDBPyConnection) -> str:
    """SCHEMA.BUILD.0: the first number changes with the tables' names, the second with every publication."""
    row = first_row(connection, "SELECT schema_version, build FROM schema_info")
    assert row
    return f"{row[0]}.{row[1]}.0"


def export_tables(home: Home, folder: Path, kind: Format, say: Say) -> None:
    """Writes all tables and main views of the last published catalog, with their description, into a new folder.

    Raises:
        UserError: there is no catalog, the folder is taken, or the disk refuses.
    """
    with open_catalog(home) as connection, new_folder(folder) as beside:
        write_datapackage(connection, beside, write_tables(connection, beside, kind, say, {}), kind, {})


def write_datapackage(
    connection: duckdb.DuckDBPyConnection,
    folder: Path,
    tables: list[Table],
    kind: Format,
    left_out: Mapping[str, str],
) -> None:
    """Writes datapackage.json beside the files of the tables.

    Args:
        left_out: by table, a sentence on the rows that were not written.
    """
    content = describe(connection, folder, tables, kind, left_out)
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    (folder / FILE).write_text(text + "\n", encoding="utf-8")


def describe(
    connection: duckdb.DuckDBPyConnection,
    folder: Path,
    tables: list[Table],
    kind: Format,
    left_out: Mapping[str, str],
) -> dict[str, Any]:
    """The descriptor of a folder that holds the files of these tables."""
    row = first_row(connection, "SELECT build, built_at, code_version, record_digest FROM schema_info")
    assert row
    build, built_at, code_version, digest = row
    foreign_keys: dict[str, list[dict[str, Any]]] = {}
    for table, column, other, other_column in references(connection):
        reference = {"resource": "" if other == table else other, "fields": [other_column]}
        foreign_keys.setdefault(table, []).append({"fields": [column], "reference": reference})
    return {
        "$schema": f"{PROFILES}/datapackage.json",
        "name": "moving-target-catalog",
        "title": TITLE,
        "description": f"Build {build} of the catalog, made by version {code_version} of the project; "
        f"record digest {digest}. Every table and column is described in its resource.",
        "version": version_of(connection),
        "created": f"{built_at.isoformat(timespec='seconds')}Z",
        **_licences(connection),
        **_sources(connection),
        "resources": [
            _resource(connection, folder / table.file(kind), table, kind, foreign_keys.get(table.name, []), left_out)
            for table in tables
        ],
    }


def _resource(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    table: Table,
    kind: Format,
    foreign_keys: list[dict[str, Any]],
    left_out: Mapping[str, str],
) -> dict[str, Any]:
    sentences = [text for text in (table.comment, left_out.get(table.name)) if text]
    resource = {
        "name": table.name,
        "type": "table",
        "path": path.name,
        "description": " ".join(sentences),
        "format": kind,
        "mediatype": MEDIA_TYPES[kind],
        "bytes": path.stat().st_size,
        "hash": f"sha256:{sha256_of_file(path)}",
        "schema": {
            "$schema": f"{PROFILES}/tableschema.json",
            "fields": [_field(connection, table, column) for column in table.columns],
            **_key(table),
            **({"foreignKeys": foreign_keys} if foreign_keys else {}),
        },
    }
    if kind == "csv":
        resource |= {"encoding": "utf-8", "dialect": {"$schema": f"{PROFILES}/tabledialect.json"}}
    return resource


def _key(table: Table) -> dict[str, Any]:
    """A primary key may hold no null; with nulls it is a unique key, in which they differ from each other."""
    required = {column.name for column in table.columns if column.required}
    if required.issuperset(table.key):
        return {"primaryKey": list(table.key)}
    return {"uniqueKeys": [list(table.key)]}


def _field(connection: duckdb.DuckDBPyConnection, table: Table, column: Column) -> dict[str, Any]:
    field: dict[str, Any] = {"name": column.name, "type": _type(connection, table, column)}
    if column.comment:
        field["description"] = column.comment
    if column.required:
        field["constraints"] = {"required": True}
        if column.kind == "VARCHAR":
            field["missingValues"] = []  # the empty text is a value there
    return field


def _type(connection: duckdb.DuckDBPyConnection, table: Table, column: Column) -> str:
    if is_nested(column):
        return "array" if column.kind.endswith("]") else "object"
    if column.kind == "JSON":
        kinds = connection.execute(
            f'SELECT DISTINCT lower(json_type("{column.name}")) FROM {table.name} WHERE "{column.name}" IS NOT NULL'
        ).fetchall()
        return kinds[0][0] if kinds in ([("object",)], [("array",)]) else "any"
    return TYPES.get(column.kind, "number" if column.kind.startswith("DECIMAL") else "any")


def _licences(connection: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    """Those of the sources, by SPDX id; the standard knows no empty list."""
    rows = connection.execute(
        "SELECT DISTINCT licence FROM sources WHERE licence IS NOT NULL AND licence <> $none ORDER BY ALL",
        {"none": NO_LICENCE},
    ).fetchall()
    found = [{"name": name, "path": f"https://spdx.org/licenses/{name}.html"} for (name,) in rows]
    return {"licenses": found} if found else {}


def _sources(connection: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    rows = connection.execute(
        "SELECT coalesce(citation, source_id), url, commit_sha FROM sources ORDER BY source_id"
    ).fetchall()
    found = [
        {"title": title, **({"path": url} if url else {}), **({"version": commit} if commit else {})}
        for title, url, commit in rows
    ]
    return {"sources": found} if found else {}
