"""Does a quantity change with a design property over the models of a family? The trend rule of one family.

The unit is the model: a regression over 36 runs of four models knows 36 points where there are four, and claims a trend
where model means merely differ (`python -m tests.validation trends`).

Here: model means, the slope over them, reversals between neighbours, leaving one model out. Not here: where the runs'
numbers come from (reading/summaries.py), numbers known only as intervals (bounds.py), intervals without a trend
(pooling.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise, product
from typing import Any, Literal, TypeVar

import numpy as np
from scipy import stats

from assets.claims.statistics.pooling import CONFIDENCE, Interval, finite

MODELS_NEEDED = 4
"""That differ in the property."""
ALPHA = 0.05

Model = TypeVar("Model")


@dataclass(frozen=True)
class Group:
    """One model: its design property and the quantity in each of its training runs."""

    name: str
    x: float
    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        return float(np.mean(self.values))


@dataclass(frozen=True)
class Step:
    """Two neighbouring models compared: Welch's test over runs, two-sided, with Holm's correction over the steps."""

    lower: str
    upper: str
    difference: float
    """Mean of the upper less that of the lower."""
    p: float | None
    """None where a model has one run, or neither has any spread."""
    p_holm: float | None
    reversed: bool
    """Whether the step is significant and goes against the claimed direction."""


@dataclass(frozen=True)
class Trend:
    """What the trend rule says and all that it rests on."""

    verdict: Literal["holds", "fails", "inconclusive", "insufficient"]
    slope: Interval
    steps: tuple[Step, ...]
    left_out: dict[str, float]
    """Slope without the model named."""
    reason: str


def slope_interval(x: Sequence[float], y: Sequence[float], confidence: float = CONFIDENCE) -> Interval:
    """Ordinary least-squares slope over k points with its t(k-2) interval."""
    xs, ys = finite(x), finite(y)
    method = "least squares over model means, t(k-2)"
    if xs.size < 2 or np.ptp(xs) == 0:
        return Interval(None, None, None, xs.size, method, confidence, "fewer than two values of the property")
    line = stats.linregress(xs, ys)
    slope = float(line.slope)
    if xs.size == 2:
        return Interval(slope, None, None, 2, method, confidence, "two models show no scatter around a line")
    error = float(line.stderr) if np.ptp(ys) > 0 else 0.0  # linregress says NaN of a constant
    half = float(stats.t.ppf((1 + confidence) / 2, xs.size - 2)) * error
    return Interval(slope, slope - half, slope + half, xs.size, method, confidence)


def neighbours(models: Iterable[Model], x: Callable[[Model], Any]) -> list[tuple[Model, Model]]:
    """Each model with those of the next larger value of the property; models of one value are no neighbours."""
    together = [list(same) for _, same in groupby(sorted(models, key=x), key=x)]
    return [pair for lower, upper in pairwise(together) for pair in product(lower, upper)]


def too_few(x: Sequence[float]) -> str:
    """Why models with these values of the property show no trend; empty where they may."""
    n = len(set(x))
    if n >= MODELS_NEEDED:
        return ""
    had = f"there are {n}" if n == len(x) else f"the {len(x)} there are have {n} of them"
    return f"a trend needs {MODELS_NEEDED} models{'' if n == len(x) else ' of different values'}, {had}"


def neighbour_steps(groups: Sequence[Group], direction: Literal[1, -1]) -> tuple[Step, ...]:
    """Each model against the next larger one (Welch 1947; Holm 1979)."""
    pairs = neighbours(groups, lambda group: group.x)
    raw = [_welch(lower.values, upper.values) for lower, upper in pairs]
    corrected = iter(holm([p for p in raw if p is not None]))
    adjusted_p = [None if p is None else next(corrected) for p in raw]
    return tuple(
        Step(
            lower.name,
            upper.name,
            upper.mean - lower.mean,
            p,
            adjusted,
            adjusted is not None and adjusted < ALPHA and direction * (upper.mean - lower.mean) < 0,
        )
        for (lower, upper), p, adjusted in zip(pairs, raw, adjusted_p, strict=True)
    )


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected for their number, in the order given (Holm 1979).

    statsmodels' multipletests gives the same and collects all garbage of the process at each call (0.2 s here).
    """
    p = finite(p_values)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1))
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(stepped, 1.0)
    return [float(value) for value in corrected]


def _welch(a: Sequence[float], b: Sequence[float]) -> float | None:
    if len(a) < 2 or len(b) < 2 or np.ptp(a) + np.ptp(b) == 0:
        return None
    of_both = (np.mean(b), np.std(b, ddof=1), len(b), np.mean(a), np.std(a, ddof=1), len(a))
    return float(stats.ttest_ind_from_stats(*of_both, equal_var=False).pvalue)  # ttest_ind takes ten times as long


def trend(groups: Sequence[Group], direction: Literal[1, -1], delta: float = 0.0) -> Trend:
    """Decides `the quantity rises (direction 1) or falls (-1) with the property` over the models of one family.

    Holds: the t(k-2) interval of the slope on model means lies beyond 0 on the claimed side, no neighbouring step is
    significantly reversed, and the slope keeps its sign without any one model. Fails: the interval lies on the other
    side, or inside +-delta, or a step is reversed. Otherwise inconclusive.

    Args:
        groups: one per model, at least one run each.
        delta: the smallest slope of interest; 0 = none stated.
    """
    ordered = sorted(groups, key=lambda group: group.x)
    slope = slope_interval([g.x for g in ordered], [g.mean for g in ordered])
    lacking = too_few([g.x for g in ordered])
    if lacking:
        return Trend("insufficient", slope, (), {}, lacking)
    steps = neighbour_steps(ordered, direction)
    left_out = {g.name: _slope_without(ordered, g.name) for g in ordered}
    odd_ones = [name for name, value in left_out.items() if not direction * value > 0]
    reversals = [step for step in steps if step.reversed]
    said = f"slope {_signed(slope.estimate)} [{_signed(slope.low)}, {_signed(slope.high)}] over {_named(ordered)}"
    claimed = slope.above(0) if direction == 1 else slope.below(0)
    opposed = slope.below(0) if direction == 1 else slope.above(0)
    if reversals:
        told = "; ".join(f"{s.lower} to {s.upper} by {_signed(s.difference)}, Holm p {s.p_holm:.2g}" for s in reversals)
        return Trend("fails", slope, steps, left_out, f"significantly reversed from {told}; {said}")
    if opposed:
        return Trend("fails", slope, steps, left_out, f"{said}: on the other side of 0")
    if delta > 0 and slope.inside(-delta, delta):
        return Trend("fails", slope, steps, left_out, f"{said}: inside +-{delta:.3g}, no slope of interest")
    if not claimed:
        return Trend("inconclusive", slope, steps, left_out, f"{said}: includes 0")
    if odd_ones:
        return Trend("inconclusive", slope, steps, left_out, f"{said}: its sign rests on {', '.join(odd_ones)}")
    return Trend("holds", slope, steps, left_out, f"{said}; no step reversed, same sign without any one model")


def _slope_without(groups: Sequence[Group], name: str) -> float:
    kept = [g for g in groups if g.name != name]
    return slope_interval([g.x for g in kept], [g.mean for g in kept]).estimate or 0.0


def _named(groups: Sequence[Group]) -> str:
    return ", ".join(f"{g.name} ({len(g.values)} runs)" for g in groups)


def _signed(value: float | None) -> str:
    return "?" if value is None or math.isnan(value) else f"{value:+.3g}"
