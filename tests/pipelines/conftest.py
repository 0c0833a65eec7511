"""The environment of each test restored after it: commands set what is not set."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from tests.conftest import Tiny

OURS = ("MOVING_TARGET", "DAGSTER")


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A home of the test's own, and no trace of it afterwards."""
    before = dict(os.environ)
    for name in [name for name in os.environ if name.startswith(OURS)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("MOVING_TARGET_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "200")
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def invoke(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs a command in this process, on the home of the tiny study."""
    from pipelines.cli import app

    monkeypatch.setenv("MOVING_TARGET_HOME", str(tiny.home.root))
    return lambda *arguments, **options: CliRunner().invoke(app, arguments, **options)
