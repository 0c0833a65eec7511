"""The one writer of catalog.duckdb: builds it aside from the record, verifies it, swaps it in.

A publication has these steps, under one lock: `stage` (a copy of the last catalog plus what it lacks), then whatever
the caller compares and decides on the staged evidence (`take_in` adds what was recorded of it), then `finish` (adds the
evaluations, verifies, appends the build to the record, swaps). The build is appended before the swap: where a process
dies between them, the next publication finds the catalog behind the record and replays it. A rebuild replays
comparisons and verdicts, it never makes them anew.
Not here: deciding (assets/claims), what the tables are (schema.sql, views/).
"""

from __future__ import annotations

import os
import re
import shutil
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
from filelock import FileLock, Timeout

from catalog.errors import UserError
from catalog.home import Home
from catalog.measured import add_measurements, in_turns, measured_twice, read_measurements
from catalog.read import first_row
from catalog.record import FOLDER, SCHEMA_VERSION, Entry, Record, canonical_json, now, sha256_of
from catalog.store import told_plainly

STORAGE_VERSION = "v1.5.0"
"""So that DuckDB 1.5 clients can open the file too."""
VALUES_OF = {"probe_runs": "measurements", "pair_runs": "pair_measurements"}
"""Tables of executions, each with the table or view that its Parquet files fill."""
HISTORIES = {"studies", "checkpoint_weights", "advisories"}
"""Tables that keep the rows of every generation of an entry; the others show the latest."""
ENTRIES_AT_ONCE = 10_000
"""Entries that are held in memory at a time, some 50 MB."""
MEMORY_LIMIT = "600MB"
"""Of DuckDB while it writes; what does not fit goes to disk."""
LOCK_WAIT_S = 600


@cache
def code_version() -> str:
    return version("moving-target")


@dataclass(frozen=True)
class Staged:
    """A catalog built aside: everything recorded so far, under the number of the build to come."""

    path: Path
    build: int
    entries: tuple[Entry, ...]
    """What the last build lacked."""
    previous_digest: str


@contextmanager
def publishing(home: Home) -> Iterator[None]:
    """Holds the writer's lock.

    Raises:
        UserError: another process held it for ten minutes.
    """
    home.root.mkdir(parents=True, exist_ok=True)
    lock = FileLock(home.root / ".publish.lock")
    try:
        with lock.acquire(timeout=LOCK_WAIT_S):
            yield
    except Timeout:
        raise UserError(
            "Another process has been publishing for ten minutes.", where=lock.lock_file, mend="Wait for it, or end it."
        ) from None


def stage(home: Home) -> Staged:
    """Builds the catalog aside with all entries of the record; call under `publishing`."""
    record = Record(home)
    record.store.tidy()
    builds = record.builds()
    known = {path for build in builds for path, _ in build["entries"]}
    pending = tuple(record.entry(path) for path in record.paths() if path not in known)
    number, digest = (builds[-1]["build"], builds[-1]["digest"]) if builds else (0, "")
    path = _fresh_staging(home)
    with told_plainly(path):
        if _shows(home.catalog, digest):
            shutil.copyfile(home.catalog, path)
            with _writing(path) as connection:
                _add(connection, record, pending, number + 1)
        else:
            with _writing(path) as connection:
                _create(connection)
                for build in builds:
                    _add(connection, record, [Entry(*entry) for entry in build["entries"]], build["build"])
                    _note_build(connection, build)
                _add(connection, record, pending, number + 1)
    return Staged(path, number + 1, pending, digest)


def take_in(home: Home, staged: Staged, folders: tuple[str, ...]) -> Staged:
    """Adds the entries that were recorded in these folders since; call under `publishing`."""
    record = Record(home)
    known = {path for build in record.builds() for path, _ in build["entries"]} | {e.path for e in staged.entries}
    since = tuple(record.entry(p) for p in record.paths() if p not in known and p.startswith(folders))
    if since:
        with told_plainly(staged.path), _writing(staged.path) as connection:
            _add(connection, record, since, staged.build)
    return replace(staged, entries=staged.entries + since)


def finish(home: Home, staged: Staged) -> int:
    """Adds what was decided since, verifies, appends the build and swaps the catalog in; call under `publishing`.

    Returns:
        The number of the build that the catalog now shows; the last one's, where nothing was new.
    """
    record = Record(home)
    try:
        staged = take_in(home, staged, ("evaluations/",))
        if staged.entries:
            build = _next_build(staged)
            with told_plainly(staged.path), _writing(staged.path) as connection:
                _note_build(connection, build)
                verify(connection, staged.build)
            record.put_build(build)
        if staged.entries or not _shows(home.catalog, staged.previous_digest):
            os.replace(staged.path, home.catalog)
    finally:
        discard(staged)
    return staged.build if staged.entries else staged.build - 1


def discard(staged: Staged) -> None:
    """Deletes what `stage` made, where it was not swapped in."""
    staged.path.unlink(missing_ok=True)
    staged.path.with_name(staged.path.name + ".wal").unlink(missing_ok=True)


def rebuild(home: Home) -> int:
    """Makes the catalog again from the record's builds alone; entries of no build wait for the next publication."""
    record = Record(home)
    with publishing(home):
        builds = record.builds()
        if not builds:
            raise UserError("The record holds no build.", where=record.store.location, mend="Run a study first.")
        path = _fresh_staging(home)
        with told_plainly(path), _writing(path) as connection:
            _create(connection)
            for build in builds:
                _add(connection, record, [Entry(*entry) for entry in build["entries"]], build["build"])
                _note_build(connection, build)
            verify(connection, None)
        os.replace(path, home.catalog)
    return builds[-1]["build"]


def _fresh_staging(home: Home) -> Path:
    """A new path; staging files of processes that died are cleared away (the lock is ours)."""
    shutil.rmtree(home.staging, ignore_errors=True)
    with told_plainly(home.staging):
        home.staging.mkdir(parents=True, exist_ok=True)
    return home.staging / f"{uuid.uuid4().hex}.duckdb"


def _shows(path: Path, digest: str) -> bool:
    """Whether the catalog file exists, is of this schema and shows the build with this digest."""
    if not path.exists() or not digest:
        return False
    try:
        with duckdb.connect(str(path), read_only=True) as connection:
            row = first_row(connection, "SELECT schema_version, record_digest, code_version FROM schema_info")
    except duckdb.Error:
        return False
    return row == (SCHEMA_VERSION, digest, code_version())


@contextmanager
def _writing(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    config: dict[str, Any] = {"storage_compatibility_version": STORAGE_VERSION, "memory_limit": MEMORY_LIMIT}
    try:
        with duckdb.connect(str(path), config=config) as connection:
            connection.execute("SET enable_progress_bar = false")
            yield connection
            connection.execute("CHECKPOINT")
    except duckdb.IOException as error:
        if "No space left" in str(error):
            raise OSError(28, "No space left on device") from error
        raise


def _create(connection: duckdb.DuckDBPyConnection) -> None:
    """Tables, views and comments; in one transaction, since hundreds of small ones take seconds."""
    folder = Path(__file__).parent
    connection.begin()
    for path in [folder / "schema.sql", *sorted((folder / "views").glob("*.sql"))]:
        connection.execute(path.read_text(encoding="utf-8"))
    connection.commit()


# Adding entries


def _add(
    connection: duckdb.DuckDBPyConnection, record: Record, entries: list[Entry] | tuple[Entry, ...], build: int
) -> None:
    record.store.bring(entry.path for entry in entries)
    ordered = sorted(entries, key=lambda entry: entry.path)
    for first in range(0, len(ordered), ENTRIES_AT_ONCE):
        _add_some(connection, record, ordered[first : first + ENTRIES_AT_ONCE], build)


def _add_some(connection: duckdb.DuckDBPyConnection, record: Record, entries: Sequence[Entry], build: int) -> None:
    rows: dict[str, dict[tuple[Any, ...], dict[str, Any]]] = defaultdict(dict)
    keys, columns = table_keys(connection), _columns(connection)
    for entry in entries:
        for table, content in record.rows(entry).items():
            if table not in keys:
                raise _unknown(table, entry, record)
            for row in content:
                key = tuple(row.get(column, build) for column in keys[table])
                rows[table][key] = row
    for table, found in rows.items():
        _insert(connection, table, list(found.values()), keys[table], columns[table], build)
    for runs, table in VALUES_OF.items():
        with_values = [row for row in rows[runs].values() if row["path"]]
        ordered = sorted(with_values, key=lambda row: (row.get("checkpoint_id", ""), row["path"]))
        if table == "measurements":
            _add_measurements(connection, record, ordered)
        elif ordered:
            _insert_values(connection, record, table, columns[table], ordered)


def _unknown(table: str, entry: Entry, record: Record) -> UserError:
    return UserError(
        f"An entry of the record has rows for a table {table}, which schema version {SCHEMA_VERSION} does not have.",
        where=f"{record.store.location}/{entry.path}",
        mend="It was written by a newer version of the project: update, or name another home in MOVING_TARGET_HOME.",
    )


def _insert(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    rows: list[dict[str, Any]],
    key: tuple[str, ...],
    columns: dict[str, str],
    build: int,
) -> None:
    texts = {name: _texts(row.get(name) for row in rows) for name in columns if name != "since_build"}
    frame = pl.DataFrame(texts, schema=dict.fromkeys(texts, pl.String))  # noqa: F841  (read by DuckDB)
    named = ", ".join(
        f'CAST("{name}" AS {kind}) AS "{name}"' for name, kind in columns.items() if name != "since_build"
    )
    since = f", {build} AS since_build" if "since_build" in columns else ""
    written_once = table in VALUES_OF or ("evaluation_id" in key and table != "evaluations")
    if not written_once:
        same = [f'CAST(t."{name}" AS VARCHAR) = frame."{name}"' for name in key if name != "since_build"]
        same += [f"t.since_build = {build}"] if table in HISTORIES else []
        connection.execute(f"DELETE FROM {table} AS t USING frame WHERE {' AND '.join(same)}")
    connection.execute(f"INSERT INTO {table} BY NAME SELECT {named}{since} FROM frame")


def _texts(values: Iterable[Any]) -> list[str | None]:
    return [value if value is None or isinstance(value, str) else _text(value) for value in values]


def _text(value: Any) -> str:
    if isinstance(value, bool | dict | list):
        return canonical_json(value)
    return repr(value) if isinstance(value, float) else str(value)


def _add_measurements(connection: duckdb.DuckDBPyConnection, record: Record, runs: Sequence[Mapping[str, Any]]) -> None:
    """Adds the values of probe runs, those of the next million rows being read while the last are inserted."""

    def read(part: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
        return read_measurements(_checked_files(record, part))

    parts = in_turns(runs)
    with ThreadPoolExecutor(1) as ahead:
        upcoming = next((ahead.submit(read, part) for part in parts), None)
        while upcoming is not None:
            found = upcoming.result()
            upcoming = next((ahead.submit(read, part) for part in parts), None)
            add_measurements(connection, found)


def _insert_values(
    connection: duckdb.DuckDBPyConnection,
    record: Record,
    table: str,
    columns: dict[str, str],
    runs: Sequence[Mapping[str, Any]],
) -> None:
    names = ", ".join(f'"{name}"' for name in columns)
    connection.execute(
        f"INSERT INTO {table} ({names}) SELECT {names} FROM read_parquet($paths, union_by_name = true)",
        {"paths": _checked_files(record, runs)},
    )


def _checked_files(record: Record, runs: Sequence[Mapping[str, Any]]) -> list[str]:
    """The runs' Parquet files on this disk, each as it was written."""
    record.store.bring(run["path"].removeprefix(FOLDER) for run in runs)
    return [str(record.unchanged(run["path"], run["file_sha256"])) for run in runs]


def _columns(connection: duckdb.DuckDBPyConnection) -> dict[str, dict[str, str]]:
    """By table, the types of its columns in their order."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for table, column, kind in connection.execute(
        "SELECT table_name, column_name, data_type FROM duckdb_columns() WHERE NOT internal ORDER BY column_index"
    ).fetchall():
        found[table][column] = kind
    return found


def _next_build(staged: Staged) -> dict[str, Any]:
    listed = [[entry.path, entry.sha256] for entry in sorted(staged.entries, key=lambda entry: entry.path)]
    return {
        "build": staged.build,
        "built_at": now(),
        "code_version": code_version(),
        "schema_version": SCHEMA_VERSION,
        "n_entries": len(listed),
        "digest": sha256_of((staged.previous_digest + canonical_json(listed)).encode()),
        "entries": listed,
    }


def _note_build(connection: duckdb.DuckDBPyConnection, build: dict[str, Any]) -> None:
    numbers = [build["build"], build["built_at"]]
    connection.execute("INSERT INTO builds VALUES (?, ?, ?, ?)", [*numbers, build["n_entries"], build["digest"]])
    connection.execute("DELETE FROM schema_info")
    connection.execute(
        "INSERT INTO schema_info VALUES (?, ?, ?, ?, ?)", [SCHEMA_VERSION, *numbers, code_version(), build["digest"]]
    )


# Verifying


def table_keys(connection: duckdb.DuckDBPyConnection) -> dict[str, tuple[str, ...]]:
    """The columns that identify a row, by table, as their comments say (`KEY: a, b.`); the view `measurements` too."""
    comments = connection.execute(
        "SELECT table_name, comment FROM duckdb_tables() WHERE NOT internal AND schema_name = 'main' "
        "UNION ALL SELECT view_name, comment FROM duckdb_views() WHERE comment LIKE 'KEY: %'"
    ).fetchall()
    return {table: tuple(re.split(r",\s*", re.match(r"KEY: ([^.]*)\.", comment)[1])) for table, comment in comments}  # type: ignore[index]


def references(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, str, str, str]]:
    """(table, column, referred table, referred column), as the columns' comments say (`-> table.column`)."""
    rows = connection.execute(
        "SELECT table_name, column_name, regexp_extract(comment, '-> (\\w+)\\.(\\w+)', ['t', 'c']) AS r "
        "FROM duckdb_columns() WHERE NOT internal AND schema_name = 'main' AND comment LIKE '%-> %' ORDER BY ALL"
    ).fetchall()
    return [(table, column, found["t"], found["c"]) for table, column, found in rows]


def verify(connection: duckdb.DuckDBPyConnection, build: int | None) -> None:
    """Checks that keys are unique and references exist; of the measurements only the build's own, if it is named.

    Raises:
        UserError: with the table and one offending row.
    """
    new = f"pair_run_id IN (SELECT pair_run_id FROM pair_runs WHERE since_build = {build})" if build else "TRUE"
    where = {"pair_measurements": new}
    stored = {"measurements": "storage.measured_variants"}
    keys = table_keys(connection)
    of_measurement = ", ".join(keys.pop("measurements"))
    for table, key in [*keys.items(), (stored["measurements"], ("probe_run_id", "variant_id", "stratum"))]:
        names, some = ", ".join(key), where.get(table, "TRUE")
        query = f"SELECT {names} FROM {table} WHERE {some} GROUP BY {names} HAVING count(*) > 1 LIMIT 1"
        if twice := first_row(connection, query):
            raise _inconsistent(f"Table {table} holds two rows for {names} = {twice}.")
    if twice := measured_twice(connection, build):
        raise _inconsistent(f"The view measurements holds two rows for {of_measurement} = {twice}.")
    for table, column, other, other_column in references(connection):
        lost = first_row(
            connection,
            f"SELECT DISTINCT {column} FROM {stored.get(table, table)} WHERE {where.get(table, 'TRUE')} "
            f"AND {column} IS NOT NULL AND {column} NOT IN (SELECT {other_column} FROM {other}) LIMIT 1",
        )
        if lost:
            raise _inconsistent(f"{table}.{column} = {lost[0]!r} has no row in {other}.")


def _inconsistent(what: str) -> UserError:
    return UserError(
        f"The catalog would not be consistent, so it was not published: {what}",
        mend="The last catalog is untouched. This is a fault of the program: please report it with this message.",
    )
