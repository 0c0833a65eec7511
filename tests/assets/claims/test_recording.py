"""What a study chose is kept as it was run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from assets.claims.recording import put_study
from assets.study import Published, Study
from catalog.build import finish, publishing, stage
from catalog.home import Home
from catalog.read import open_catalog
from catalog.record import Record


def published(home: Home) -> list[tuple[str, str, str, int]]:
    with publishing(home):
        finish(home, stage(home))
    with open_catalog(home) as connection:
        return connection.execute("SELECT * FROM studies ORDER BY since_build").fetchall()


def test_every_content_of_a_study_is_kept_once(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    study = Study(name="mine", families=["pythia"], probes=[], claims=["larger-earlier-previous-token"])

    put_study(Record(home), study)
    published(home)
    put_study(Record(home), study)
    put_study(Record(home), study.model_copy(update={"description": "more"}))
    rows = published(home)

    assert [(name, json.loads(content)["description"], build) for name, content, _, build in rows] == [
        ("mine", "", 1),
        ("mine", "more", 2),
    ]
    assert len({sha256 for *_, sha256, _ in rows}) == 2
    assert Study.model_validate(json.loads(rows[0][1])) == study


@pytest.mark.parametrize(
    ("path", "kept"),
    [("/home/someone/files/", "files"), ("C:\\Users\\someone\\files", "files"), ("../files", "../files")],
)
def test_no_folder_of_the_machine_is_kept(tmp_path: Path, path: str, kept: str) -> None:
    home = Home(tmp_path / "home")
    source = Published(importer="trott2025", path=path)

    put_study(Record(home), Study(name="mine", families=[], probes=[], published=[source]))

    [(_, content, _, _)] = published(home)
    assert json.loads(content)["published"] == [{"importer": "trott2025", "path": kept}]
