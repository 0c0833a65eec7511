"""What DuckDB reads back of the files is what the catalog holds, whatever the names."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import pytest

from catalog.errors import UserError
from catalog.exchange.datapackage import export_tables
from catalog.exchange.folders import new_folder
from catalog.exchange.tables import VIEWS, Format, Table, exported, write, write_tables
from catalog.home import Home
from catalog.read import open_catalog
from catalog.record import Record
from tests.catalog.exchange.conftest import HOSTILE
from tests.catalog.test_build import publish, put_facts, put_probe_run
from tests.conftest import Tiny


def silent(line: str) -> None:
    pass


def back(table: Table, path: Path, kind: Format) -> str:
    """SQL that reads a file with the table's own types."""
    if kind == "parquet":
        return f"read_parquet('{path}')"
    columns = ", ".join(f"'{column.name}': '{column.kind}'" for column in table.columns)
    empty = ", ".join(f"'{column.name}'" for column in table.columns if column.required and column.kind == "VARCHAR")
    options = f"header = true, auto_detect = false, columns = {{{columns}}}, force_not_null = [{empty}]"
    return f"""read_csv('{path}', {options}, quote = '"', escape = '"', allow_quoted_nulls = false)"""


@pytest.mark.parametrize("kind", ["parquet", "csv"])
@pytest.mark.parametrize("home", ["hostile", "tiny"])
def test_every_table_comes_back_as_it_was(
    home: str, kind: Format, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    found = request.getfixturevalue(home)
    source = found.home if isinstance(found, Tiny) else found

    export_tables(source, tmp_path / "out", kind, silent)

    with open_catalog(source) as connection:
        tables = exported(connection)
        for table in tables:
            file = back(table, tmp_path / "out" / table.file(kind), kind)
            for one, other in ((table.name, file), (file, table.name)):
                lost = connection.execute(f"SELECT * FROM {one} EXCEPT ALL SELECT * FROM {other}").fetchall()
                assert lost == [], table.name
        listed = connection.execute("SELECT table_name FROM duckdb_tables() WHERE schema_name = 'main'").fetchall()
    names = {table.name for table in tables}
    assert names == {name for (name,) in listed} | VIEWS.keys() | {"measurements"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "datapackage.json",
        *(f"{name}.{kind}" for name in names),
    }


def test_hostile_names_are_read_by_any_csv_reader_and_name_no_file(hostile: Home, tmp_path: Path) -> None:
    before = {path.name for path in tmp_path.iterdir()}

    export_tables(hostile, tmp_path / "out", "csv", silent)

    with (tmp_path / "out" / "models.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["model_id"] for row in rows} == {*HOSTILE, "fam-1"}
    assert {path.name for path in tmp_path.iterdir()} == before | {"out"}


def test_numbers_that_are_not_finite_are_spelled_as_table_schema_spells_them(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    put_facts(Record(home))
    for step, value in ((0, math.nan), (10, -math.inf)):
        put_probe_run(Record(home), step, value, f"k{step}")
    publish(home)

    export_tables(home, tmp_path / "out", "csv", silent)

    with (tmp_path / "out" / "measurements.csv").open(newline="") as file:
        assert [(row["value"], row["value_a"]) for row in csv.DictReader(file)] == [("NaN", "")] * 2 + [
            ("-INF", "")
        ] * 2


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_told_and_leaves_nothing_behind(hostile: Home, tmp_path: Path) -> None:
    with open_catalog(hostile) as connection:
        models = next(table for table in exported(connection) if table.name == "models")
        with pytest.raises(UserError, match="The disk is full"), new_folder(tmp_path / "out"):
            write(connection, models, Path("/dev/full"), "csv")

    assert {path.name for path in tmp_path.iterdir()} == {"home"}


def test_there_must_be_a_catalog(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="There is no catalog yet"):
        export_tables(Home(tmp_path / "home"), tmp_path / "out", "csv", silent)

    assert not list(tmp_path.iterdir())


def test_the_connection_has_its_settings_back(hostile: Home, tmp_path: Path) -> None:
    settings = "SELECT current_setting('threads'), current_setting('memory_limit')"
    (tmp_path / "out").mkdir()
    with open_catalog(hostile) as connection:
        before = connection.execute(settings).fetchall()

        write_tables(connection, tmp_path / "out", "parquet", silent, {})

        assert connection.execute(settings).fetchall() == before
