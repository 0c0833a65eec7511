"""Where the record stands: under the home, in another folder, or at a URL."""

from __future__ import annotations

from pathlib import Path

import pytest

from catalog.home import Home


def home(monkeypatch: pytest.MonkeyPatch, folder: Path, record: str) -> Home:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("MOVING_TARGET_HOME", "home")
    monkeypatch.setenv("MOVING_TARGET_RECORD", record)
    return Home.from_environment()


@pytest.mark.parametrize(
    ("named", "expected"), [("", "home/record"), ("shared", "shared"), ("file://{}/a%20b", "a b"), ("{}/x", "x")]
)
def test_a_record_in_a_folder_has_an_absolute_path(
    named: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = home(monkeypatch, tmp_path, named.format(tmp_path))

    assert not found.record_is_remote
    assert found.record == tmp_path / expected


@pytest.mark.parametrize("url", ["s3://bucket/record", "memory://x", "dir::file:///shared/record"])
def test_any_other_url_is_remote(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = home(monkeypatch, tmp_path, url)

    assert found.record_is_remote
    assert found.record_location == url
