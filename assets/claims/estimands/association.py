"""Do two quantities go together over the training runs of a model?

Not here: a quantity against a design property (trend.py).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, Literal

import numpy as np
from scipy import stats

from assets.claims.estimands.base import Estimand, taken
from assets.claims.outcomes import Ruling, RunOutcome
from assets.claims.reading.evidence import Evidence
from assets.claims.reading.readings import Reading
from assets.claims.statistics import pooling
from assets.claims.statistics.pooling import Interval
from assets.claims.verdicts import by_interval, counted


class Association(Estimand):
    """Rank correlation over runs, above 0."""

    unit: ClassVar[Literal["run", "model", "family"]] = "model"
    continuous: ClassVar[bool] = True
    kind: Literal["association"]
    first: Reading
    second: Reading

    def words(self, metric: str | None = None) -> str:
        return f"{self.first.words(metric)} and {self.second.words()}"

    @property
    def in_unit(self) -> str:
        return "rank correlation"

    def readings(self) -> dict[str, Reading]:
        return {"first": self.first, "second": self.second}

    def sample(self, evidence: Evidence, run_ids: Sequence[str]) -> list[RunOutcome]:
        """The first quantity of each run that has both; each of one variant."""
        first, second = (evidence.compared(reading, run_ids) for reading in (self.first, self.second))
        found = []
        for run_id in run_ids:
            one, other = first[run_id], second[run_id]
            lacks_other = one.value is not None and other.value is None
            found.append(replace(taken(run_id, other if lacks_other else one), second=other.value))
        return found

    def over_runs(self, evidence: Evidence, outcomes: Sequence[RunOutcome], delta: float | None) -> Ruling:
        x, y = ([run.estimate or 0.0 for run in outcomes], [run.second or 0.0 for run in outcomes])
        what = f"Rank correlation over {counted(len(outcomes), 'training run')}"
        return by_interval(rank_correlation(x, y), "above", 0.0, delta, "rank correlation", what)


def rank_correlation(x: Sequence[float], y: Sequence[float], confidence: float = pooling.CONFIDENCE) -> Interval:
    """Spearman's rho and the interval of Bonett and Wright (2000): tanh(atanh rho +- z sqrt((1 + rho^2/2)/(n - 3)))."""
    n = len(x)
    method = "Spearman, Bonett-Wright"
    if n < 4:
        return Interval(None, None, None, n, method, confidence, "fewer than four training runs")
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return Interval(None, None, None, n, method, confidence, "one of the quantities is the same in every run")
    rho = float(stats.spearmanr(x, y).statistic)
    if abs(rho) >= 1 - 1e-12:
        reason = "the ranks agree fully: no interval"
        return Interval(round(rho), None, None, n, method, confidence, reason)
    half = float(stats.norm.ppf((1 + confidence) / 2)) * math.sqrt((1 + rho**2 / 2) / (n - 3))
    return Interval(rho, math.tanh(math.atanh(rho) - half), math.tanh(math.atanh(rho) + half), n, method, confidence)
