"""Fetching a file through all that can go wrong, with real huggingface_hub and a hub on loopback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from assets.models.hub.client import HubUnreachable
from assets.models.hub.fetching import fetch_file
from assets.models.hub.listing import ListedFile, tree
from catalog.errors import UserError
from catalog.home import Home
from tests.assets.models.hub.conftest import checkpoint
from tests.end_to_end.conftest import wait_until
from tests.loopback_hub import LoopbackHub, point_at

pytestmark = pytest.mark.usefixtures("waited")
NAME = "model.safetensors"
CONTENT = checkpoint(1)[NAME]


@pytest.fixture
def served(hub: LoopbackHub, home: Home, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ListedFile]:
    """A commit, and its file of weights as it is listed; bodies are written in small pieces."""
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 1000)
    commit = hub.add("org/tiny", {NAME: CONTENT, "config.json": b'{"a": 1}'})
    return commit, next(file for file in tree("org/tiny", commit, home) if file.path == NAME)


def ranges(hub: LoopbackHub) -> list[str | None]:
    return [asked.range for asked in hub.asked("^GET") if asked.cdn]


@pytest.mark.parametrize("reset", [False, True])
def test_after_a_drop_only_the_rest_is_asked_for(
    hub: LoopbackHub, served: tuple[str, ListedFile], tmp_path: Path, reset: bool
) -> None:
    commit, file = served
    hub.drop(NAME, after=40_000, reset=reset)

    fetch_file("org/tiny", commit, file, tmp_path / NAME, print)

    assert (tmp_path / NAME).read_bytes() == CONTENT
    first, second = ranges(hub)
    assert first is None
    assert second is not None
    if not reset:  # a reset may lose what was on its way
        assert second == "bytes=40000-"


def test_a_killed_process_is_gone_on_with(hub: LoopbackHub, served: tuple[str, ListedFile], tmp_path: Path) -> None:
    commit, file = served
    let_go = hub.hold(NAME, after=40_000)
    script = f"""
import sys
from pathlib import Path
import huggingface_hub.constants
huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE = 1000
from assets.models.hub.fetching import fetch_file
from assets.models.hub.listing import ListedFile
fetch_file("org/tiny", {commit!r}, {file!r}, Path({str(tmp_path / NAME)!r}), print)
"""
    child = subprocess.Popen([sys.executable, "-c", script], env={**os.environ, **hub.environment(tmp_path / "hf")})
    target = tmp_path / NAME
    wait_until(lambda: target.exists() and target.stat().st_size > 20_000)
    child.kill()
    child.wait()
    let_go.set()
    there = target.stat().st_size

    fetch_file("org/tiny", commit, file, target, print)

    assert target.read_bytes() == CONTENT
    assert ranges(hub) == [None, f"bytes={there}-"]


def test_other_bytes_than_listed_are_deleted_and_fetched_again_once(
    hub: LoopbackHub, served: tuple[str, ListedFile], tmp_path: Path, said: list[str]
) -> None:
    commit, file = served
    hub.corrupt(NAME)

    fetch_file("org/tiny", commit, file, tmp_path / NAME, said.append)

    assert (tmp_path / NAME).read_bytes() == CONTENT
    assert len(said) == 1
    hub.corrupt(NAME, times=2)
    with pytest.raises(UserError, match="other bytes than it lists") as told:
        fetch_file("org/tiny", commit, file, tmp_path / "other", print)
    assert not told.value.lasting
    assert not (tmp_path / "other").exists()


def test_a_small_file_is_checked_by_its_name_in_git(
    hub: LoopbackHub, served: tuple[str, ListedFile], home: Home, tmp_path: Path
) -> None:
    commit, _ = served
    config = next(file for file in tree("org/tiny", commit, home) if file.path == "config.json")
    hub.corrupt("config.json")

    fetch_file("org/tiny", commit, config, tmp_path / "config.json", print)

    assert (tmp_path / "config.json").read_bytes() == b'{"a": 1}'
    assert hub.bodies("config.json") == 2


def test_a_body_cut_short_is_completed(hub: LoopbackHub, served: tuple[str, ListedFile], tmp_path: Path) -> None:
    commit, file = served
    hub.truncate(NAME, to=30_000)

    fetch_file("org/tiny", commit, file, tmp_path / NAME, print)

    assert (tmp_path / NAME).read_bytes() == CONTENT
    assert ranges(hub) == [None, "bytes=30000-"]


def test_a_hub_that_never_sends_all_is_told(hub: LoopbackHub, served: tuple[str, ListedFile], tmp_path: Path) -> None:
    commit, file = served
    hub.truncate(NAME, to=0, times=100)

    with pytest.raises(UserError, match="ends after 0 of"):
        fetch_file("org/tiny", commit, file, tmp_path / NAME, print)


@pytest.mark.parametrize(("status", "retry_after"), [(429, 3), (500, None), (503, 2)])
def test_refusals_that_pass_are_waited_for(
    hub: LoopbackHub,
    served: tuple[str, ListedFile],
    tmp_path: Path,
    waited: list[float],
    status: int,
    retry_after: int | None,
) -> None:
    commit, file = served
    hub.fail(f"resolve/.*{NAME}", status=status, times=2, retry_after=retry_after)

    fetch_file("org/tiny", commit, file, tmp_path / NAME, print)

    assert (tmp_path / NAME).read_bytes() == CONTENT
    assert retry_after is None or max(waited) >= retry_after


@pytest.mark.parametrize(("status", "what"), [(500, "answered 500"), (429, "fewer requests")])
def test_refusals_that_stay_end_in_an_error_that_does_not_last(
    hub: LoopbackHub, served: tuple[str, ListedFile], tmp_path: Path, status: int, what: str
) -> None:
    commit, file = served
    hub.fail(f"resolve/.*{NAME}", status=status, times=1000)

    with pytest.raises(UserError, match=what) as told:
        fetch_file("org/tiny", commit, file, tmp_path / NAME, print)

    assert not told.value.lasting
    assert len(hub.asked(NAME)) < 40


def test_a_connection_that_always_breaks_is_told(
    hub: LoopbackHub, served: tuple[str, ListedFile], tmp_path: Path
) -> None:
    commit, file = served
    hub.drop(NAME, after=0, times=1000)

    with pytest.raises(HubUnreachable):
        fetch_file("org/tiny", commit, file, tmp_path / NAME, print)

    assert len(ranges(hub)) < 10


def test_a_file_is_fetched_from_the_mirror_that_is_named(
    hub: LoopbackHub, served: tuple[str, ListedFile], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit, file = served
    point_at("http://127.0.0.1:1", monkeypatch)
    with pytest.raises(HubUnreachable, match="can't be reached"):
        fetch_file("org/tiny", commit, file, tmp_path / NAME, print)

    point_at(hub.address, monkeypatch)
    fetch_file("org/tiny", commit, file, tmp_path / NAME, print)

    assert (tmp_path / NAME).read_bytes() == CONTENT
