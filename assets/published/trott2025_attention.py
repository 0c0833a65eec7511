"""Trott (2025), data/processed/attention_summaries: attention to the previous and to the first token on sentences.

One CSV file per checkpoint, one row per head, the mean over 666 sentences; layers and heads are counted from 1 there
and from 0 here. Not here: what the two metrics are (probes/text_attention.py, which measures them too).
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from assets.probes.registry import Measurement, Parameters
from assets.probes.text_attention import FIRST_TOKEN_ALL, PREVIOUS_TOKEN_ALL
from assets.published import ImportedCheckpoint
from assets.published.trott2025_checkpoints import checkpoint_of, fault, unreadable
from catalog.errors import UserError

FOLDER = "attention_summaries"
PATTERN = "natural_stories-rs_model-*-seed*_summary.csv"
NAME = re.compile(r"natural_stories-rs_model-(?P<model>[a-z0-9.-]+)-step(?P<step>\d+)-seed(?P<seed>\d+)_summary\.csv")
COLUMNS: dict[str, Any] = {
    "mpath": pl.String,
    "step_modded": pl.Int64,
    "revision": pl.String,
    "Layer": pl.Int64,
    "Head": pl.Int64,
    "seed": pl.Int64,
    "n_params": pl.Int64,
    "n_layers": pl.Int64,
    "mean_1back": pl.Float64,
    "mean_first": pl.Float64,
}
"""The columns read, with their types; the others are derived from the same attention."""

SENTENCES = 666
PARAMETERS: Parameters = {"corpus": "natural-stories+dundee", "bos": False}
UNIFORM_PREVIOUS = 0.126
UNIFORM_FIRST = 0.166
"""What uniform attention gives on the 666 sentences, to the three digits known of it: lengths are not published by
sentence. The mean over heads at step 0 is .1256 and .1657."""

VALUES = (
    (PREVIOUS_TOKEN_ALL, "mean_1back", UNIFORM_PREVIOUS),
    (FIRST_TOKEN_ALL, "mean_first", UNIFORM_FIRST),
)


def read_file(file: Path) -> Iterator[ImportedCheckpoint]:
    """The one checkpoint of a file, two values per head.

    Raises:
        UserError: a column is missing, a cell can't be read or lies outside its range, or the rows are not those of
            the model and checkpoint that the file's name states.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise unreadable(file, error) from None
    rows = _checked(_table(content, file), file)
    yield checkpoint_of(
        rows["mpath"][0].rpartition("/")[2],
        rows["seed"][0],
        rows["step_modded"][0] - 1,
        data_set=FOLDER,
        file=file,
        file_sha256=hashlib.sha256(content).hexdigest(),
        measurements=(
            Measurement(
                metric_id=metric.metric_id,
                parameters=PARAMETERS,
                value=value,
                layer=layer - 1,
                head=head - 1,
                chance=chance,
                n=SENTENCES,
            )
            for metric, column, chance in VALUES
            for layer, head, value in rows.select("Layer", "Head", column).iter_rows()
        ),
    )


def _table(content: bytes, file: Path) -> pl.DataFrame:
    """The columns read, with their types."""
    try:
        text = pl.read_csv(io.BytesIO(content), infer_schema=False)
    except (pl.exceptions.PolarsError, UnicodeDecodeError) as error:
        raise UserError(
            f"The file is not readable as CSV: {error}", where=str(file), mend="Restore it: git checkout -- FILE."
        ) from None
    missing = [name for name in COLUMNS if name not in text.columns]
    if missing:
        raise UserError(
            f"The file lacks the column {', '.join(missing)}.",
            where=str(file),
            mend=f"Columns expected: {', '.join(COLUMNS)}. Restore the file: git checkout -- FILE.",
        )
    table = text.select(pl.col(name).cast(kind, strict=False) for name, kind in COLUMNS.items())
    for name in COLUMNS:
        unread = table[name].is_null().arg_max() if table[name].null_count() else None
        if unread is not None:
            raise fault(file, f"line {unread + 2}, column {name}: {text[name][unread]!r} is not a {_kind(name)}")
    return table


def _kind(column: str) -> str:
    return {pl.String: "text", pl.Int64: "whole number", pl.Float64: "number"}[COLUMNS[column]]


def _checked(rows: pl.DataFrame, file: Path) -> pl.DataFrame:
    """The rows, if they are all the heads of the one checkpoint that the file's name states."""
    named = NAME.fullmatch(file.name)
    if rows.is_empty() or named is None:
        raise fault(file, "no rows" if rows.is_empty() else "the name does not state model, step and seed")
    expected = {
        "mpath": f"EleutherAI/{named['model']}",
        "step_modded": int(named["step"]) + 1,
        "revision": f"step{named['step']}",
        "seed": int(named["seed"]),
        "n_layers": rows["n_layers"][0],
        "n_params": rows["n_params"][0],
    }
    for name, value in expected.items():
        odd = rows.filter(pl.col(name) != value)
        if odd.height:
            raise fault(file, f"column {name} says {odd[name][0]!r} where {value!r} is expected")
    for _, name, _ in VALUES:
        odd = rows.filter(~pl.col(name).is_between(0, 1))
        if odd.height:
            raise fault(file, f"column {name} holds {odd[name][0]}, which is no mean probability")
    heads = set(rows.select("Layer", "Head").iter_rows())
    n_layers, n_heads = rows["n_layers"][0], max(head for _, head in heads)
    every = {(layer, head) for layer in range(1, n_layers + 1) for head in range(1, n_heads + 1)}
    if heads != every or rows.height != len(every):
        raise fault(
            file, f"{rows.height} rows of {len(heads)} heads, where {n_layers} layers of {n_heads} are {len(every)}"
        )
    return rows
