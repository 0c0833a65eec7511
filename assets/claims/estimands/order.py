"""Which of two events in training came first, or whether they came together, each known only as an interval.

Not here: the date of one event (reading/events.py), how two intervals lie to each other (reading/onsets.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from pydantic import Field, model_validator

from assets.claims.estimands.base import Estimand
from assets.claims.estimands.level import every_run
from assets.claims.outcomes import Outcome, Ruling, RunOutcome
from assets.claims.reading.events import Event
from assets.claims.reading.evidence import Evidence
from assets.claims.reading.onsets import OnsetInterval, coincides, precedes
from assets.claims.reading.readings import Reading


class Order(Estimand):
    """The first event comes before the second, or at the same time; undecided in runs in which one is censored."""

    unit: ClassVar[Literal["run", "model", "family"]] = "run"
    kind: Literal["order"]
    first: Event
    second: Event
    claimed: Literal["before", "same"]
    within: float | None = Field(default=None, gt=1)
    """Of `same`: the later step is at most so many times the earlier one; None = both in the same interval between
    neighbouring checkpoints, which is the harder the finer the grid."""

    @model_validator(mode="after")
    def _within_is_for_same(self) -> Order:
        if self.within is not None and self.claimed != "same":
            raise ValueError("within is for claimed: same")
        return self

    def words(self, metric: str | None = None) -> str:
        return f"{self.first.words(metric)} and {self.second.words()}"

    @property
    def in_unit(self) -> str:
        return "steps"

    def readings(self) -> dict[str, Reading]:
        return {"first.of": self.first.of, "second.of": self.second.of}

    def sample(self, evidence: Evidence, run_ids: Sequence[str]) -> list[RunOutcome]:
        return [self._of_run(evidence, run_id) for run_id in run_ids]

    def over_runs(self, evidence: Evidence, outcomes: Sequence[RunOutcome], delta: float | None) -> Ruling:
        return every_run(outcomes, self.in_unit)

    def _of_run(self, evidence: Evidence, run_id: str) -> RunOutcome:
        first, second = self.first.date(evidence, run_id), self.second.date(evidence, run_id)
        variant = first.variant_id or second.variant_id
        if first.onset is None or second.onset is None:
            reason = first.reason if first.onset is None else second.reason
            return RunOutcome(run_id, "missing", variant_id=variant, reason=reason)
        outcome, reason = self._decided(first.onset, second.onset, first.reason or second.reason)
        low, high = steps_between(first.onset, second.onset)
        middle = None if low is None or high is None else (low + high) / 2
        return RunOutcome(run_id, "decided", outcome, middle, low, high, variant_id=variant, reason=reason)

    def _decided(self, first: OnsetInterval, second: OnsetInterval, censored: str) -> tuple[Outcome, str]:
        if censored:
            return "u", censored
        return precedes(first, second) if self.claimed == "before" else coincides(first, second, self.within)


def steps_between(first: OnsetInterval, second: OnsetInterval) -> tuple[float | None, float | None]:
    """Least and greatest number of steps from the first event to the second; None where one is censored."""
    ends = (first.step_low, first.step_high, second.step_low, second.step_high)
    if first.censoring != "none" or second.censoring != "none" or None in ends:
        return None, None
    a_low, a_high, b_low, b_high = (float(end or 0) for end in ends)
    return b_low - a_high, b_high - a_low
