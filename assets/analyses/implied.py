"""What claims imply before anything is measured: where a run's number lies, whether a quantity rises with a property.

Here: claims on the same quantity can be compared by these. Not here: which pairs conflict, and where (conflicts.py).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import linear_regression
from typing import Any, Literal

from assets.claims.estimands.conjunction import Conjunction
from assets.claims.estimands.level import Level
from assets.claims.estimands.onset_law import OnsetLaw
from assets.claims.estimands.onset_trend import OnsetTrend
from assets.claims.estimands.trend import Trend, place
from assets.claims.verdicts import number

Design = Mapping[str, Any]
SIGNS = {"rises": 1, "flat": 0, "falls": -1}
FLAT = 1e-9
"""Slopes of a law below this are none: it is exact, up to rounding."""


@dataclass(frozen=True)
class Region:
    """Where a run's number must lie.

    Attributes:
        quantity: what is measured and how; regions of one quantity can be compared.
        words: the region, as the claim says it.
    """

    quantity: str
    low: float
    high: float
    words: str

    def excludes(self, other: Region) -> bool:
        """Whether no number lies in both."""
        return self.quantity == other.quantity and max(self.low, other.low) >= min(self.high, other.high)


def regions(estimand: object, design: Design) -> list[Region]:
    """Where the claim puts the numbers of a training run with this design; empty where it says nothing of one."""
    if isinstance(estimand, Conjunction):
        parts = [part for part in estimand.parts if not estimand.same_head or part.direction == "above"]
        return [region for part in parts for region in regions(part, design)]
    if isinstance(estimand, Level) and estimand.rule == "every_run":
        low, high = {
            "above": (estimand.threshold, math.inf),
            "below": (-math.inf, estimand.threshold),
            "within": (-estimand.threshold, estimand.threshold),
        }[estimand.direction]
        words = f"{estimand.words()} {estimand.direction} {number(estimand.threshold)}"
        return [Region(estimand.of.key(), low, high, words)]
    if isinstance(estimand, OnsetLaw) and (predicted := estimand.law.predict(design)) is not None:
        middle, reach = math.log10(predicted), math.log10(estimand.factor)
        words = f"{estimand.of.words()} at {number(predicted)} {estimand.clock}, within a factor of {estimand.factor:g}"
        return [Region(quantity(estimand), middle - reach, middle + reach, words)]
    return []


def quantities(estimand: object) -> set[str]:
    """What its regions are about, in whatever model."""
    if isinstance(estimand, Conjunction):
        return {part.of.key() for part in estimand.parts}
    if isinstance(estimand, Level):
        return {estimand.of.key()}
    return {quantity(estimand)} if isinstance(estimand, OnsetLaw) else set()


def quantity(estimand: object) -> str:
    """What a claim about a slope is about: equal for claims that can be compared; empty for other kinds."""
    if isinstance(estimand, OnsetLaw | OnsetTrend):
        return f"{estimand.clock} {estimand.of.model_dump_json()}"
    return estimand.of.key() if isinstance(estimand, Trend) else ""


def sign(
    estimand: object, over: str, scale: Literal["log10", "linear"], designs: Sequence[Design]
) -> Literal[-1, 0, 1] | None:
    """Whether the claim's quantity rises (1), stays (0) or falls (-1) with a property in models of these designs.

    None where it does not say so: it is about another property, or what its law needs is not known of two sizes.
    """
    if isinstance(estimand, Trend | OnsetTrend):
        same = (estimand.over, estimand.scale) == (over, scale)
        return SIGNS[estimand.direction] if same else None  # type: ignore[return-value]
    if not isinstance(estimand, OnsetLaw):
        return None
    known = [(place(d[over], scale), estimand.law.predict(d)) for d in designs if d.get(over)]
    points = [(x, math.log10(y)) for x, y in known if y is not None]
    if len({x for x, _ in points}) < 2:
        return None
    slope = linear_regression(*zip(*points, strict=True)).slope
    return 0 if abs(slope) < FLAT else 1 if slope > 0 else -1
