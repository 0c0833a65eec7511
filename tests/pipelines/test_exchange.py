"""The commands export and release, as a user types them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from click.testing import Result

from catalog.errors import UserError

Invoke = Callable[..., Result]


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_export_writes_tables_with_their_description(invoke: Invoke, tmp_path: Path, form: str) -> None:
    outcome = invoke("export", str(tmp_path / "out"), "--format", form)

    assert outcome.exit_code == 0
    assert f"Tables and datapackage.json: {tmp_path / 'out'}" in outcome.stdout
    assert f"measurements.{form}" in outcome.stderr
    read = pl.read_parquet if form == "parquet" else pl.read_csv
    assert sorted(read(tmp_path / "out" / f"training_runs.{form}")["seed"]) == [0, 1]
    assert (tmp_path / "out" / "datapackage.json").is_file()


def test_export_writes_records_of_results(invoke: Invoke, tmp_path: Path) -> None:
    outcome = invoke("export", str(tmp_path / "out"), "--format", "every-eval-ever")

    assert f"2 records: {tmp_path / 'out'}" in outcome.stdout
    assert len(list((tmp_path / "out" / "data").rglob("*.json"))) == 2


def test_release_writes_a_folder_to_publish(invoke: Invoke, tmp_path: Path) -> None:
    outcome = invoke("release", str(tmp_path / "out"))

    assert f"Release: {tmp_path / 'out'}" in outcome.stdout
    assert "Left out" not in outcome.stdout
    assert {"README.md", "CITATION.cff", "SHA256SUMS", "datapackage.json", "verdicts.parquet"} <= {
        path.name for path in (tmp_path / "out").iterdir()
    }


@pytest.mark.parametrize("command", ["export", "release"])
def test_a_folder_that_holds_something_is_refused(invoke: Invoke, tmp_path: Path, command: str) -> None:
    (tmp_path / "mine").write_text("x")

    outcome = invoke(command, str(tmp_path))

    assert isinstance(outcome.exception, UserError)
    assert "There is something already" in str(outcome.exception)
    assert (tmp_path / "mine").read_text() == "x"


@pytest.mark.parametrize("command", ["export", "release"])
def test_without_a_catalog_the_mend_is_told(tmp_path: Path, command: str) -> None:
    from typer.testing import CliRunner

    from pipelines.cli import app

    outcome = CliRunner().invoke(app, [command, str(tmp_path / "out")])

    assert "There is no catalog yet" in str(outcome.exception)
    assert not (tmp_path / "out").exists()
