"""Which comparisons are due: those whose inputs differ from what the latest one was made of.

Inputs are named by the immutable probe runs behind them, so that nothing is read to find out that nothing is due.
Not here: the doing (compare.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import duckdb
import polars as pl

from assets.likeness.inputs import arrays_of_final_checkpoints
from assets.likeness.registry import PairMeasure, measures
from assets.study import digest

BEHIND = """
SELECT DISTINCT
    e.model_id, e.run_id, e.variant_id, e.metric_id, e.checkpoint_id, e.probe_run_id, e.step, e.is_final, t.grain,
    t.upper - t.lower AS span
FROM evidence AS e JOIN metrics AS t ON t.metric_id = e.metric_id
WHERE t.grain IN ('head', 'edge')
"""
LATEST = """
SELECT measure, subject, json_extract_string(inputs, '$.sha256') AS inputs FROM current_pair_runs
"""
TOO_FEW = "none"
"""The inputs of a comparison for which fewer than two training runs are left."""


@dataclass(frozen=True)
class DueComparison:
    """A model to be compared by a measure; inputs are TOO_FEW where its last comparison holds no longer."""

    measure: PairMeasure
    model_id: str
    inputs: str


def due(connection: duckdb.DuckDBPyConnection) -> list[DueComparison]:
    """Every comparison whose inputs are new, by measure and model."""
    behind = _Behind(connection)
    latest = {(measure, model): inputs for measure, model, inputs in connection.execute(LATEST).fetchall()}
    found = []
    for name, measure in measures().items():
        wanted = behind.inputs(measure)
        compared = {model for of, model in latest if of == name}
        for model_id in sorted({*wanted, *compared}):
            inputs = wanted.get(model_id, TOO_FEW)
            if latest.get((name, model_id)) != inputs:
                found.append(DueComparison(measure, model_id, inputs))
    return found


class _Behind:
    """The probe runs behind the values that can be compared."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.values = connection.sql(BEHIND).pl().sort(pl.all())
        self.arrays = arrays_of_final_checkpoints(connection)
        self.bounded = (pl.col("grain") == "head") & pl.col("span").is_not_null()

    def inputs(self, measure: PairMeasure) -> dict[str, str]:
        """The sha256 over what a measure reads, by model with at least two training runs to compare."""
        parts = list(self._parts(measure))
        models = set.intersection(*(set(part) for part in parts))
        head = [measure.name, str(measure.version)]
        return {model: digest("\n".join([*head, *(part[model] for part in parts)])) for model in sorted(models)}

    def _parts(self, measure: PairMeasure) -> Iterator[dict[str, str]]:
        if measure.develops:
            yield self._courses()
        if measure.reads is None or measure.reads:
            yield self._ends(measure.reads)
        if measure.arrays_of:
            yield self._kept(measure.arrays_of)

    def _ends(self, metrics: tuple[str, ...] | None) -> dict[str, str]:
        read = self.bounded if metrics is None else pl.col("metric_id").is_in(metrics)
        rows = self.values.filter(read, pl.col("is_final") | (pl.col("step") == 0))
        plural = _several(rows.filter("is_final"), "run_id")
        return {model: _named(rows.filter(model_id=model)) for model in plural}

    def _courses(self) -> dict[str, str]:
        """With the other models' runs that were measured with the same variants, since they give the chance level."""
        rows = self.values.filter(self.bounded, pl.col("step").is_not_null())
        each = {key: _named(group) for key, group in rows.partition_by("variant_id", "model_id", as_dict=True).items()}
        found = {}
        for model in _several(rows, "run_id"):
            own = {variant for variant, of in each if of == model}
            shared = (f"{key} {text}" for key, text in sorted(each.items()) if key[0] in own)
            found[model] = digest("\n".join([model, *shared]))
        return found

    def _kept(self, probe: str) -> dict[str, str]:
        rows = self.arrays.filter(probe=probe)
        plural = _several(rows, "checkpoint_id")
        return {model: _named(rows.filter(model_id=model)) for model in plural}


def _several(rows: pl.DataFrame, column: str) -> list[str]:
    """The models with at least two different values of a column."""
    counted = rows.group_by("model_id").agg(pl.col(column).n_unique())
    return sorted(counted.filter(pl.col(column) > 1)["model_id"])


def _named(rows: pl.DataFrame) -> str:
    """A digest of the rows, in their order."""
    return digest(rows.write_csv())
