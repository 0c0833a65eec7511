"""Do the heads of a layer share their numbers across training runs? Correlation of scores by (layer, head).

Heads of a layer are exchangeable at initialisation, so chance is known: permute the heads within each run and layer.
Two intervals, for two questions.

    by_chance    estimate +- z standard deviations under permutation. Where nothing is shared, the statistic is a
                 degenerate U-statistic: leaving out one run moves it by as much as its own noise, and the jackknife's
                 interval is about twice as wide as it should be (+-.17 for +-.084 at 9 runs of 24 heads).
    by_runs      the jackknife over runs: what a share of common pattern adds to the noise is in it, not in by_chance.

Equivalence to 0 reads the first. What it cannot do: where as much is shared as the bound allows, the spread is wider
than that of chance, and a wrong `holds` comes in .15 of catalogs of nine runs and .30 of twenty, not in .05; at twice
the bound in .02 (`python -m tests.validation index`). A claimed difference needs both intervals, `wider`.

Here: numbers in, intervals out. Not here: what is claimed of it (estimands/agreement.py).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import stats

from assets.claims.pooling import CONFIDENCE, Floats, Interval, jackknife

METHOD = "permutation of heads within run and layer"


@dataclass(frozen=True)
class IndexCorrelation:
    """Mean Pearson correlation over pairs of k runs.

    Attributes:
        scores: (k, heads) one row per run, layer means taken out, of length 1; None where there is nothing to compare.
        layers: (heads,) the layer of each.
        reason: why there is nothing to compare.
    """

    n: int
    scores: Floats | None
    layers: NDArray[np.int64]
    reason: str = ""

    def estimate(self, kept: NDArray[np.intp]) -> float:
        """Over the pairs of the runs kept."""
        assert self.scores is not None
        total = self.scores[kept].sum(axis=0)
        return float((total @ total - kept.size) / (kept.size * (kept.size - 1)))

    def deviation(self) -> float:
        """Exact standard deviation over all permutations of heads within run and layer; their mean is 0.

        A permuted vector a against b, both centred, has sum(ab) of variance sum(a^2) sum(b^2)/(h - 1) over the h heads
        of a layer; layers are independent, and so, pair by pair, are the correlations of runs.
        """
        assert self.scores is not None
        variance = 0.0
        for layer in np.unique(self.layers):
            heads = self.layers == layer
            squares = (self.scores[:, heads] ** 2).sum(axis=1)
            variance += float(squares.sum() ** 2 - (squares**2).sum()) / 2 / (int(heads.sum()) - 1)
        return 2 / (self.n * (self.n - 1)) * math.sqrt(variance)

    def by_chance(self, confidence: float = CONFIDENCE) -> Interval:
        """Estimate +- normal quantile times `deviation`."""
        if self.scores is None:
            return Interval(None, None, None, self.n, METHOD, confidence, self.reason)
        found = self.estimate(np.arange(self.n))
        half = float(stats.norm.ppf((1 + confidence) / 2)) * self.deviation()
        return Interval(found, found - half, found + half, self.n, METHOD, confidence)

    def by_runs(self, confidence: float = CONFIDENCE) -> Interval:
        """Jackknife over runs."""
        if self.scores is None:
            return Interval(None, None, None, self.n, "jackknife over units", confidence, self.reason)
        return jackknife(self.estimate, self.n, confidence)

    def wider(self, confidence: float = CONFIDENCE) -> Interval:
        """The ends that are further out of the two intervals; no ends where one has none."""
        chance, runs = self.by_chance(confidence), self.by_runs(confidence)
        if chance.low is None or chance.high is None or runs.low is None or runs.high is None:
            return runs
        return replace(runs, low=min(chance.low, runs.low), high=max(chance.high, runs.high))


def correlation_by_index(frames: Sequence[pl.DataFrame]) -> IndexCorrelation:
    """The correlation of runs by (layer, head).

    Args:
        frames: one per run, rows of the same heads in the same order, with columns layer and value. Layers of a single
            head say nothing and are left out.
    """
    several = [frame.filter(pl.len().over("layer") > 1) for frame in frames]
    layers = several[0]["layer"].to_numpy().astype(np.int64) if several else np.empty(0, np.int64)
    n = len(frames)
    if n < 2:
        return IndexCorrelation(n, None, layers, "there are no pairs of runs")
    centred = [frame.select(pl.col("value") - pl.col("value").mean().over("layer"))["value"] for frame in several]
    scores = np.array([values.to_numpy() for values in centred])
    if layers.size < 3 or (np.ptp(scores, axis=1) == 0).any():
        return IndexCorrelation(n, None, layers, "fewer than three heads in layers of several, or no spread among them")
    return IndexCorrelation(n, scores / np.linalg.norm(scores, axis=1, keepdims=True), layers)
