"""Planning, the code location, queries and the report need neither torch nor transformers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Tiny
from tests.end_to_end.conftest import Command, guarded

NO_TORCH = """
import importlib.util
import sys

class Refuse:  # looking for the module is allowed: polars does
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "transformers"):
            return importlib.util.spec_from_loader(name, self)

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        raise ImportError(f"{module.__name__} was imported")

sys.meta_path.insert(0, Refuse())
"""


@pytest.fixture(scope="module")
def without_torch(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Command:
    """The command line on the tiny study's home, where importing torch raises."""
    command = guarded(tmp_path_factory.mktemp("no_torch"), NO_TORCH)
    return Command(tiny.command.home, command.environment)


def python(command: Command, code: str, home: Path) -> subprocess.CompletedProcess[str]:
    variables = command.variables() | {"MOVING_TARGET_HOME": str(home)}
    return subprocess.run([sys.executable, "-c", code], env=variables, capture_output=True, text=True, check=False)


def test_the_guard_refuses_torch(without_torch: Command, tmp_path: Path) -> None:
    assert "torch was imported" in python(without_torch, "import torch", tmp_path).stderr


def test_the_code_location_loads(without_torch: Command, tmp_path: Path) -> None:
    code = "from pipelines.definitions import definitions; definitions.resolve_all_job_defs(); print('loaded')"

    outcome = python(without_torch, code, tmp_path)

    assert outcome.stdout == "loaded\n", outcome.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("status", "{study}"),
        ("run", "{study}"),  # nothing is due
        ("status", "demo"),
        ("report",),
        ("sql", "FROM claim_matrix"),
        ("studies",),
        ("studies", "check", "{study}"),
        ("studies", "audit", "{study}"),
        ("probes",),
    ],
    ids=" ".join,
)
def test_commands_that_only_read_work(without_torch: Command, tiny: Tiny, arguments: tuple[str, ...]) -> None:
    outcome = without_torch(*(argument.format(study=tiny.study) for argument in arguments))

    assert outcome.returncode == 0, outcome.stderr
