"""Records that older versions wrote are built, read and published on by the code of today; newer ones are refused.

records/vN was made by the code whose SCHEMA_VERSION was N: study.yaml, one small training run with two checkpoints.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import duckdb
import pytest

from assets.claims.recording import put_claims
from assets.publish.due import publication_is_due
from assets.publish.publication import publish
from assets.study import Study, load_study
from catalog import record
from catalog.build import publishing, rebuild, stage
from catalog.errors import UserError
from catalog.home import Home
from catalog.read import check_schema, open_catalog
from catalog.record import SCHEMA_VERSION, Record

RECORDS = Path(__file__).parent / "records"
VERSIONS = range(1, SCHEMA_VERSION + 1)
LATER = {1: [("evaluations", "decision_version")], 2: [("evaluations", "beside")], 3: [("probe_runs", "fault")]}
"""Columns that came after a version."""


def home_of(version: int, folder: Path) -> Home:
    home = Home(folder / "home")
    shutil.copytree(RECORDS / f"v{version}", home.record)
    return home


def decided(home: Home) -> list[dict[str, Any]]:
    """The rows of verdicts in the record's evaluation."""
    [path] = home.evaluations.glob("*.json")
    return json.loads(path.read_text())["rows"]["verdicts"]


def query(home: Home, sql: str) -> list[tuple[Any, ...]]:
    with open_catalog(home) as connection:
        return connection.execute(sql).fetchall()


@pytest.fixture
def study() -> Study:
    """The study that made the records."""
    return load_study(str(RECORDS / "study.yaml"))


@pytest.mark.parametrize("version", VERSIONS)
def test_a_rebuild_replays_the_verdicts_that_were_decided_then(version: int, tmp_path: Path) -> None:
    home = home_of(version, tmp_path)

    assert rebuild(home) == 1

    columns = ["evaluation_id", "claim_id", "level", "subject", "verdict", "estimate", "n_runs", "reason"]
    expected = [tuple(row[name] for name in columns) for row in decided(home)]
    assert expected
    assert sorted(query(home, f"SELECT {', '.join(columns)} FROM verdicts"), key=str) == sorted(expected, key=str)
    assert query(home, "SELECT schema_version FROM schema_info") == [(SCHEMA_VERSION,)]


@pytest.mark.parametrize("version", VERSIONS)
def test_every_view_reads_it(version: int, tmp_path: Path) -> None:
    home = home_of(version, tmp_path)
    rebuild(home)

    for (view,) in query(home, "SELECT view_name FROM duckdb_views() WHERE NOT internal"):
        query(home, f"FROM {view}")
    assert query(home, "SELECT count(DISTINCT checkpoint_id) FROM evidence") == [(2,)]


@pytest.mark.parametrize(("version", "column"), [(v, column) for v in LATER for column in LATER[v]])
def test_columns_that_came_later_are_null(version: int, column: tuple[str, str], tmp_path: Path) -> None:
    home = home_of(version, tmp_path)
    rebuild(home)

    assert query(home, f"SELECT DISTINCT {column[1]} FROM {column[0]}") == [(None,)]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_publication_on_top_decides_more_and_keeps_what_was_decided(
    version: int, study: Study, tmp_path: Path
) -> None:
    home = home_of(version, tmp_path)
    before = decided(home)
    one_more = study.model_copy(update={"claims": [*study.claims, "induction-persists"]})
    put_claims(Record(home), one_more)

    publication = publish(home, one_more, lambda _: None)

    assert (publication.build, publication.decided) == (2, True)
    kept = f"SELECT count(*) FROM verdicts WHERE evaluation_id = '{before[0]['evaluation_id']}'"
    assert query(home, kept) == [(len(before),)]
    assert query(home, "SELECT DISTINCT since_build FROM evaluations ORDER BY ALL") == [(1,), (2,)]
    assert query(home, "SELECT count(*) > 0 FROM current_verdicts") == [(True,)]


def test_a_newer_record_is_refused_and_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = home_of(SCHEMA_VERSION, tmp_path)
    monkeypatch.setattr(record, "SCHEMA_VERSION", SCHEMA_VERSION - 1)

    with pytest.raises(UserError, match=f"newer version of the project: its schema is version {SCHEMA_VERSION}"):
        rebuild(home)
    with publishing(home), pytest.raises(UserError, match="Update the project"):
        stage(home)

    assert not home.catalog.exists()
    assert len(list(home.builds.iterdir())) == 1


def test_an_entry_for_a_table_that_came_later_is_refused(tmp_path: Path) -> None:
    home = home_of(SCHEMA_VERSION, tmp_path)
    Record(home).put("surprises", "one", {"surprises": [{"surprise_id": "one"}]})

    with publishing(home), pytest.raises(UserError, match="table surprises"):
        stage(home)


def test_a_catalog_of_another_version_is_told_and_due(study: Study, tmp_path: Path) -> None:
    home = home_of(SCHEMA_VERSION, tmp_path)
    publish(home, study, lambda _: None)
    home.reports.mkdir()
    (home.reports / "index.html").touch()
    check_schema(home)
    was_due = publication_is_due(home, study)
    with duckdb.connect(str(home.catalog)) as connection:
        connection.execute("UPDATE schema_info SET schema_version = 1")

    with pytest.raises(UserError, match="catalog rebuild"):
        check_schema(home)
    (home.reports / "index.html").touch()
    assert (was_due, publication_is_due(home, study)) == (False, True)
