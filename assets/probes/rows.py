"""Measurements and their definitions as rows of the record.

Here: the columns. Not here: who measures (measure.py) or imports (published/importing.py).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import polars as pl

from assets.probes.registry import Metric, Parameters, canonical, variant_id
from catalog.record import Record

SCHEMA = {
    "variant_id": pl.String,
    "metric_id": pl.String,
    "layer": pl.Int32,
    "head": pl.Int32,
    "sender_layer": pl.Int32,
    "sender_head": pl.Int32,
    "stratum": pl.String,
    "value": pl.Float64,
    "value_a": pl.Float64,
    "value_b": pl.Float64,
    "chance": pl.Float64,
    "standard_error": pl.Float64,
    "n": pl.Int32,
}
PAIR_SCHEMA = {
    "variant_id": pl.String,
    "metric_id": pl.String,
    "checkpoint_a": pl.String,
    "checkpoint_b": pl.String,
    "layer": pl.Int32,
    "stratum": pl.String,
    "value": pl.Float64,
    "chance": pl.Float64,
    "standard_error": pl.Float64,
    "n": pl.Int32,
}


class Measured(Protocol):
    """A measurement of a checkpoint or of a pair of them: its metric, and the parameters of its variant."""

    @property
    def metric_id(self) -> str: ...

    @property
    def parameters(self) -> Parameters: ...


def variant_row(measurement: Measured) -> dict[str, Any]:
    """The row of catalog table `metric_variants` for a measurement."""
    parameters = measurement.parameters
    label = ", ".join(f"{key}={json.dumps(value).strip(chr(34))}" for key, value in sorted(parameters.items()))
    return {
        "variant_id": variant_id(measurement.metric_id, parameters),
        "metric_id": measurement.metric_id,
        "parameters": canonical(parameters),
        "label": f"{measurement.metric_id} ({label})" if label else measurement.metric_id,
        "is_default": True,
    }


def put_definitions(record: Record, metrics: Iterable[Metric], measurements: Iterable[Measured]) -> None:
    """Records the metrics and variants that measurements refer to."""
    for metric in metrics:
        record.put("metrics", metric.metric_id, {"metrics": [vars(metric)]})
    variants: dict[str, dict[str, Any]] = {}
    for measurement in measurements:
        row = variant_row(measurement)
        variants[row["variant_id"]] = row
    for variant, row in variants.items():
        record.put("metric_variants", variant, {"metric_variants": [row]})


def frame_of(measurements: Sequence[Measured], schema: Mapping[str, Any] = SCHEMA) -> pl.DataFrame:
    """The measurements as rows of catalog table `measurements` (PAIR_SCHEMA: `pair_measurements`), without the ids that
    the record adds."""
    rows = [
        {
            **{name: getattr(m, name) for name in schema if name != "variant_id"},
            "variant_id": variant_id(m.metric_id, m.parameters),
        }
        for m in measurements
    ]
    return pl.DataFrame(rows, schema=dict(schema))
