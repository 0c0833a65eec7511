"""The record at an fsspec URL: the same catalog as from a folder, and another machine goes on from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Tiny
from tests.end_to_end.catalogs import differences, rows_of
from tests.end_to_end.conftest import Command

pytestmark = pytest.mark.end_to_end


def test_a_study_whose_record_stands_at_a_url_gives_the_same_catalog(tiny: Tiny, tmp_path: Path) -> None:
    shared = {"MOVING_TARGET_RECORD": f"dir::file://{tmp_path / 'record'}"}
    here = Command(tmp_path / "here", tiny.command.environment | shared)
    there = Command(tmp_path / "there", tiny.command.environment | shared)

    ran = here("run", tiny.study, "--workers", "1")

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert not (here.home / "record").exists()
    assert differences(rows_of(here.home / "catalog.duckdb"), rows_of(tiny.home.catalog)) == []
    assert "0 checkpoints due" in there("status", tiny.study).stdout
    assert there("catalog", "rebuild").returncode == 0
    assert differences(rows_of(there.home / "catalog.duckdb"), rows_of(here.home / "catalog.duckdb")) == []
    assert "dir::file" in here("status", "--disk").stdout
