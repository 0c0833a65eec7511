"""What numbers known only as intervals tell: bounds over all assignments of each number within its interval.

A mean or slope of onsets is identified as a range, and its t interval depends on where in their intervals the onsets
lie. What is said here is true for every assignment. Ends may be infinite (censored). Both limits have the form

    weights . y - t * scale * |P y|        P a projection

which is concave and of degree 1 in y. So over finite intervals its least value is at a corner, found exactly by trying
all 2^k for k <= CORNERS; above that it is bounded by the parts' own extremes. Along an open end e it falls without
bound unless its value at e itself is 0 or more, and then it is least at the closed end.

Not here: what follows for a claim (estimands/), onsets of one run (reading/onsets.py), their distribution
(turnbull.py).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy import optimize, stats

from assets.claims.statistics.pooling import CONFIDENCE, Floats

CORNERS = 12


@dataclass(frozen=True)
class Bounds:
    """What is identified, and with the uncertainty of a sample.

    Attributes:
        least, greatest: the estimate itself, over all assignments.
        low, high: the least lower and the greatest upper end of its t interval, over all assignments; infinite where
            there is none.
    """

    least: float
    greatest: float
    low: float
    high: float

    @property
    def middle(self) -> float | None:
        """Half way between least and greatest; None where one of them is open."""
        return (self.least + self.greatest) / 2 if math.isfinite(self.least + self.greatest) else None


@dataclass(frozen=True)
class Cells:
    """One model: its design property, and in each of its n runs the interval of the quantity."""

    name: str
    x: float
    low: tuple[float, ...]
    high: tuple[float, ...]

    @property
    def mean(self) -> tuple[float, float]:
        """Bounds of the mean over the runs."""
        return float(np.mean(self.low)), float(np.mean(self.high))


def mean_bounds(low: Sequence[float], high: Sequence[float], confidence: float = CONFIDENCE) -> Bounds:
    """The mean over n units with its t(n-1) interval."""
    n = len(low)
    weights, projection = np.full(n, 1 / n), np.eye(n) - 1 / n
    scale = 1 / math.sqrt(n * (n - 1)) if n > 1 else math.inf
    return _bounds(weights, projection, scale, n - 1, low, high, confidence)


def slope_bounds(
    x: Sequence[float], low: Sequence[float], high: Sequence[float], confidence: float = CONFIDENCE
) -> Bounds:
    """The least-squares slope over k points, each y within [low, high], with its t(k-2) interval."""
    xs = np.asarray(x, dtype=np.float64)
    k, centred = xs.size, xs - xs.mean()
    spread = float(centred @ centred)
    if spread == 0:
        return Bounds(-math.inf, math.inf, -math.inf, math.inf)
    projection = np.eye(k) - 1 / k - np.outer(centred, centred) / spread
    scale = 1 / math.sqrt((k - 2) * spread) if k > 2 else math.inf
    return _bounds(centred / spread, projection, scale, k - 2, low, high, confidence)


def _bounds(
    weights: Floats,
    projection: Floats,
    scale: float,
    df: int,
    low: Sequence[float],
    high: Sequence[float],
    confidence: float,
) -> Bounds:
    lows, highs = np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)
    if not (lows <= highs).all():
        raise ValueError("each interval needs low <= high")
    t = float(stats.t.ppf((1 + confidence) / 2, df)) if df > 0 else math.inf
    reach = t * scale if df > 0 else math.inf
    return Bounds(
        _least_sum(weights, lows, highs),
        -_least_sum(weights, -highs, -lows),
        _least_limit(weights, projection, reach, lows, highs),
        -_least_limit(weights, projection, reach, -highs, -lows),
    )


def _least_sum(weights: Floats, lows: Floats, highs: Floats) -> float:
    at = np.where(weights > 0, lows, highs)
    return float(sum(w * y for w, y in zip(weights, at, strict=True) if abs(w) > 1e-12))


def _least_limit(weights: Floats, projection: Floats, reach: float, lows: Floats, highs: Floats) -> float:
    """Least of weights.y - reach |projection y| over the box."""
    if math.isinf(reach):
        return -math.inf
    along = reach * np.sqrt(np.clip(np.diag(projection), 0, None))
    open_below, open_above = np.isinf(lows), np.isinf(highs)
    if ((open_above & (weights < along)) | (open_below & (-weights < along))).any():
        return -math.inf
    lows, highs = np.where(open_below, highs, lows), np.where(open_above, lows, highs)
    if lows.size <= CORNERS:
        y = _corners(lows, highs)
        return float((y @ weights - reach * np.linalg.norm(y @ projection, axis=1)).min())
    middle, half = (lows + highs) / 2, (highs - lows) / 2
    return float(
        weights @ middle - np.abs(weights) @ half - reach * (np.linalg.norm(projection @ middle) + np.linalg.norm(half))
    )


def _corners(lows: Floats, highs: Floats) -> Floats:
    """(2^k, k) all corners of the box."""
    return np.array(list(product(*zip(lows.tolist(), highs.tolist(), strict=True))))


def spread_bounds(low: Sequence[float], high: Sequence[float]) -> tuple[float, float]:
    """Least and greatest sample variance of n >= 2 numbers; the greatest exact for n <= CORNERS, above that no less."""
    lows, highs = np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)
    n = lows.size
    least = _least_squares(lows, highs) / (n - 1)
    if not np.isfinite(lows + highs).all():
        return least, math.inf
    if n <= CORNERS:
        return least, float(_corners(lows, highs).var(axis=1, ddof=1).max())
    middle, half = (lows + highs) / 2, (highs - lows) / 2
    return least, float((middle.std() * math.sqrt(n) + np.linalg.norm(half)) ** 2 / (n - 1))


def _least_squares(lows: Floats, highs: Floats) -> float:
    """Least sum of squares around the mean: all numbers as near as they can be to the point that is then their mean."""
    ends = [float(end) for end in (*lows, *highs) if math.isfinite(end)]
    if not ends or lows.max() <= highs.min():
        return 0.0
    mean = optimize.brentq(lambda point: point - np.clip(point, lows, highs).mean(), min(ends), max(ends))
    return float(((mean - np.clip(mean, lows, highs)) ** 2).sum())


def reversal(lower: Cells, upper: Cells, direction: int) -> tuple[float, float] | None:
    """Least and greatest p of a step against the direction, over all assignments (Welch over runs, two-sided).

    Greatest: least difference over greatest standard error, with the fewest degrees of freedom that Welch's rule gives
    (1 where not every assignment reverses the step). Least: the other way round, 1 where none does. Both are
    safe: no assignment has a smaller or a greater p. None where a model has one run.

    Args:
        direction: 1 if the quantity is claimed to rise from the lower to the upper, -1 if to fall.
    """
    if min(len(lower.low), len(upper.low)) < 2:
        return None
    differences = sorted(direction * d for d in (upper.mean[0] - lower.mean[1], upper.mean[1] - lower.mean[0]))
    variances = [
        (s / len(lower.low), u / len(upper.low))
        for s, u in zip(spread_bounds(lower.low, lower.high), spread_bounds(upper.low, upper.high), strict=True)
    ]
    (least_error, greatest_error) = (math.sqrt(a + b) for a, b in variances)
    fewest, most = min(len(lower.low), len(upper.low)) - 1, len(lower.low) + len(upper.low) - 2
    least = _p(-differences[0], least_error, most) if differences[0] < 0 else 1.0
    greatest = _p(-differences[1], greatest_error, fewest) if differences[1] < 0 else 1.0
    return least, greatest


def _p(difference: float, error: float, df: int) -> float:
    if math.isinf(error):
        return 1.0
    return float(2 * stats.t.sf(difference / error, df)) if error > 0 else 0.0
