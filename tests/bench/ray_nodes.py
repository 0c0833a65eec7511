"""Time of a study on one Ray node and on two, against one local worker: what spreading gives and what it costs.

Four training runs of a calibration family, trained and measured, each a job; nodes of one CPU on loopback. Whole
commands are timed, publishing included, which is never spread. On a machine of two cores the second node shares them
with the head's own processes and with the command, so that the ratio is a lower bound for machines of their own. Each
job also loads torch, which a local worker does once.
"""

from __future__ import annotations

import importlib.util
import os
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.end_to_end.conftest import Command, family, recipe, write
from tests.end_to_end.ray_cluster import cluster

RECIPE = recipe(steps=200, checkpoints=list(range(0, 201, 25)), seeds=[0, 1, 2, 3])
LONGEST_S = 1800
ENVIRONMENT = {"OMP_NUM_THREADS": "1"}


def seconds(command: Command, study: str) -> float:
    """Wall time of one `run` from nothing."""
    start = time.perf_counter()
    process = command.start("run", study, "--workers", "1")
    output, _ = process.communicate(timeout=LONGEST_S)
    assert process.returncode == 0, output
    return time.perf_counter() - start


def on_nodes(folder: Path, study: str, n_nodes: int) -> float:
    with cluster(folder, ENVIRONMENT, n_nodes=n_nodes) as made:
        return seconds(Command(folder / "home", made.environment), study)


def main() -> None:
    """Prints the table."""
    console = Console()
    if importlib.util.find_spec("dagster_ray") is None:
        console.print("Ray: left out, needs the extra `ray`: make ray")
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        study = write(folder, family("spread", {"calibration": RECIPE}))
        took = {"one local worker": seconds(Command(folder / "local", ENVIRONMENT), study)}
        for n_nodes, name in ((1, "one Ray node"), (2, "two Ray nodes")):
            took[name] = on_nodes(folder / name.replace(" ", "-"), study, n_nodes)
    title = f"4 training runs of 9 checkpoints, {os.cpu_count()} cores"
    table = Table("where", "wall s", "times as fast as one node", title=title)
    for name, each in took.items():
        table.add_row(name, f"{each:.0f}", f"{took['one Ray node'] / each:.2f}")
    console.print(table)


if __name__ == "__main__":
    main()
