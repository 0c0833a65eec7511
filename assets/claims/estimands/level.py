"""A quantity of each run against a threshold, and the difference of two quantities.

    level:    the best head's excess prefix_matching minus placebo is above 0.3, in every run
    contrast: the layer of the top induction head minus that of the top previous-token head is above 0

Not here: two conditions at once (conjunction.py), quantities compared between models (trend.py).
"""

from __future__ import annotations

import math
import operator
from abc import abstractmethod
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, Literal

from pydantic import model_validator

from assets.claims.estimands.base import Estimand, taken
from assets.claims.outcomes import Ruling, RunOutcome
from assets.claims.reading.evidence import Evidence
from assets.claims.reading.readings import Estimate, Reading
from assets.claims.statistics import pooling
from assets.claims.verdicts import Direction, counted, equivalence_rule, in_every, mean_rule, number, side


class _Against(Estimand):
    """A number per run against a threshold."""

    unit: ClassVar[Literal["run", "model", "family"]] = "run"
    direction: Direction
    threshold: float
    """`within` claims that the quantity is nearer to 0 than this."""
    rule: Literal["every_run", "mean"] = "every_run"
    """Of a model: every run is on the claimed side, or their mean is (for `within`: as good as 0)."""

    @model_validator(mode="after")
    def _within_needs_room(self) -> _Against:
        if self.direction == "within" and self.threshold <= 0:
            raise ValueError("direction within needs a threshold above 0")
        return self

    @abstractmethod
    def of_run(self, evidence: Evidence, run_id: str) -> Estimate:
        """The number of one run."""

    def sample(self, evidence: Evidence, run_ids: Sequence[str]) -> list[RunOutcome]:
        return [self._decided(taken(run_id, self.of_run(evidence, run_id))) for run_id in run_ids]

    def _decided(self, run: RunOutcome) -> RunOutcome:
        if run.estimate is None:
            return run
        outcome, reason = side(run.estimate, run.low, run.high, self.direction, self.threshold)
        return replace(run, outcome=outcome, reason=reason)

    def over_runs(self, evidence: Evidence, outcomes: Sequence[RunOutcome], delta: float | None) -> Ruling:
        values = [run.estimate for run in outcomes if run.estimate is not None]
        if self.rule == "every_run":
            return every_run(outcomes, self.in_unit)
        errors = [run.standard_error for run in outcomes]
        variances = [e**2 for e in errors if e]
        known = variances if len(variances) == len(outcomes) else None
        what = f"Mean over {counted(len(values), 'training run')}"
        if self.direction != "within":
            return mean_rule(values, known, self.direction, self.threshold, delta, self.in_unit)
        found = pooling.equivalence(lambda confidence: pooling.pool(values, known, confidence).mean, self.threshold)
        return equivalence_rule(found, self.threshold, self.in_unit, what)


class Level(_Against):
    """One quantity against a threshold."""

    kind: Literal["level"]
    of: Reading

    def readings(self) -> dict[str, Reading]:
        return {"of": self.of}

    def words(self, metric: str | None = None) -> str:
        return self.of.words(metric)

    @property
    def in_unit(self) -> str:
        return self.of.unit

    def of_run(self, evidence: Evidence, run_id: str) -> Estimate:
        return evidence.estimate(self.of, run_id)


class Contrast(_Against):
    """The first quantity minus the second, in the same run."""

    kind: Literal["contrast"]
    first: Reading
    second: Reading

    @model_validator(mode="after")
    def _of_one_unit(self) -> Contrast:
        if self.first.unit != self.second.unit:
            raise ValueError(f"first is in {self.first.unit}, second in {self.second.unit}: they can't be subtracted")
        return self

    def readings(self) -> dict[str, Reading]:
        return {"first": self.first, "second": self.second}

    def words(self, metric: str | None = None) -> str:
        return f"{self.first.words(metric)} minus {self.second.words()}"

    @property
    def in_unit(self) -> str:
        return {"layer": "layers"}.get(self.first.unit, self.first.unit)

    def of_run(self, evidence: Evidence, run_id: str) -> Estimate:
        first, second = (evidence.estimate(reading, run_id) for reading in (self.first, self.second))
        for estimate in (first, second):
            if estimate.value is None:
                return replace(estimate, variant_id=first.variant_id)
        return difference(first, second)


def difference(first: Estimate, second: Estimate) -> Estimate:
    """First minus second, of two that have a value; no interval where one of them has none.

    The interval takes them as independent; of one variant, and so of the same sequences, it is as wide as whatever the
    errors have to do with each other may make it."""
    a, b = first.value or 0.0, second.value or 0.0
    value = a - b
    ends = (first.low, first.high, second.low, second.high)
    if any(end is None for end in ends):
        return Estimate(value, variant_id=first.variant_id)
    a_low, a_high, b_low, b_high = (end or 0.0 for end in ends)
    together = first.variant_id is not None and first.variant_id == second.variant_id
    joined = operator.add if together else math.hypot
    error = joined(first.standard_error or 0.0, second.standard_error or 0.0) or None
    low = value - joined(a - a_low, b_high - b)
    high = value + joined(a_high - a, b - b_low)
    return Estimate(value, low, high, error, first.variant_id)


def every_run(outcomes: Sequence[RunOutcome], unit: str) -> Ruling:
    """The in-every rule on outcomes of runs; the reason has the range of their estimates and, where none is decided,
    what most often stood in the way."""
    found = [run.outcome for run in outcomes]
    ruling = in_every(found.count("h"), found.count("f"), found.count("u"))
    if found.count("u") == len(found):
        [(why, n)] = Counter(run.reason for run in outcomes).most_common(1) or [("", 0)]
        ruling = replace(ruling, reason=f"{ruling.reason} In {n} of them: {why}." if why else ruling.reason)
    values = [run.estimate for run in outcomes if run.estimate is not None]
    if not values:
        return ruling
    least, greatest = number(min(values)), number(max(values))
    reach = f"The estimates ({unit}) run from {least} to {greatest}."
    if least == greatest:
        reach = f"The estimate ({unit}) is {least}" + (" in each." if len(values) > 1 else ".")
    return replace(ruling, reason=f"{ruling.reason} {reach}")
