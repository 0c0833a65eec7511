"""When something happens in training, against a design property of a family's models.

The trend rule (statistics/trends.py) where each run's number is known only as an interval: what it says, it must say
for every assignment of the onsets within their intervals (statistics/bounds.py). Not here: the date of one event
(reading/events.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

from assets.claims.estimands.base import OverModels, Placed
from assets.claims.estimands.trend import place
from assets.claims.outcomes import Ruling, RunOutcome, Verdict
from assets.claims.reading.events import Event, log10_onsets
from assets.claims.reading.evidence import Evidence
from assets.claims.reading.onsets import Clock
from assets.claims.reading.readings import Reading
from assets.claims.statistics import bounds
from assets.claims.statistics.bounds import Bounds, Cells
from assets.claims.statistics.trends import ALPHA, MODELS_NEEDED, holm, neighbours, too_few


class OnsetTrend(OverModels):
    """log10 of the onset rises or falls with the property.

    Holds: for every assignment the t(k-2) interval of the slope on model means lies beyond 0 on the claimed side, no
    neighbouring step is significantly reversed, and the slope keeps its sign without any one model. Fails: for every
    assignment the interval lies on the other side (or inside +-delta), or the same step is significantly reversed.
    Otherwise inconclusive. A censored onset has an open end: mostly the slope then has no limits, and is not decided.
    """

    continuous: ClassVar[bool] = False
    kind: Literal["onset_trend"]
    of: Event
    clock: Clock = "tokens"
    scale: Literal["log10", "linear"] = "log10"
    """Of the design property."""
    direction: Literal["rises", "falls"]

    def words(self, metric: str | None = None) -> str:
        return f"{self.of.words(metric)} (log10 {self.clock})"

    @property
    def in_unit(self) -> str:
        return f"log10 {self.clock} per {'tenfold ' if self.scale == 'log10' else ''}{self.over}"

    def readings(self) -> dict[str, Reading]:
        return {"of.of": self.of.of}

    def sample(self, evidence: Evidence, run_ids: Sequence[str]) -> list[RunOutcome]:
        return log10_onsets(self.of, self.clock, evidence, run_ids)

    def over_models(self, evidence: Evidence, units: Mapping[str, Placed], delta: float | None) -> Ruling:
        cells = sorted((self._cells(name, unit) for name, unit in units.items()), key=lambda model: model.x)
        if len(cells) < 2:
            return Ruling("insufficient", f"A trend needs {MODELS_NEEDED} models, there are {len(cells)}.")
        slope = self._slope(cells)
        verdict, reason = self._decided(cells, slope, delta or 0.0)
        means = ", ".join(f"{m.name} {_range(*m.mean, digits=4)} ({len(m.low)} runs)" for m in cells)
        return Ruling(
            verdict,
            f"Slope between {_range(slope.least, slope.greatest)} over all onsets that the checkpoints allow, "
            f"{_range(slope.low, slope.high)} with the models' scatter: {reason}. Means of the models: {means}.",
            slope.middle,
            slope.low,
            slope.high,
            unit=self.in_unit,
            flips=self._flips(verdict),
        )

    def _cells(self, name: str, unit: Placed) -> Cells:
        low, high = zip(*((run.low or 0.0, run.high or 0.0) for run in unit.runs), strict=True)
        return Cells(name, place(unit.x, self.scale), low, high)

    def _slope(self, cells: Sequence[Cells]) -> Bounds:
        means = [model.mean for model in cells]
        return bounds.slope_bounds([m.x for m in cells], [low for low, _ in means], [high for _, high in means])

    def _decided(self, cells: Sequence[Cells], slope: Bounds, delta: float) -> tuple[Verdict, str]:
        lacking = too_few([model.x for model in cells])
        if lacking:
            return "insufficient", lacking
        sign = 1 if self.direction == "rises" else -1
        low, high = sorted((sign * slope.low, sign * slope.high))
        beside = neighbours(cells, lambda model: model.x)
        pairs = [(lower, upper, bounds.reversal(lower, upper, sign)) for lower, upper in beside]
        known = [(lower, upper, p) for lower, upper, p in pairs if p is not None]
        surely = holm([greatest for *_, (_, greatest) in known])
        reversed_ = [f"{a.name} to {b.name}" for (a, b, _), p in zip(known, surely, strict=True) if p < ALPHA]
        perhaps = [f"{a.name} to {b.name}" for a, b, (least, _) in known if least < ALPHA]
        odd_ones = [model.name for model in cells if not self._keeps_its_sign(cells, model, sign)]
        if reversed_:
            return "fails", f"significantly reversed from {' and '.join(reversed_)}, wherever the onsets lie"
        if high < 0:
            return "fails", "on the other side of 0"
        if delta and -delta < low and high < delta:
            return "fails", f"inside +-{delta:.3g}, no slope of interest"
        if low <= 0:
            return "inconclusive", "which includes 0"
        if perhaps:
            return "inconclusive", f"the onsets may be reversed from {' and '.join(perhaps)}"
        if odd_ones:
            return "inconclusive", f"its sign rests on {', '.join(odd_ones)}"
        return "holds", "no step reversed, same sign without any one model"

    def _keeps_its_sign(self, cells: Sequence[Cells], left_out: Cells, sign: int) -> bool:
        slope = self._slope([model for model in cells if model is not left_out])
        return min(sign * slope.least, sign * slope.greatest) > 0

    @staticmethod
    def _flips(verdict: Verdict) -> tuple[dict[str, str], ...]:
        if verdict != "inconclusive":
            return ()
        narrower = "checkpoints nearer to the onsets, or more models, that bring the slope's limits to the"
        return (
            {"when": f"{narrower} claimed side of 0", "becomes": "holds"},
            {"when": f"{narrower} other side of 0", "becomes": "fails"},
        )


def _range(low: float, high: float, digits: int = 3) -> str:
    return f"{low:.{digits}g} and {high:.{digits}g}"
