"""`make soak`: a study is run, killed with its workers by SIGKILL at a random moment, and run again; many times.

    python -m tests.soak demo --kills 5 --workers 2 --seed 0

Each time in a home of its own, whose catalog, when the second run has ended, must equal that of a run which nobody
killed, row for row but for clocks and costs. It takes about twice the study's own time for each kill.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from tests.end_to_end.catalogs import Rows, differences, rows_of
from tests.end_to_end.conftest import Command

SHOWN = 5
"""Differences that are told of a catalog."""


@dataclass(frozen=True)
class Soak:
    """A study, and where its homes are made."""

    study: str
    workers: int
    folder: Path

    def run(self, name: str) -> Command:
        """Runs the study in a home to the end.

        Raises:
            SystemExit: it fails.
        """
        command = Command(self.folder / name)
        process = self._start(command)
        try:
            said, _ = process.communicate()
        except BaseException:  # Ctrl-C ends the run, too, which is in a process group of its own
            os.killpg(process.pid, signal.SIGKILL)
            raise
        if process.returncode:
            raise SystemExit(f"The run in {command.home} ended with status {process.returncode}:\n{said}")
        return command

    def kill(self, name: str, seconds: float) -> int:
        """Starts the study in a home and kills it; the number of files that its record then holds."""
        command = Command(self.folder / name)
        process = self._start(command)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return sum(path.is_file() for path in (command.home / "record").rglob("*"))

    def _start(self, command: Command) -> subprocess.Popen[str]:
        return command.start("run", self.study, "--workers", str(self.workers))


def soak(plan: Soak, n_kills: int, seed: int, out: Console) -> bool:
    """Whether every catalog came out as if nothing had happened."""
    moments = random.Random(seed)
    with out.status(f"Running study {plan.study} undisturbed"):
        started = time.monotonic()
        expected = rows_of(plan.run("undisturbed").home / "catalog.duckdb")
        seconds = time.monotonic() - started
    out.print(f"Undisturbed: {seconds:.0f} s, {sum(map(len, expected.values())):,} different rows", highlight=False)
    n_faulty = 0
    for number in range(1, n_kills + 1):
        after = moments.uniform(0, seconds)
        with out.status(f"Kill {number} of {n_kills}: after {after:.0f} s, then to the end"):
            n_files = plan.kill(f"kill-{number}", after)
            told = differences(_finished(plan, number), expected)
        word = "the same catalog" if not told else f"{len(told)} rows differ, see {plan.folder / f'kill-{number}'}"
        out.print(f"Kill {number} of {n_kills}: after {after:.0f} s, at {n_files} files: {word}", highlight=False)
        for line in told[:SHOWN]:
            out.print(f"  {line}", markup=False, highlight=False)
        n_faulty += bool(told)
        if not told:
            shutil.rmtree(plan.folder / f"kill-{number}")
    out.print(f"{n_kills - n_faulty} of {n_kills} kills left nothing lost and nothing twice.", highlight=False)
    return n_faulty == 0


def _finished(plan: Soak, number: int) -> Rows:
    return rows_of(plan.run(f"kill-{number}").home / "catalog.duckdb")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description="Kill a study's runs at random moments.")
    parser.add_argument("study", nargs="?", default="demo", help="a study's name, or the path of its file")
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0, help="of the random moments")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="moving-target-soak-"))
    right = soak(Soak(given.study, given.workers, folder), given.kills, given.seed, Console())
    if right:
        shutil.rmtree(folder)
    sys.exit(0 if right else 1)


if __name__ == "__main__":
    main()
