"""Scores of heads as frames: less their placebo, with intervals over token sequences, summed up by run.

Here: columns run_id, checkpoint_id, layer, head, value, value_a, value_b, standard_error, n, and what is made of them.
Not here: which rows are read (evidence.py), quantities of trajectories (summaries.py).
"""

from __future__ import annotations

import math

import polars as pl
from scipy import stats

from assets.claims.reading.readings import Reading


def less(frame: pl.DataFrame, placebo: pl.DataFrame) -> pl.DataFrame:
    """The rows that have a placebo, less it: halves by halves, standard errors added in squares."""
    at, columns = ["checkpoint_id", "layer", "head"], ["value", "value_a", "value_b", "standard_error", "n"]
    both = frame.join(placebo.select(*at, *columns), on=at, suffix="_minus", nulls_equal=True)
    return both.with_columns(
        *(pl.col(name) - pl.col(f"{name}_minus") for name in ("value", "value_a", "value_b")),
        standard_error=(pl.col("standard_error") ** 2 + pl.col("standard_error_minus") ** 2).sqrt(),
        n=pl.min_horizontal("n", "n_minus"),
    ).select(frame.columns)


def with_intervals(frame: pl.DataFrame) -> pl.DataFrame:
    """Adds low and high: value +- t(n-1) standard errors, null without a standard error."""
    half = pl.col("standard_error") * _reaches(frame, pl.col("n"))
    return frame.with_columns(low=pl.col("value") - half, high=pl.col("value") + half)


def _reaches(frame: pl.DataFrame, sequences: pl.Expr) -> pl.Expr:
    """The t(n-1) quantile of a 95 % interval, for the numbers of sequences that occur in the frame."""
    found = frame.select(sequences.alias("n"))["n"].drop_nulls().unique().to_list()
    quantiles = {n: float(stats.t.ppf(0.975, n - 1)) if n > 1 else None for n in found}
    return sequences.replace_strict(quantiles, default=None, return_dtype=pl.Float64)


def summarised(heads: pl.DataFrame, reading: Reading) -> pl.DataFrame:
    """One row per run. The best head's interval runs from the greatest lower to the greatest upper end of any head.

    So "some head is above" needs one head clearly above, and "no head is above" needs every head clearly below.
    """
    best = pl.col("value").arg_max()
    known = pl.col("low").is_not_null().all()
    if reading.summary in ("best_head", "single") and reading.split == "whole":
        return heads.group_by("run_id").agg(
            pl.col("value").max(),
            pl.when(known).then(pl.col("low").max()).alias("low"),
            pl.when(known).then(pl.col("high").max()).alias("high"),
            pl.col("standard_error").get(best),
            pl.col("layer").get(best),
        )
    if reading.split == "halves":
        chosen = pl.col("value_a").arg_max()
        half_error = pl.col("standard_error") * math.sqrt(2)
        reach = _reaches(heads, pl.col("n") // 2)
        return (
            heads.filter(pl.col("value_a").is_not_null() & pl.col("value_b").is_not_null())
            .with_columns(
                standard_error=half_error,
                low=pl.col("value_b") - half_error * reach,
                high=pl.col("value_b") + half_error * reach,
            )
            .group_by("run_id")
            .agg(
                pl.col("value_b").get(chosen).alias("value"),
                pl.col("low", "high", "standard_error", "layer").get(chosen),
            )
        )
    reduced = {
        "top_k_mean": pl.col("value").top_k(reading.k).mean(),
        "sum_excess": pl.col("value").clip(lower_bound=0).sum(),
        "count_above": (pl.col("value") > reading.past).sum().cast(pl.Float64),
    }[reading.summary]
    nothing = [pl.lit(None, pl.Float64).alias(name) for name in ("low", "high", "standard_error", "layer")]
    return heads.group_by("run_id").agg(reduced.alias("value"), *nothing)
