"""A reduced demo: the command line in processes of its own, a study of small calibration models, a home per test."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

NO_NETWORK = """
import socket
_connect = socket.socket.connect
def connect(self, address):
    if isinstance(address, tuple) and not str(address[0]).startswith("127.") and address[0] not in ("localhost", "::1"):
        raise RuntimeError(f"the network was asked for: {address}")
    return _connect(self, address)
socket.socket.connect = connect
"""


@dataclass
class Command:
    """`python -m pipelines` with a home of its own and no network."""

    home: Path
    environment: dict[str, str] = field(default_factory=dict)

    def variables(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("MOVING_TARGET", "DAGSTER"))}
        return {**kept, "MOVING_TARGET_HOME": str(self.home), "COLUMNS": "200", **self.environment}

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "pipelines", *arguments]
        return subprocess.run(command, env=self.variables(), capture_output=True, text=True, timeout=900, check=False)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """The same, in the background and in a process group of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "pipelines", *arguments],
            env=self.variables(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.home / "catalog.duckdb"), read_only=True) as connection:
            return connection.execute(sql).fetchall()


def guarded(folder: Path, guard: str = NO_NETWORK) -> Command:
    """A command with its home in a folder, and with code that each of its processes runs first."""
    (folder / "guard").mkdir()
    (folder / "guard" / "sitecustomize.py").write_text(guard)
    return Command(folder / "home", {"PYTHONPATH": str(folder / "guard")})


@pytest.fixture
def command(tmp_path: Path) -> Command:
    return guarded(tmp_path)


def recipe(**changes: Any) -> dict[str, Any]:
    """A calibration recipe that trains in a second or two."""
    return {
        "architecture": "gpt_neox",
        "layers": 2,
        "text": {"kind": "repeats", "jump": 0.1},
        "steps": 20,
        "cooldown": 5,
        "checkpoints": [0, 10, 20],
        "seeds": [0, 1],
        **changes,
    }


def family(
    family_id: str, runs: dict[str, Any], role: str = "calibration", model_id: str | None = None
) -> dict[str, Any]:
    """A family of one model, as it stands inline in a study."""
    model = {"model_id": model_id or f"{family_id}-model", "runs": runs}
    return {"family_id": family_id, "role": role, "description": "A family of the tests.", "models": [model]}


WriteStudy = Callable[..., str]


@pytest.fixture
def write_study(tmp_path: Path) -> WriteStudy:
    """Writes a study file; its path."""

    return partial(write, tmp_path)


def write(folder: Path, *families: dict[str, Any], **changes: Any) -> str:
    """Writes a study file into a folder, with few claims so that publishing it takes seconds; its path."""
    content = {
        "name": "small",
        "families": list(families),
        "probes": ["attention", "repeats"],
        "claims": ["prefix-matching-heads-exist", "same-layer-across-seeds"],
        **changes,
    }
    path = folder / "small.yaml"
    path.write_text(yaml.safe_dump(json.loads(json.dumps(content))))
    return str(path)


def wait_until(condition: Callable[[], bool], seconds: float = 300) -> None:
    """Polls until a condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("the condition never held")
        time.sleep(0.05)


def interrupt(process: subprocess.Popen[str]) -> str:
    """Ctrl-C, as a terminal sends it: to the whole process group; what the command printed."""
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    return output
