"""Trott (2025), data/processed/induction_results: prefix matching and recall on repeated random tokens.

CSV files of any name with one row per sample, layer and head, layers and heads counted from 0; a file may hold several
checkpoints. As the study's published code (src/models/run_seeds_induction.py) made them:

    ps      prefix_matching on 50 ids of the whole embedding, drawn without replacement and repeated once, no BOS: the
            variant that the probe text_attention measures
    ar_acc  repeat_recall on the same tokens, at all 50 positions of the copy (ours leaves the last one out), the same
            in every row of a sample

DuckDB reduces a file to one row per head and one per sample while it reads, so that memory does not grow with its
length. Not here: what the two metrics are (probes/attention.py, probes/repeats.py).
"""

from __future__ import annotations

import csv
import functools
import hashlib
import operator
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import duckdb
import numpy as np
import polars as pl

from assets.probes import attention, repeats
from assets.probes.registry import Measurement, Metric, Parameters
from assets.probes.text_attention import TROTT_SHAPE
from assets.published import ImportedCheckpoint
from assets.published.trott2025_checkpoints import FAMILY, checkpoint_of, fault, unreadable
from assets.study import load_family
from catalog.errors import UserError

FOLDER = "induction_results"
TEXTS = ("mpath", "seed", "step", "revision")
INTEGERS = ("n_layers", "n_heads", "sample", "layer", "head")
SHARES = ("ps", "ar_acc")
COLUMNS = (*TEXTS, *INTEGERS, *SHARES)
"""The columns read, wherever they stand; others are passed over."""
CHECKPOINT = [*TEXTS, "n_layers", "n_heads"]


def _metric(metrics: tuple[Metric, ...], metric_id: str) -> Metric:
    return next(metric for metric in metrics if metric.metric_id == metric_id)


PREFIX_MATCHING = _metric(attention.METRICS, "prefix_matching")
REPEAT_RECALL = _metric(repeats.METRICS, "repeat_recall")
PARAMETERS: Parameters = {
    "input": "repeated",
    "n": TROTT_SHAPE.n,
    "m": TROTT_SHAPE.m,
    "bos": False,
    "tokens": "all",
}
RECALL_PARAMETERS: Parameters = {**PARAMETERS, "positions": TROTT_SHAPE.n}
PREFIX_CHANCE = float(np.mean(1 / (attention.repeated_readouts(TROTT_SHAPE, bos=False)["prefix_matching"][0] + 1)))
"""Mean over the queries of 1 / (keys that the query sees): .013763."""
RECALL_CHANCE = repeats.bag_recall(TROTT_SHAPE.n)

WHOLE = " AND ".join(
    [
        *(f"{name} IS NOT NULL" for name in TEXTS + INTEGERS),
        *(f"coalesce({name} BETWEEN 0 AND 1, false)" for name in SHARES),
    ]
)
"""Every cell of a row is there and within its range."""
FILE = "read_csv($file, header = true, auto_detect = false, delim = ',', quote = '\"', columns = {columns})"
REDUCED = f"""
    SELECT
        GROUPING(head) = 0 AS of_head, {", ".join(CHECKPOINT)}, layer, head, sample,
        count(*) AS n_rows,
        count(*) FILTER ({WHOLE}) AS n_whole,
        bit_xor(hash(sample)) AS samples, min(hash(sample)) AS sample_hash,
        avg(ps) FILTER (ps BETWEEN 0 AND 1) AS value,
        avg(ps) FILTER (ps BETWEEN 0 AND 1 AND sample % 2 = 0) AS value_a,
        avg(ps) FILTER (ps BETWEEN 0 AND 1 AND sample % 2 = 1) AS value_b,
        stddev_samp(ps) FILTER (ps BETWEEN 0 AND 1) / sqrt(count(*)) AS standard_error,
        min(ar_acc) AS recall, max(ar_acc) AS other_recall
    FROM {FILE}
    GROUP BY GROUPING SETS (({", ".join(CHECKPOINT)}, layer, head), ({", ".join(CHECKPOINT)}, sample))
    ORDER BY ALL
"""
"""Rows of a head (with its mean and halves over samples) and rows of a sample (with its recall).

NaN is above every number to DuckDB, so BETWEEN leaves it out. `samples` is a fingerprint of the samples that a head
has an odd number of times: the checkpoint's fingerprint, with as many rows as it has samples, means each of them once.
"""
ODD_ROW = f"""
    SELECT * FROM (
        SELECT row_number() OVER () + 1 AS line, {", ".join(COLUMNS)}
        FROM {FILE}
    ) WHERE NOT ({WHOLE})
    LIMIT 1
"""


def looks_alike(file: Path) -> bool:
    """Whether a CSV file is meant to be one of these: its first line names most of the columns."""
    try:
        return len(set(COLUMNS) & set(_header(file))) > len(COLUMNS) / 2
    except UserError:
        return False


def read_file(file: Path) -> Iterator[ImportedCheckpoint]:
    """The checkpoints of a file, by training run and step; the file is checked as a whole before the first.

    Raises:
        UserError: a column is missing, a cell can't be read or lies outside its range, a head or a sample of a
            checkpoint is missing or there twice, or the recall of a sample differs between its rows.
    """
    rows = _reduced(file)
    sha256 = _sha256(file)
    found = [_checkpoint(part, file, sha256) for part in rows.partition_by(CHECKPOINT, maintain_order=True)]
    yield from sorted(found, key=lambda checkpoint: (checkpoint.run_id, checkpoint.step or 0))


def _header(file: Path) -> list[str]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as text:
            return next(csv.reader(text), [])
    except OSError as error:
        raise unreadable(file, error) from None
    except UnicodeDecodeError:
        raise fault(file, "it is not text in UTF-8") from None


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _reduced(file: Path) -> pl.DataFrame:
    """The rows of REDUCED, if every cell of the file is as it should be."""
    header = _header(file)
    missing = [name for name in COLUMNS if name not in header]
    if missing or len(set(header)) < len(header):
        twice = sorted({name for name in header if header.count(name) > 1})
        what = f"lacks the column {', '.join(missing)}" if missing else f"has the column {', '.join(twice)} twice"
        raise UserError(
            f"The file {what}.",
            where=str(file),
            mend=f"Columns expected: {', '.join(COLUMNS)}. Restore the file: git checkout -- FILE.",
        )
    rows = _query(REDUCED, file, header)
    if rows.is_empty():
        raise fault(file, "no rows")
    if (rows["n_whole"] < rows["n_rows"]).any():
        _refuse_odd_row(file, header)
    return rows


@functools.cache
def _database() -> duckdb.DuckDBPyConnection:
    """In memory; opening one takes longer than reading a file."""
    return duckdb.connect(config={"threads": 1})


def _query(query: str, file: Path, header: list[str]) -> pl.DataFrame:
    """In one thread, so that sums are the same each time."""
    kinds = dict.fromkeys(INTEGERS, "INTEGER") | dict.fromkeys(SHARES, "DOUBLE")
    quoted = {name.replace("'", "''"): kinds.get(name, "VARCHAR") for name in header}
    columns = ", ".join(f"'{name}': '{kind}'" for name, kind in quoted.items())
    try:
        with _database().cursor() as cursor:
            return cursor.sql(query.replace("{columns}", f"{{{columns}}}"), params={"file": str(file)}).pl()
    except duckdb.Error as error:
        raise _told(file, str(error)) from None


def _told(file: Path, error: str) -> UserError:
    """DuckDB's message, with line and column where it names them."""
    line = re.search(r"Line: (\d+)", error)
    cell = re.search(r'column "([^"]+)". Could not convert string "([^"]*)" to \'(\w+)\'', error)
    if line and cell:
        kind = "whole number" if cell[3].startswith("INT") else "number"
        return fault(file, f"line {line[1]}, column {cell[1]}: {cell[2]!r} is not a {kind}")
    parts = [part.strip() for part in error.splitlines()]
    if line:
        return fault(file, f"line {line[1]} is not readable as CSV: {parts[2].rstrip('.')}")
    return fault(file, f"it is not readable as CSV: {parts[0]}")


def _refuse_odd_row(file: Path, header: list[str]) -> NoReturn:
    row = _query(ODD_ROW, file, header).row(0, named=True)
    empty = [name for name in COLUMNS if row[name] is None]
    name = empty[0] if empty else next(name for name in SHARES if not 0 <= row[name] <= 1)
    what = "is empty" if empty else f"holds {row[name]}, which is not between 0 and 1"
    raise fault(file, f"line {row['line']}, column {name} {what}")


def _checkpoint(rows: pl.DataFrame, file: Path, sha256: str) -> ImportedCheckpoint:
    """One checkpoint from its rows of heads and of samples."""
    stated = rows.row(0, named=True)
    model_id, seed, step = _identity(stated, file)
    named = f"{model_id}-seed{seed}@step{step}"
    heads, samples = rows.filter("of_head"), rows.filter(~pl.col("of_head"))
    _check_grid(heads, samples, stated, named, file)
    odd = samples.filter(pl.col("recall") != pl.col("other_recall"))
    if odd.height:
        recalls = f"{odd['recall'][0]} and {odd['other_recall'][0]}"
        raise fault(file, f"{named}, sample {odd['sample'][0]}: column ar_acc says {recalls} in rows of one sample")
    columns = ["value", "value_a", "value_b", "standard_error"]
    measurements = [
        Measurement(PREFIX_MATCHING.metric_id, PARAMETERS, chance=PREFIX_CHANCE, n=samples.height, **row)
        for row in heads.select("layer", "head", *columns).iter_rows(named=True)
    ]
    recall = samples.select(_over_samples()).row(0, named=True)
    measurements.append(
        Measurement(REPEAT_RECALL.metric_id, RECALL_PARAMETERS, chance=RECALL_CHANCE, n=samples.height, **recall)
    )
    return checkpoint_of(
        model_id, seed, step, data_set=FOLDER, file=file, file_sha256=sha256, measurements=measurements
    )


def _over_samples() -> list[pl.Expr]:
    """The mean recall over samples, over the even and the odd ones, and its standard error."""
    recall, even = pl.col("recall"), pl.col("sample") % 2 == 0
    return [
        recall.mean().alias("value"),
        recall.filter(even).mean().alias("value_a"),
        recall.filter(~even).mean().alias("value_b"),
        (recall.std() / recall.len().sqrt()).alias("standard_error"),
    ]


def _identity(stated: dict[str, Any], file: Path) -> tuple[str, int, int]:
    """Model, seed and step; a step may be written as `1000` or `step1000`."""
    model_id = stated["mpath"].rpartition("/")[2]
    if model_id not in _models():
        raise fault(file, f"column mpath says {stated['mpath']!r}, which is none of {', '.join(_models())}")
    numbers = {}
    for name in ("seed", "step"):
        number = re.fullmatch(rf"(?:{name})?(\d+)", stated[name])
        if number is None:
            raise fault(file, f"column {name} says {stated[name]!r}, which is no whole number")
        numbers[name] = int(number[1])
    if stated["revision"] != f"step{numbers['step']}":
        raise fault(file, f"column revision says {stated['revision']!r} where 'step{numbers['step']}' is expected")
    return model_id, numbers["seed"], numbers["step"]


@functools.cache
def _models() -> tuple[str, ...]:
    """Those of the family, whose design its file states."""
    return tuple(model.model_id for model in load_family(FAMILY).models)


def _check_grid(heads: pl.DataFrame, samples: pl.DataFrame, stated: dict[str, Any], named: str, file: Path) -> None:
    """Every head of every layer is there, with every sample once."""
    n_layers, n_heads = stated["n_layers"], stated["n_heads"]
    outside = ~pl.col("layer").is_between(0, n_layers - 1) | ~pl.col("head").is_between(0, n_heads - 1)
    if heads.height != n_layers * n_heads or heads.filter(outside).height:
        what = f"{heads.height} heads that are not the {n_layers} layers of {n_heads}, counted from 0"
        raise fault(file, f"{named} has {what}")
    fingerprint = functools.reduce(operator.xor, samples["sample_hash"].to_list())
    odd = heads.filter((pl.col("n_rows") != samples.height) | (pl.col("samples") != fingerprint))
    if odd.height:
        row = odd.row(0, named=True)
        what = f"{row['n_rows']} rows, which are not one for each of the {samples.height} samples"
        raise fault(file, f"{named}, layer {row['layer']}, head {row['head']} has {what}")
