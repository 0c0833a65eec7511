"""A run with nothing to do, and one more checkpoint, over the first run of a study of 500 checkpoints and more.

The study has two training runs that are made here in seconds, a checkpoint on disk, and, where a clone stands beside
the project or MOVING_TARGET_TROTT2025 names one, the 576 checkpoints that Trott (2025) published. Each run is the
command line in a process of its own, with workers of its own; times are CPU seconds of all of them, with wall seconds
beside. What one more checkpoint costs beside its own measuring is its run less the time from the start of its worker
to the worker's end. Target: below 30 s, and below 10 s where nothing is due. Three minutes on two idle cores.
"""

from __future__ import annotations

import os
import resource
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import torch
from rich.console import Console
from rich.table import Table
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

from tests.end_to_end.conftest import Command, family, recipe, write

PROBES = ("attention", "repeats", "text_attention", "text_loss", "copying", "k_composition", "ablation", "patching")
CLONE = Path(os.environ.get("MOVING_TARGET_TROTT2025", Path(__file__).parents[3] / "shared" / "data" / "trott2025"))
N_RUNS = """
    SELECT count(*) FROM probe_runs
    WHERE provenance = 'measured' AND since_build = (SELECT max(build) FROM builds)
"""


class Cost(NamedTuple):
    """CPU and wall seconds of a run and the processes that it starts, and the wall seconds of its measuring."""

    cpu: float
    wall: float
    measuring: float


def cost_of(command: Command, study: str) -> Cost:
    """Raises RuntimeError where the run fails."""
    before, start = _children(), time.perf_counter()
    process = command.start("run", study)
    output, since_start = "", {"Study ": 0.0, "Deciding ": 0.0}
    for line in process.stdout or ():
        output += line
        since_start |= {said: time.perf_counter() - start for said in since_start if line.startswith(said)}
    if process.wait():
        raise RuntimeError(output)
    return Cost(_children() - before, time.perf_counter() - start, since_start["Deciding "] - since_start["Study "])


def _children() -> float:
    """CPU seconds of all processes that were started and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def add_checkpoint(place: Path, step: int) -> None:
    """A small random model."""
    torch.manual_seed(step)
    config = GPTNeoXConfig(
        vocab_size=64, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64
    )
    GPTNeoXForCausalLM(config).save_pretrained(place / f"step{step}")


def main() -> None:
    """Prints the table."""
    console, table = (
        Console(),
        Table("run", "CPU s", "over the first", "wall s", "probe runs", title="Incremental runs"),
    )
    with tempfile.TemporaryDirectory() as folder:
        place, command = Path(folder) / "mine", Command(Path(folder) / "home", {"PYTHONUNBUFFERED": "1"})
        add_checkpoint(place, 0)
        families: list[Any] = [
            family("small-neox", {"calibration": recipe()}),
            family("mine", {"local": str(place)}, role="natural"),
        ]
        published: dict[str, Any] = {}
        if CLONE.is_dir():
            families.append("pythia")
            published = {
                "checkpoints": {"pythia": {"models": []}},
                "published": [{"importer": "trott2025", "path": str(CLONE)}],
            }
        study = write(Path(folder), *families, probes=list(PROBES), claims="all", **published)
        first = cost_of(command, study)
        ((n_first,),) = command.query(N_RUNS)
        nothing = cost_of(command, study)
        add_checkpoint(place, 10)
        more = cost_of(command, study)
        ((n_more,),) = command.query(N_RUNS)
        ((n_checkpoints,),) = command.query("SELECT count(*) FROM checkpoints")
        shutil.rmtree(place)
    rows = {
        f"first, {n_checkpoints - 1} checkpoints": (first, n_first),
        "nothing to do": (nothing, 0),
        "one more checkpoint": (more, n_more),
    }
    for name, (cost, n_runs) in rows.items():
        ratio = f"{cost.cpu / first.cpu:.2f}"
        table.add_row(name, f"{cost.cpu:.1f}", ratio, f"{cost.wall:.1f}", str(n_runs))
    console.print(table)
    own = more.measuring
    console.print(f"One more checkpoint beside its measuring: {more.wall - own:.1f} s (its measuring: {own:.1f} s)")


if __name__ == "__main__":
    main()
