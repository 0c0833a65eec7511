"""Importing induction files of the published size (8.6 million rows), over parsing them.

The files are made here, in a temporary folder: 4 sizes x 9 seeds x 16 checkpoints x 100 samples, one row per head.
They are imported as published, a file per checkpoint, and as one file, each in a process of its own; then found
unchanged. The baseline is polars parsing every cell, file by file; ratios are of CPU time. Target: under two minutes,
and memory that does not grow with the length of a file. Two minutes on an idle core, making the files included.
"""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
from rich.console import Console
from rich.table import Table

MODELS = {
    "14m": (14_067_712, 6, 4),
    "70m": (70_426_624, 6, 8),
    "160m": (162_322_944, 12, 12),
    "410m": (405_334_016, 24, 16),
}
STEPS = (0, *(2**k for k in range(10)), 1000, 10_000, 50_000, 100_000, 143_000)
SEEDS = range(1, 10)
SAMPLES = 100


def make(folder: Path) -> None:
    """The files, with random values of the published kind: float32, printed in full."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for (size, (n_params, n_layers, n_heads)), step, seed in product(MODELS.items(), STEPS, SEEDS):
        sample, layer, head = (axis.ravel() for axis in np.indices((SAMPLES, n_layers, n_heads)))
        recall, rank = rng.integers(0, 51, SAMPLES) / 50, rng.uniform(0, 3e4, SAMPLES)
        columns = {
            "mpath": f"EleutherAI/pythia-{size}",
            "seed": seed,
            "step": step,
            "revision": f"step{step}",
            "n_params": n_params,
            "n_layers": n_layers,
            "n_heads": n_heads,
            "sample": sample,
            "layer": layer,
            "head": head,
            "ps": rng.beta(2, 150, sample.size).astype(np.float32).astype(np.float64),
            "ar_acc": recall.astype(np.float32).astype(np.float64)[sample],
            "ar_mean_rank": rank.astype(np.float32).astype(np.float64)[sample],
        }
        pl.DataFrame(columns).write_csv(folder / f"induction_scores-pythia-{size}-step{step}-seed{seed}.csv")


def join(folder: Path, whole: Path) -> None:
    """All of them as one file."""
    whole.parent.mkdir()
    with whole.open("wb") as joined:
        for number, file in enumerate(sorted(folder.iterdir())):
            header, _, rows = file.read_bytes().partition(b"\n")
            joined.write((header + b"\n") * (number == 0) + rows)


def parse(folder: Path, home: Path) -> int:
    """The baseline."""
    return sum(pl.read_csv(file).height for file in sorted(folder.iterdir()))


def import_files(folder: Path, home: Path) -> int:
    """Rows added to the record."""
    from assets.published.importing import import_published
    from assets.study import Published
    from catalog.home import Home

    return import_published(Published(importer="trott2025", path=str(folder)), Home(home), lambda line: None).n_rows


class Cost(NamedTuple):
    """Of one way: what it gives, wall and CPU seconds, peak memory in MB."""

    rows: int
    seconds: float
    cpu: float
    peak: float


def measured(way: Callable[[Path, Path], int], folder: Path, home: Path) -> Cost:
    """In a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_measure, (way, folder, home))


def _measure(way: Callable[[Path, Path], int], folder: Path, home: Path) -> Cost:
    import resource

    start, cpu = time.perf_counter(), time.process_time()
    rows = way(folder, home)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Cost(rows, time.perf_counter() - start, time.process_time() - cpu, peak)


def main() -> None:
    """Prints the table."""
    console = Console()
    with tempfile.TemporaryDirectory() as temporary:
        folder, whole = Path(temporary) / "several", Path(temporary) / "one" / "all.csv"
        console.print("Making the files ...")
        make(folder)
        join(folder, whole)
        megabytes = whole.stat().st_size / 1e6
        homes = [Path(temporary) / name for name in ("home", "other-home")]
        ways = (
            ("parsing", parse, folder, homes[0]),
            (f"importing {len(list(folder.iterdir()))} files", import_files, folder, homes[0]),
            ("importing one file", import_files, whole.parent, homes[1]),
            ("finding them unchanged", import_files, folder, homes[0]),
        )
        table = Table(
            "", "rows", "s", "CPU s", "over parsing", "peak MB", title=f"Induction files, {megabytes:,.0f} MB"
        )
        costs: list[Cost] = []
        for name, way, source, home in ways:
            console.print(f"{name} ...")
            costs.append(cost := measured(way, source, home))
            ratio = f"{cost.cpu / costs[0].cpu:.2f}"
            table.add_row(name, f"{cost.rows:,}", f"{cost.seconds:.1f}", f"{cost.cpu:.1f}", ratio, f"{cost.peak:,.0f}")
        console.print(table)


if __name__ == "__main__":
    main()
