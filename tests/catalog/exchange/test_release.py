"""A release: what it holds, what it leaves out and says so, and that it is the same each time."""

from __future__ import annotations

import subprocess
from pathlib import Path

import duckdb
import pytest
import yaml

from catalog.exchange.datapackage import FILE
from catalog.exchange.release import write_release
from catalog.home import Home
from catalog.record import Record
from tests.catalog.exchange.conftest import SECRET
from tests.catalog.exchange.test_tables import silent
from tests.catalog.test_build import publish


def tables_with(folder: Path, value: float) -> set[str]:
    """The Parquet files in which a number stands in any column, nested ones included."""
    found = set()
    for path in folder.glob("*.parquet"):
        rows = duckdb.execute(f"SELECT CAST(t AS VARCHAR) FROM read_parquet('{path}') AS t").fetchall()
        if any(str(value) in text for (text,) in rows):
            found.add(path.stem)
    return found


def test_values_that_may_not_be_handed_on_stand_nowhere_and_it_says_so(withheld: Home, tmp_path: Path) -> None:
    left_out = write_release(withheld, tmp_path / "out", silent)

    assert left_out == ["theirs"]
    assert tables_with(tmp_path / "out", SECRET) == tables_with(tmp_path / "out", SECRET / 2) == set()
    assert tables_with(tmp_path / "out", 0.25) >= {"measurements", "evidence", "best_heads"}
    readme = (tmp_path / "out" / "README.md").read_text()
    assert "- `theirs`: https://example.org/theirs" in readme
    assert "They (2024) &lt;b&gt;bold&lt;/b&gt;. Its values are left out." in readme
    assert (tmp_path / "out" / FILE).read_text().count("Left out: values of theirs") == 4


def test_all_values_are_there_if_asked_for_with_a_warning(withheld: Home, tmp_path: Path) -> None:
    left_out = write_release(withheld, tmp_path / "out", silent, include_all=True)

    assert left_out == []
    assert tables_with(tmp_path / "out", SECRET) == {"measurements", "evidence", "best_heads"}
    readme = (tmp_path / "out" / "README.md").read_text()
    assert "may not be handed on: keep it to yourself" in readme
    assert "## What was left out\n\nNothing." in readme


@pytest.mark.parametrize("home", ["withheld", "hostile"])
def test_an_unchanged_catalog_gives_the_same_bytes(home: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    for name in ("one", "two"):
        write_release(request.getfixturevalue(home), tmp_path / name, silent)

    one, two = ({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("one", "two"))
    assert one == two


def test_sha256sum_confirms_every_file(withheld: Home, tmp_path: Path) -> None:
    write_release(withheld, tmp_path / "out", silent)

    checked = subprocess.run(["sha256sum", "--check", "SHA256SUMS"], cwd=tmp_path / "out", capture_output=True)

    assert checked.returncode == 0, checked.stderr
    files = {path.name for path in (tmp_path / "out").iterdir()}
    assert {line.split(":")[0] for line in checked.stdout.decode().splitlines()} == files - {"SHA256SUMS"}


def test_it_says_how_to_cite_the_build(withheld: Home, tmp_path: Path) -> None:
    write_release(withheld, tmp_path / "out", silent)

    citation = yaml.safe_load((tmp_path / "out" / "CITATION.cff").read_text())
    assert (citation["type"], citation["cff-version"]) == ("dataset", "1.2.0")
    assert citation["title"].endswith("Catalog, build 1")


def test_a_verdicts_estimates_of_single_runs_are_left_out_where_they_are_such_values(
    withheld: Home, tmp_path: Path
) -> None:
    record = Record(withheld)
    claim = {
        "claim_id": "c", "claim_version": 1, "statement": "s", "axis": "functional", "about": "model",
        "concreteness": "token", "citation": "c", "estimand": "{}", "criterion": "c", "reference_class": "true",
        "criterion_fixed_at": "2024-01-01", "file_sha256": "f",
    }  # fmt: skip
    of_run = {
        "evaluation_id": "e", "claim_id": "c", "claim_version": 1, "subject": "fam-1", "run_id": "fam-1-seed0",
        "estimate": SECRET, "standard_error": 0.01, "included": True, "outcome": "h",
    }  # fmt: skip
    rows = [of_run | {"level": "model", "provenance": "published"}, of_run | {"level": "run", "provenance": "measured"}]
    evaluation = {
        "evaluation_id": "e", "of_build": 1, "condition": "{}", "evaluated_at": "2024-01-01 00:00:00",
        "code_version": "1", "inputs_digest": "d",
    }  # fmt: skip
    record.put("claims", "c", {"claims": [claim]})
    record.put("evaluations", "e", {"evaluations": [evaluation], "verdict_runs": rows})
    publish(withheld)

    write_release(withheld, tmp_path / "out", silent)

    found = duckdb.execute(
        f"SELECT provenance, estimate, standard_error, outcome FROM '{tmp_path}/out/verdict_runs.parquet' ORDER BY ALL"
    ).fetchall()
    assert found == [("measured", SECRET, 0.01, "h"), ("published", None, None, "h")]
