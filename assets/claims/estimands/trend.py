"""A quantity of a family's models against one of their design properties.

Not here: the rule itself (statistics/trends.py); regressions over runs, which published work uses
(statistics/regressions.py).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

from assets.claims.estimands.base import OverModels, Placed, taken
from assets.claims.outcomes import Ruling, RunOutcome
from assets.claims.reading.evidence import Evidence
from assets.claims.reading.readings import Reading
from assets.claims.statistics import pooling, trends
from assets.claims.statistics.trends import Group
from assets.claims.verdicts import equivalence_rule, number


class Trend(OverModels):
    """The quantity rises or falls with the property, or is flat: its slope is as good as 0 (within delta)."""

    kind: Literal["trend"]
    of: Reading
    scale: Literal["log10", "linear"] = "log10"
    """Of the design property."""
    direction: Literal["rises", "falls", "flat"]

    @property
    def needs_delta(self) -> bool:
        return self.direction == "flat"

    def words(self, metric: str | None = None) -> str:
        return self.of.words(metric)

    @property
    def in_unit(self) -> str:
        return f"{self.of.unit} per {'tenfold ' if self.scale == 'log10' else ''}{self.over}"

    def readings(self) -> dict[str, Reading]:
        return {"of": self.of}

    def sample(self, evidence: Evidence, run_ids: Sequence[str]) -> list[RunOutcome]:
        """The quantity of each run of the family, all of one variant and one grid of checkpoints."""
        return [taken(run_id, estimate) for run_id, estimate in evidence.compared(self.of, run_ids).items()]

    def over_models(self, evidence: Evidence, units: Mapping[str, Placed], delta: float | None) -> Ruling:
        groups = [Group(name, place(unit.x, self.scale), unit.values) for name, unit in units.items()]
        if self.direction == "flat":
            return self._flat(groups, delta or 0.0)
        found = trends.trend(groups, 1 if self.direction == "rises" else -1, delta or 0.0)
        slope = found.slope
        sizes = ", ".join(f"{g.name} {number(g.mean)}" for g in sorted(groups, key=lambda g: g.x))
        return Ruling(
            found.verdict,
            f"{found.reason[:1].upper()}{found.reason[1:]}. Means of the models: {sizes}.",
            slope.estimate,
            slope.low,
            slope.high,
            unit=self.in_unit,
            flips=self._flips(found),
            standard_error=pooling.standard_error(slope, slope.n - 2),
        )

    def _flat(self, groups: Sequence[Group], delta: float) -> Ruling:
        x, y = [g.x for g in groups], [g.mean for g in groups]
        found = pooling.equivalence(lambda confidence: trends.slope_interval(x, y, confidence), delta)
        ruling = equivalence_rule(
            found, delta, self.in_unit, f"Slope over {', '.join(g.name for g in sorted(groups, key=lambda g: g.x))}"
        )
        lacking = trends.too_few(x)
        if lacking:
            reason = f"{lacking[:1].upper()}{lacking[1:]}. {ruling.reason}"
            return replace(ruling, verdict="insufficient", reason=reason, flips=())
        return replace(ruling, standard_error=pooling.standard_error(found.wide, found.wide.n - 2))

    def _flips(self, found: trends.Trend) -> tuple[dict[str, str], ...]:
        against = [step for step in found.steps if step.reversed]
        if found.verdict == "holds":
            return (
                {"when": "a neighbouring step significantly reversed by further runs or models", "becomes": "fails"},
            )
        if found.verdict == "inconclusive":
            words = {"holds": "on the claimed side of 0", "fails": "on the other side of 0"}
            return tuple({"when": f"a slope's interval {side}", "becomes": word} for word, side in words.items())
        if not against:
            return ()
        claimed = found.slope.above(0) if self.direction == "rises" else found.slope.below(0)
        steps = " and ".join(f"{step.lower} to {step.upper}" for step in against)
        return ({"when": f"without the reversal from {steps}", "becomes": "holds" if claimed else "inconclusive"},)


def place(value: float, scale: Literal["log10", "linear"]) -> float:
    """Where a model of this property stands on the axis."""
    return math.log10(value) if scale == "log10" else value
