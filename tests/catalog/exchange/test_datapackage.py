"""The description is checked by the frictionless package: the standard, every cell, every key and reference."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from frictionless import Package

from catalog.exchange.datapackage import FILE, export_tables
from catalog.home import Home
from tests.catalog.exchange.test_tables import silent
from tests.conftest import Tiny


def faults(folder: Path) -> list[str]:
    """The kinds of error that frictionless finds in a package and its data."""
    report = Package(str(folder / FILE)).validate()
    return [error.type for task in report.tasks for error in task.errors] + [error.type for error in report.errors]


@pytest.mark.parametrize("home", ["hostile", pytest.param("tiny", marks=pytest.mark.slow)])
def test_frictionless_finds_no_fault_in_description_and_data(
    home: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    found = request.getfixturevalue(home)

    export_tables(found.home if isinstance(found, Tiny) else found, tmp_path / "out", "csv", silent)

    assert faults(tmp_path / "out") == []


@pytest.mark.parametrize(
    ("file", "old", "new", "fault"),
    [
        ("models.csv", "fam-1,fam,", "fam-1,lost,", "foreign-key"),
        ("checkpoints.csv", "fam-1-seed0@step0,", "fam-1-seed0@step10,", "primary-key"),
        ("measurements.csv", ",0.8,", ",high,", "type-error"),
        ("measurements.csv", ",0.8,", ",0.9,", "hash-count"),
    ],
)
def test_frictionless_would_find_a_fault(
    hostile: Home, tmp_path: Path, file: str, old: str, new: str, fault: str
) -> None:
    export_tables(hostile, tmp_path / "out", "csv", silent)
    path = tmp_path / "out" / file
    text = path.read_bytes().decode()
    assert old in text

    path.write_bytes(text.replace(old, new, 1).encode())

    assert fault in faults(tmp_path / "out")


def test_parquet_files_are_described_by_the_same_standard(hostile: Home, tmp_path: Path) -> None:
    export_tables(hostile, tmp_path / "out", "parquet", silent)

    assert Package.validate_descriptor(str(tmp_path / "out" / FILE)).valid
    content = json.loads((tmp_path / "out" / FILE).read_text())
    for resource in content["resources"]:
        found = (tmp_path / "out" / resource["path"]).read_bytes()
        assert resource["bytes"] == len(found)
        assert resource["hash"] == f"sha256:{hashlib.sha256(found).hexdigest()}"


def test_keys_references_and_descriptions_are_those_of_the_comments(hostile: Home, tmp_path: Path) -> None:
    export_tables(hostile, tmp_path / "out", "csv", silent)

    content = json.loads((tmp_path / "out" / FILE).read_text())
    schemas = {resource["name"]: resource["schema"] for resource in content["resources"]}
    assert schemas["models"]["primaryKey"] == ["model_id"]
    assert {"fields": ["family_id"], "reference": {"resource": "families", "fields": ["family_id"]}} in schemas[
        "models"
    ]["foreignKeys"]
    key = ["probe_run_id", "variant_id", "layer", "head", "sender_layer", "sender_head", "stratum"]
    assert schemas["measurements"]["uniqueKeys"] == [key]
    fields = {field["name"]: field for field in schemas["models"]["fields"]}
    assert fields["n_layers"] == {"name": "n_layers", "type": "integer", "description": "Number of blocks."}
    assert fields["properties"]["type"] == "object"
    assert content["version"].split(".")[1] == "1"
