"""Does something happen at the same time in the training of all models of a family?

Not here: against a property of the models (onset_trend.py), against a law (onset_law.py), the trajectories as wholes
(similarity.py).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import permutations
from typing import Literal

from pydantic import Field, field_validator

from assets.claims import gates
from assets.claims.estimands.base import OverFamily, Placed
from assets.claims.outcomes import Ruling, RunOutcome, Verdict
from assets.claims.reading.events import Event, log10_onsets
from assets.claims.reading.evidence import Evidence
from assets.claims.reading.onsets import Clock
from assets.claims.reading.readings import Reading
from assets.claims.reference import PROPERTIES
from assets.claims.statistics import bounds
from assets.claims.statistics.bounds import Bounds
from assets.claims.statistics.pooling import CONFIDENCE
from assets.claims.verdicts import counted, number


class OnsetAlike(OverFamily):
    """The mean log10 onsets of a family's models lie within a factor of each other.

    Holds: for every pair the t(n-1) intervals of the two means, over all assignments of the onsets within their
    intervals, allow no larger factor. Fails: those of some pair, at 95 % for all models together (Bonferroni), allow no
    smaller one. Models with fewer runs than a model's verdict needs are left out.
    """

    kind: Literal["onset_alike"]
    of: Event
    clock: Clock = "tokens"
    factor: float = Field(gt=1)
    recipe: list[str] = Field(default_factory=list)
    """Design properties in which the models must be equal; a family that differs in one is not one that is claimed."""

    @field_validator("recipe")
    @classmethod
    def _are_properties(cls, names: list[str]) -> list[str]:
        unknown = [name for name in names if name not in PROPERTIES]
        if unknown:
            raise ValueError(f"{', '.join(unknown)} is no design property: {', '.join(PROPERTIES)}")
        return names

    def words(self, metric: str | None = None) -> str:
        return f"{self.of.words(metric)} in the models of the family"

    @property
    def in_unit(self) -> str:
        return f"times the {self.clock}, latest over earliest"

    @property
    def needs(self) -> tuple[str, ...]:
        return tuple(self.recipe)

    def readings(self) -> dict[str, Reading]:
        return {"of.of": self.of.of}

    def sample(self, evidence: Evidence, run_ids: Sequence[str]) -> list[RunOutcome]:
        return log10_onsets(self.of, self.clock, evidence, run_ids)

    def over_models(self, evidence: Evidence, units: Mapping[str, Placed], delta: float | None) -> Ruling:
        for name in self.recipe:
            found = sorted({str(own[name]) for unit in units.values() for own in unit.properties})
            if len(found) > 1:
                return Ruling("not_applicable", f"The models differ in {name}: {', '.join(found)}.")
        means = {name: _mean(unit.runs, CONFIDENCE) for name, unit in units.items()}
        enough = {name: unit.runs for name, unit in units.items() if len(unit.runs) >= gates.RUNS_NEEDED}
        if len(enough) < gates.MODELS_NEEDED:
            had = f"{counted(len(enough), 'model')} with {gates.RUNS_NEEDED} training runs or more"
            reason = f"Only {had} of the {gates.MODELS_NEEDED} that are needed. {self._told(means)}"
            return Ruling("insufficient", reason, _ratio(means), unit=self.in_unit)
        return self._ruled(enough, {name: means[name] for name in enough})

    def _ruled(self, models: Mapping[str, Sequence[RunOutcome]], means: Mapping[str, Bounds]) -> Ruling:
        together = [_mean(runs, 1 - (1 - CONFIDENCE) / len(models)) for runs in models.values()]
        limit = math.log10(self.factor)
        most = max(a.high - b.low for a, b in permutations(means.values(), 2))
        least = max(0.0, *(a.low - b.high for a, b in permutations(together, 2)))
        verdict: Verdict = "holds" if most < limit else "fails" if least > limit else "inconclusive"
        said = {"holds": "at most", "fails": "more than", "inconclusive": "perhaps more than"}[verdict]
        return Ruling(
            verdict,
            f"Latest over earliest {number(_power(least))} to {number(_power(most))}, {said} {self.factor:g}. "
            f"{self._told(means)}",
            _ratio(means),
            _power(least),
            _power(most),
            unit=self.in_unit,
        )

    def _told(self, means: Mapping[str, Bounds]) -> str:
        told = (f"{name} {number(_power(m.least))} to {number(_power(m.greatest))}" for name, m in means.items())
        return f"Means of the models ({self.clock}): {', '.join(told)}."


def _ratio(means: Mapping[str, Bounds]) -> float | None:
    """The latest mean over the earliest, each half way between its bounds; None where one of them is open."""
    known = [mean.middle for mean in means.values() if mean.middle is not None]
    return _power(max(known) - min(known)) if len(known) == len(means) > 1 else None


def _mean(runs: Sequence[RunOutcome], confidence: float) -> Bounds:
    low, high = zip(*((run.low or 0.0, run.high or 0.0) for run in runs), strict=True)
    return bounds.mean_bounds(low, high, confidence)


def _power(log10: float) -> float:
    """10 to this power; infinite above what a number can hold."""
    return math.inf if log10 > 300 else float(10**log10)
