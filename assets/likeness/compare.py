"""Comparing: every due comparison is made and recorded, with its metrics and variants.

Not here: which are due (plan.py), what they read (inputs.py), the statistics (one module a measure).
"""

from __future__ import annotations

import time

import duckdb

from assets.likeness.between import METRICS
from assets.likeness.inputs import Inputs
from assets.likeness.plan import TOO_FEW, DueComparison, due
from assets.likeness.registry import measures
from assets.probes.registry import canonical
from assets.probes.rows import PAIR_SCHEMA, frame_of, put_definitions
from catalog.record import Record


def compare(connection: duckdb.DuckDBPyConnection, record: Record) -> int:
    """Makes all due comparisons of a staged catalog and records them; how many there were.

    Call under the writer's lock: the number in a pair run's id tells which is the later one.
    """
    put_definitions(record, [*METRICS, *(metric for each in measures().values() for metric in each.metrics)], [])
    comparisons = due(connection)
    if comparisons:
        inputs = Inputs(connection, record)
        for comparison in comparisons:
            _compare_one(comparison, inputs, record)
    return len(comparisons)


def _compare_one(comparison: DueComparison, inputs: Inputs, record: Record) -> None:
    measure, clock = comparison.measure, time.perf_counter()
    enough = comparison.inputs != TOO_FEW
    found = list(measure.compare(inputs.compared(measure, comparison.model_id))) if enough else []
    lacking = "defined for no pair of the training runs" if enough else "fewer than two training runs are measured"
    row = {
        "measure": measure.name,
        "measure_version": measure.version,
        "subject": comparison.model_id,
        "status": "ok" if found else "not_applicable",
        "reason": None if found else lacking,
        "inputs": canonical({"sha256": comparison.inputs}),
        "duration_s": round(time.perf_counter() - clock, 4),
    }
    put_definitions(record, [], found)
    record.put_pair_run(row, frame_of(found, PAIR_SCHEMA))
