"""A record of 100 million head rows: building its catalog, and the queries of the matrix and of a claim's card.

The record is made first (records.py), in a temporary folder that needs some 12 GB, with 98,000 probe runs. Building is
`stage` and `finish`: the whole publication but comparing training runs and deciding. It runs in a process of its own,
whose peak memory is told; then a publication with one more probe run. Queries are timed in a fresh process as the
report's pages make them, each the median of three. Targets: a million rows a second, 2 GB, 200 ms.
`python -m tests.bench.scale 1000000` takes another number of rows; for 100 million a quarter of an hour on two idle
cores.
"""

from __future__ import annotations

import multiprocessing
import resource
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import duckdb

from catalog.home import Home

N_ROWS = 100_000_000
ROWS_A_SECOND, PEAK_MB, QUERY_MS = 1_000_000, 2000, 200
ROUNDS = 3


class Cost(NamedTuple):
    """Wall and CPU seconds of one way, and the peak memory of its process in MB."""

    seconds: float
    cpu: float
    peak: float


class Asked(NamedTuple):
    """A query of a page: the page, its first words, its rows and milliseconds."""

    page: str
    words: str
    rows: int
    ms: float


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
    from catalog.read import open_catalog
    from reports.pages import claim, facts, family, index

    with open_catalog(home) as catalog:
        asked: list[list[Asked]] = []
        for _ in range(ROUNDS):
            found: list[Asked] = []
            with _timed(found, "matrix"):
                common = facts.read(catalog)
                start = time.perf_counter()
                rows = catalog.execute("FROM claim_matrix").fetchall()
                found.append(Asked("matrix", "FROM claim_matrix", len(rows), 1000 * (time.perf_counter() - start)))
            with _timed(found, "claim card"):
                names = [row["family_id"] for row in common.families]
                numbers = dict.fromkeys(names, family.measured(catalog, names[0]))
                developmental = next(row for row in common.claims if row["axis"] == "developmental")
                claim.page(catalog, common, developmental, numbers)
            with _timed(found, "matrix"):
                index.page(common, numbers)
            asked.append(found)
    return [same[0]._replace(ms=statistics.median(one.ms for one in same)) for same in zip(*asked, strict=True)]


@contextmanager
def _timed(found: list[Asked], page: str) -> Iterator[None]:
    from reports.query import Query

    plain = Query.frame

    def frame(query: Query, catalog: duckdb.DuckDBPyConnection):  # type: ignore[no-untyped-def]
        start = time.perf_counter()
        rows = plain(query, catalog)
        words = " ".join(query.sql.split())
        found.append(Asked(page, words, rows.height, 1000 * (time.perf_counter() - start)))
        return rows

    Query.frame = frame  # type: ignore[method-assign]
    try:
        yield
    finally:
        Query.frame = plain  # type: ignore[method-assign]
