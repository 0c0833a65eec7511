"""Which of two events in training came first, each known only as an interval between two checkpoints.

Not here: the onset of one event (summaries.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from pydantic import model_validator

from assets.claims.estimands.base import Estimand
from assets.claims.estimands.level import every_run
from assets.claims.evidence import Evidence
from assets.claims.outcomes import Ruling, RunOutcome
from assets.claims.readings import Reading
from assets.claims.summaries import OnsetInterval, onset_interval, precedes


class Order(Estimand):
    """The first reading passes the threshold, to stay, before the second does."""

    unit: ClassVar[Literal["run", "model", "family"]] = "run"
    kind: Literal["order"]
    first: Reading
    second: Reading
    threshold: float
    """That both must pass."""

    @model_validator(mode="after")
    def _reads_trajectories(self) -> Order:
        for reading in (self.first, self.second):
            if reading.quantity != "final" or reading.split != "whole":
                raise ValueError("order reads onsets off the trajectories: leave quantity and split out")
        return self

    def words(self, metric: str | None = None) -> str:
        return f"onsets (past {self.threshold:g}) of {self.first.what(metric)} and of {self.second.what()}"

    @property
    def in_unit(self) -> str:
        return "steps"

    def readings(self) -> dict[str, Reading]:
        return {"first": self.first, "second": self.second}

    def sample(self, evidence: Evidence, run_ids: Sequence[str]) -> list[RunOutcome]:
        return [self._of_run(evidence, run_id) for run_id in run_ids]

    def over_runs(self, evidence: Evidence, outcomes: Sequence[RunOutcome], delta: float | None) -> Ruling:
        return every_run(outcomes, self.in_unit)

    def _of_run(self, evidence: Evidence, run_id: str) -> RunOutcome:
        onsets: list[OnsetInterval] = []
        variants: list[str] = []
        for reading in (self.first, self.second):
            ranked = evidence.matching(reading, run_id)
            run = evidence.trajectories(reading)[ranked[0]].get(run_id) if ranked else None
            onset = None if run is None else onset_interval(run, self.threshold)
            variants += ranked[:1]
            if onset is None:
                reason = "no checkpoint with a known step" if ranked else evidence.why_missing(reading)
                return RunOutcome(run_id, "missing", variant_id=variants[0] if variants else None, reason=reason)
            onsets.append(onset)
        outcome, reason = precedes(*onsets)
        low, high = steps_between(*onsets)
        middle = None if low is None or high is None else (low + high) / 2
        return RunOutcome(run_id, "decided", outcome, middle, low, high, variant_id=variants[0], reason=reason)


def steps_between(first: OnsetInterval, second: OnsetInterval) -> tuple[float | None, float | None]:
    """Least and greatest number of steps from the first onset to the second; None where one is censored."""
    ends = (first.step_low, first.step_high, second.step_low, second.step_high)
    if first.censoring != "none" or second.censoring != "none" or None in ends:
        return None, None
    a_low, a_high, b_low, b_high = (float(end or 0) for end in ends)
    return b_low - a_high, b_high - a_low
