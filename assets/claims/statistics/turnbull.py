"""The distribution of onsets that are known only as intervals: its nonparametric maximum likelihood estimate.

Said of a model's training runs only where they fall into three cells or more; below that the cells themselves say all
that is known (with all runs in one, the likelihood of a parametric model of onsets has no maximum). Not here: bounds of
means and slopes over all assignments within the intervals (bounds.py), onsets of one run (reading/onsets.py).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from assets.claims.reading.onsets import OnsetInterval

CELLS_NEEDED = 3
GAP = 1e-9
"""Most by which the likelihood's gradient may exceed its value at the maximum."""
ROUNDS = 100_000
NOTHING = 1e-6
"""Shares below this are on their way to 0."""


@dataclass(frozen=True)
class Mass:
    """Probability that the event falls in (low, high]; where in it the data do not say."""

    low: float
    high: float
    share: float


def turnbull(low: Sequence[float], high: Sequence[float]) -> tuple[Mass, ...]:
    """The estimate of Turnbull (1976) by self-consistency, from n events, each in (low, high]; ends may be infinite.

    Stops where the gradient condition of Gentleman and Geyer (1994) holds to GAP.

    Returns:
        the innermost intervals with a share above 0, ascending; the shares sum to 1.
    """
    lows, highs = np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)
    if not (lows < highs).all():
        raise ValueError("each interval needs low < high")
    ends = sorted([(end, 1) for end in set(lows.tolist())] + [(end, 0) for end in set(highs.tolist())])
    cells = [(a, b) for (a, left), (b, right) in pairwise(ends) if left and not right]
    inside = np.array([[a <= left and right <= b for left, right in cells] for a, b in zip(lows, highs, strict=True)])
    share = np.full(len(cells), 1 / len(cells))
    for _ in range(ROUNDS):
        gradient = (inside / (inside @ share)[:, None]).mean(axis=0)
        if gradient.max() <= 1 + GAP:
            break
        share *= gradient
    return tuple(Mass(*cell, float(p)) for cell, p in zip(cells, share / share.sum(), strict=True) if p > NOTHING)


def median_cell(masses: Sequence[Mass]) -> Mass:
    """The interval in which the distribution passes one half."""
    passed = np.cumsum([mass.share for mass in masses]) >= 0.5 - GAP
    return masses[int(np.argmax(passed))]


def told(onsets: Sequence[OnsetInterval]) -> str:
    """When the runs of a model had it, as a part of a sentence: their intervals, or the median where these are many."""
    cells = Counter(onset.steps for onset in onsets)
    if len(cells) == 1:
        return f"steps {onsets[0].steps}" + (" in each" if len(onsets) > 1 else "")
    if len(cells) < CELLS_NEEDED:
        return " and ".join(f"steps {cell} in {n}" for cell, n in sorted(cells.items(), key=lambda kv: -kv[1]))
    lows = [-math.inf if onset.step_low is None else onset.step_low for onset in onsets]
    unseen = [onset.step_high is None or onset.censoring == "unconfirmed" for onset in onsets]
    highs = [math.inf if open_ else float(o.step_high or 0) for o, open_ in zip(onsets, unseen, strict=True)]
    middle = median_cell(turnbull(lows, highs))
    ends = [f"{end:.0f}" if math.isfinite(end) else "..." for end in (middle.low, middle.high)]
    return f"the median in steps ({ends[0]}, {ends[1]}] (Turnbull)"
