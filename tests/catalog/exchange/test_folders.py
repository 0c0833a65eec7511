"""A folder is there whole or not at all, and never in place of something."""

from __future__ import annotations

from pathlib import Path

import pytest

from catalog.errors import UserError
from catalog.exchange.folders import new_folder


def test_a_folder_appears_when_it_is_full(tmp_path: Path) -> None:
    folder = tmp_path / "not yet" / "there"

    with new_folder(folder) as beside:
        (beside / "file").write_text("x")
        assert not folder.exists()

    assert [path.name for path in folder.iterdir()] == ["file"]
    assert [path.name for path in folder.parent.iterdir()] == ["there"]
    assert folder.stat().st_mode & 0o777 == 0o755


def test_an_empty_folder_may_be_there(tmp_path: Path) -> None:
    with new_folder(tmp_path) as beside:
        (beside / "file").write_text("x")

    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("name", ["full", "full/file"])
def test_what_is_there_is_never_overwritten(tmp_path: Path, name: str) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("mine")

    with pytest.raises(UserError) as error, new_folder(tmp_path / name):
        pytest.fail("it must not be entered")

    assert error.value.where == str(tmp_path / name)
    assert (tmp_path / "full" / "file").read_text() == "mine"


def test_what_goes_wrong_leaves_nothing_behind(tmp_path: Path) -> None:
    def interrupted() -> None:
        with new_folder(tmp_path / "out") as beside:
            (beside / "file").write_text("x")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()

    assert not list(tmp_path.iterdir())


def test_a_name_that_the_disk_does_not_take_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="can't be written: File name too long"), new_folder(tmp_path / ("n" * 300)):
        pytest.fail("it must not be entered")
