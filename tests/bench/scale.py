"""A record of 100 million head rows: building its catalog, and the queries of the matrix and of a claim's card.

The record is made first (records.py), in a temporary folder, which needs some 11 GB: a Parquet file and two entries for
each of 97,700 probe runs. Building is `stage` and `finish`: a whole publication but comparing training runs and
deciding. Then the catalog is rebuilt, and one more training run published. Each is timed in a process of its own, whose
peak memory is told. Queries are timed as the pages of the report make them, on a connection that holds the views that a
site works out once; the median of three. Targets: a million rows a second, 2 GB, 200 ms.
`python -m tests.bench.scale 1000000` takes another number of rows; a quarter of an hour for 100 million on two idle
cores.
"""

from __future__ import annotations

import multiprocessing
import re
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import polars as pl
from rich.console import Console
from rich.table import Table

from catalog.home import Home
from tests.bench import records

N_ROWS = 100_000_000
ROWS_A_SECOND, PEAK_MB, QUERY_MS = 1_000_000, 2000, 200
ROUNDS = 3
SHOWN = 4
"""Queries of a page in the table, the slowest first."""


class Cost(NamedTuple):
    """Wall and CPU seconds of one way, and the peak memory of its process in MB."""

    seconds: float
    cpu: float
    peak: float


class Asked(NamedTuple):
    """A query of a page: the page, its text, and milliseconds by the clock and of the CPU."""

    page: str
    words: str
    ms: float
    cpu_ms: float


def measured(way: Callable[[Home], object], home: Home) -> Cost:
    """In a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_measure, (way, home))


def _measure(way: Callable[[Home], object], home: Home) -> Cost:
    start, cpu = time.perf_counter(), time.process_time()
    way(home)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Cost(time.perf_counter() - start, time.process_time() - cpu, peak)


def build_catalog(home: Home) -> None:
    """A publication without comparing and deciding."""
    from catalog.build import finish, publishing, stage

    with publishing(home):
        finish(home, stage(home))


def rebuild_catalog(home: Home) -> None:
    """What `catalog rebuild` does."""
    from catalog.build import rebuild

    rebuild(home)


def ask(home: Home) -> list[Asked]:
    """The queries of the first page and of one claim's card, as their modules make them."""
    from catalog.read import hold, open_catalog
    from reports.pages import changes, claim, facts, family, index
    from reports.pages.next_steps import next_steps
    from reports.site import ASKED_BY_EVERY_PAGE

    asked: list[list[Asked]] = []
    with open_catalog(home) as catalog:
        for _ in range(ROUNDS):
            found: list[Asked] = []
            _time(found, "matrix", "FROM claim_matrix", lambda: catalog.sql("FROM claim_matrix").pl())
            for view in ASKED_BY_EVERY_PAGE:
                _time(found, "once a site", f"FROM {view}", lambda view=view: hold(catalog, [view]))  # type: ignore[misc]
            with _timed(found, "matrix"):
                common = facts.read(catalog)
            with _timed(found, "claim card"):
                names = [row["family_id"] for row in common.families]
                numbers = dict.fromkeys(names, family.measured(catalog, names[0]))
                developmental = next(row for row in common.claims if row["axis"] == "developmental")
                claim.page(catalog, common, developmental, numbers)
            with _timed(found, "matrix"):
                index.page(common, numbers, changes.builds_of(catalog), next_steps(catalog, common))
            asked.append(found)
    return [_median(same) for same in zip(*asked, strict=True)]


def _median(same: tuple[Asked, ...]) -> Asked:
    ms, cpu_ms = (statistics.median(getattr(one, name) for one in same) for name in ("ms", "cpu_ms"))
    return same[0]._replace(ms=ms, cpu_ms=cpu_ms)


def _time(found: list[Asked], page: str, words: str, query: Callable[[], Any]) -> Any:
    start, cpu = time.perf_counter(), time.process_time()
    rows = query()
    found.append(Asked(page, words, 1000 * (time.perf_counter() - start), 1000 * (time.process_time() - cpu)))
    return rows


@contextmanager
def _timed(found: list[Asked], page: str) -> Iterator[None]:
    """Notes every query that is made within."""
    from reports.query import Query

    plain = Query.frame

    def frame(query: Query, catalog: duckdb.DuckDBPyConnection) -> pl.DataFrame:
        return _time(found, page, " ".join(query.sql.split()), lambda: plain(query, catalog))

    Query.frame = frame  # type: ignore[method-assign]
    try:
        yield
    finally:
        Query.frame = plain  # type: ignore[method-assign]


def main(n_rows: int = N_ROWS) -> None:
    """Prints the tables."""
    console = Console()
    size = records.size_of(n_rows)
    with tempfile.TemporaryDirectory() as temporary:
        home = Home(Path(temporary))
        console.print(f"Making a record of {size.rows:,} rows, {size.runs * size.checkpoints:,} probe runs ...")
        start = time.perf_counter()
        records.make(home, size)
        megabytes = _megabytes(home.measurements)
        console.print(f"{time.perf_counter() - start:.0f} s; {megabytes:,.0f} MB of Parquet")

        table = Table("", "rows", "s", "CPU s", "rows a second", "peak MB", "catalog, MB", title="Building the catalog")
        table.add_row("target", "", "", "", f"{ROWS_A_SECOND:,}", f"{PEAK_MB:,}", "")
        for name, rows, way in (
            ("build", size.rows, build_catalog),
            ("rebuild", size.rows, rebuild_catalog),
            ("one more run", size.checkpoints * records.ROWS_OF_CHECKPOINT, build_catalog),
        ):
            if name == "one more run":
                records.put_training_run(home, size.checkpoints, size.runs)
            console.print(f"{name} ...")
            cost = measured(way, home)
            cells = (f"{rows:,}", f"{cost.seconds:.1f}", f"{cost.cpu:.1f}", f"{rows / cost.seconds:,.0f}")
            table.add_row(name, *cells, f"{cost.peak:,.0f}", f"{home.catalog.stat().st_size / 1e6:,.0f}")
        console.print(table)

        table = Table("", "ms", "CPU ms", "query", title=f"Queries; target {QUERY_MS} ms each")
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            asked = pool.apply(ask, (home,))
        for page in ("matrix", "claim card", "once a site"):
            own = sorted((query for query in asked if query.page == page), key=lambda query: -query.ms)
            for query in own[:SHOWN]:
                table.add_row(page, f"{query.ms:.0f}", f"{query.cpu_ms:.0f}", _selected(query.words)[:70])
            total = (f"{sum(query.ms for query in own):.0f}", f"{sum(query.cpu_ms for query in own):.0f}")
            table.add_row(page, *total, f"all {len(own)}", end_section=True)
        console.print(table)


def _selected(words: str) -> str:
    """A query without what is named before its SELECT."""
    return re.sub(r"^WITH .*\) SELECT", "... SELECT", words)


def _megabytes(folder: Path) -> float:
    return sum(file.stat().st_size for file in folder.iterdir()) / 1e6


if __name__ == "__main__":
    main(*(int(number) for number in sys.argv[1:2]))
