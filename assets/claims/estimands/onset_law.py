"""When something happens in training, against what a law predicts from the model's design.

Not here: the law itself (claims/laws.py), the date of the event (reading/events.py).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, Literal

from pydantic import Field

from assets.claims.estimands.base import Estimand
from assets.claims.estimands.level import every_run
from assets.claims.laws import Law
from assets.claims.outcomes import Outcome, Ruling, RunOutcome
from assets.claims.reading.events import Event
from assets.claims.reading.evidence import Evidence
from assets.claims.reading.onsets import Clock
from assets.claims.reading.readings import Reading
from assets.claims.statistics import turnbull
from assets.claims.verdicts import number


class OnsetLaw(Estimand):
    """In every run the event comes within a factor of what the law predicts, wherever in its interval it lies.

    A run in which it was not seen yet fails once it is later than the law allows.
    """

    unit: ClassVar[Literal["run", "model", "family"]] = "run"
    kind: Literal["onset_law"]
    of: Event
    clock: Clock = "tokens"
    """What the law counts."""
    law: Law
    factor: float = Field(gt=1)
    """How many times earlier or later than predicted is still as predicted."""

    def words(self, metric: str | None = None) -> str:
        return f"{self.of.words(metric)} against the law"

    @property
    def in_unit(self) -> str:
        return "log10 of onset over prediction"

    def readings(self) -> dict[str, Reading]:
        return {"of.of": self.of.of}

    def sample(self, evidence: Evidence, run_ids: Sequence[str]) -> list[RunOutcome]:
        return [self._of_run(evidence, run_id) for run_id in run_ids]

    def over_runs(self, evidence: Evidence, outcomes: Sequence[RunOutcome], delta: float | None) -> Ruling:
        dates = [self.of.date(evidence, run.run_id, run.variant_id) for run in outcomes]
        ruling = every_run(outcomes, self.in_unit)
        onsets = [date.onset for date in dates if date.onset is not None]
        return replace(ruling, reason=f"{ruling.reason} Seen at {turnbull.told(onsets)}.")

    def _of_run(self, evidence: Evidence, run_id: str) -> RunOutcome:
        dated = self.of.date(evidence, run_id)
        if dated.onset is None:
            return RunOutcome(run_id, "missing", variant_id=dated.variant_id, reason=dated.reason)
        design = evidence.design_of(run_id)
        predicted, ends = self.law.predict(design), dated.onset.log10(self.clock)
        if predicted is None or ends is None:
            unknown = " and ".join(self.law.unknown(design)) or f"{self.clock} at its checkpoints"
            reason = f"{unknown} of the model not known"
            return RunOutcome(run_id, "missing", variant_id=dated.variant_id, reason=reason)
        low, high = (end - math.log10(predicted) for end in ends)
        outcome = self._side(low, high)
        reach = " to ".join("..." if math.isinf(end) else number(10**end) for end in ends)
        word = {"h": "within", "f": "not within", "u": "perhaps within"}[outcome]
        reason = f"{reach} {self.clock}, {word} a factor of {self.factor:g} of the predicted {number(predicted)}"
        middle = (low + high) / 2 if math.isfinite(low + high) else None
        said = "; ".join(filter(None, [dated.reason, reason]))
        return RunOutcome(run_id, "decided", outcome, middle, low, high, variant_id=dated.variant_id, reason=said)

    def _side(self, low: float, high: float) -> Outcome:
        reach = math.log10(self.factor)
        if -reach <= low and high <= reach:
            return "h"
        return "f" if low > reach or high < -reach else "u"
