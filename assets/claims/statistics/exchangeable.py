"""Do the heads of a layer share their numbers across training runs? Correlation of scores by (layer, head).

Heads of a layer are exchangeable at initialisation, so heads are the units: the interval is the jackknife over heads,
each left out of all runs at once. Over runs it would be wrong twice: where nothing is shared, the mean over pairs is a
degenerate U-statistic, which moves by as much as its own noise when one run is left out, so that the interval is far
too wide; and the width under permutation of heads, right where nothing is shared, is too narrow where something is.
Over heads, 90 % intervals cover .88 to .93 in both; where just the bound of an equivalence is shared, a wrong `holds`
comes in up to .11 of catalogs, not in .05 (`python -m tests.validation index`).

Here: numbers in, intervals out. Not here: what is claimed of it (estimands/agreement.py).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import stats

from assets.claims.statistics.pooling import CONFIDENCE, Floats, Interval

METHOD = "jackknife over heads"


def correlation_by_index(frames: Sequence[pl.DataFrame], confidence: float = CONFIDENCE) -> Interval:
    """Mean Pearson correlation over the pairs of runs of their heads' scores, each layer's mean taken out.

    Args:
        frames: one per run, rows of the same heads in the same order, with columns layer and value. Layers of a single
            head say nothing and are left out.
    """
    several = [frame.filter(pl.len().over("layer") > 1) for frame in frames]
    if len(several) < 2:
        return Interval(None, None, None, len(frames), METHOD, confidence, "there are no pairs of runs")
    centred = [frame.select(pl.col("value") - pl.col("value").mean().over("layer"))["value"] for frame in several]
    scores = np.array([values.to_numpy() for values in centred])
    if scores.shape[1] < 3 or (np.ptp(scores, axis=1) == 0).any():
        reason = "fewer than three heads in layers of several, or no spread among them"
        return Interval(None, None, None, len(frames), METHOD, confidence, reason)
    return _jackknife(scores, several[0]["layer"].to_numpy(), confidence)


def _jackknife(scores: Floats, layers: NDArray[np.int64], confidence: float) -> Interval:
    """Estimate +- t standard errors; degrees of freedom are heads less layers, since each layer's mean is taken out.

    Args:
        scores: (k, heads) of k runs, layer means taken out.
        layers: (heads,)
    """
    k, heads = scores.shape
    products = scores @ scores.T
    estimate = _mean_correlation(products)
    _, layer, sizes = np.unique(layers, return_inverse=True, return_counts=True)
    # A head leaves its layer with the mean of the others taken out: sums of products shrink by n/(n - 1) of its own.
    shrink = (sizes / (sizes - 1))[layer]
    left_out = [_mean_correlation(products - shrink[h] * np.outer(scores[:, h], scores[:, h])) for h in range(heads)]
    deviations = np.array(left_out) - np.mean(left_out)
    error = math.sqrt((heads - 1) / heads * float(deviations @ deviations))
    half = float(stats.t.ppf((1 + confidence) / 2, heads - sizes.size)) * error
    return Interval(estimate, estimate - half, estimate + half, k, METHOD, confidence)


def _mean_correlation(products: Floats) -> float:
    """Over the pairs of runs, from the (k, k) sums of products of their centred scores; runs without spread count 0."""
    lengths = np.sqrt(np.clip(np.diag(products), 0, None))
    known = lengths > 1e-9 * lengths.max()
    unit = np.where(known, 1 / np.where(known, lengths, 1), 0)
    correlations = products * np.outer(unit, unit)
    k = lengths.size
    return float((correlations.sum() - np.trace(correlations)) / (k * (k - 1)))
