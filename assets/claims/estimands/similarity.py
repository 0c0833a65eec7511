"""Do the runs of a model develop alike? Pairs of trajectories, compared at the checkpoints that both have.

Not here: the statistics of one pair (reading/summaries.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from assets.claims.estimands.base import Estimand
from assets.claims.outcomes import Ruling, RunOutcome
from assets.claims.reading.evidence import Evidence
from assets.claims.reading.readings import Reading, not_formed
from assets.claims.reading.summaries import largest_gap, similarity
from assets.claims.statistics import pooling
from assets.claims.verdicts import by_interval, counted, not_excluded, number

Statistic = Literal["largest_gap", "correlation"]


class Similarity(Estimand):
    """At least this share of the pairs of runs is alike: largest gap below, or correlation above, the threshold.

    The share's interval is the jackknife's over runs, since pairs that share a run are no independent units. Curves of
    runs in none of which the thing forms (formed_above) are alike in showing nothing: there the claim does not apply.
    """

    unit: ClassVar[Literal["run", "model", "family"]] = "model"
    continuous: ClassVar[bool] = True
    kind: Literal["similarity"]
    of: Reading
    statistic: Statistic
    threshold: float
    share: float = Field(gt=0, lt=1)

    @model_validator(mode="after")
    def _reads_trajectories(self) -> Similarity:
        if self.of.quantity != "final" or self.of.split != "whole":
            raise ValueError("similarity compares whole trajectories: leave quantity and split out")
        return self

    def words(self, metric: str | None = None) -> str:
        return self.of.words(metric)

    @property
    def in_unit(self) -> str:
        return "share of pairs"

    def readings(self) -> dict[str, Reading]:
        return {"of": self.of}

    def sample(self, evidence: Evidence, run_ids: Sequence[str]) -> list[RunOutcome]:
        """With formed_above, all runs count where any of them formed: the others then differ from it."""
        runs = trajectories(evidence, self.of, run_ids)
        absent = {run.run_id: not_formed(self.of, "peak", run.estimate) for run in runs if run.estimate is not None}
        if not all(absent.values()):
            return runs
        return [
            replace(run, state="undefined", estimate=None, reason=absent[run.run_id]) if run.run_id in absent else run
            for run in runs
        ]

    def over_runs(self, evidence: Evidence, outcomes: Sequence[RunOutcome], delta: float | None) -> Ruling:
        values = compared(evidence, self.of, outcomes, self.statistic)
        alike = np.where(np.isnan(values), np.nan, self._alike(values))

        def share(kept: NDArray[np.intp]) -> float:
            part = alike[np.ix_(kept, kept)][np.triu_indices(kept.size, 1)]
            return float(np.nanmean(part)) if not np.isnan(part).all() else 0.0

        pairs = values[np.triu_indices(len(outcomes), 1)]
        known = pairs[~np.isnan(pairs)]
        interval = pooling.jackknife(share, len(outcomes))
        if not known.size:
            return Ruling("inconclusive", "No two training runs have a checkpoint in common.")
        gap = self.statistic == "largest_gap"
        asked = f"a {'largest gap below' if gap else 'correlation above'} {number(self.threshold)}"
        n_alike = self._alike(known).sum()
        what = f"{n_alike} of {counted(known.size, 'pair')} of {counted(len(outcomes), 'training run')} have {asked}"
        ruling = by_interval(interval, "above", self.share, None, self.in_unit, what)
        more = f" The least alike pair has {number(float(known.max() if gap else known.min()))}."
        if interval.low == interval.high:
            more += f" {not_excluded(len(outcomes))}"
        return replace(ruling, reason=ruling.reason + more)

    def _alike(self, values: NDArray[np.float64]) -> NDArray[np.bool_]:
        return values < self.threshold if self.statistic == "largest_gap" else values > self.threshold


def trajectories(evidence: Evidence, reading: Reading, run_ids: Sequence[str]) -> list[RunOutcome]:
    """Each run's trajectory, all of one variant; the estimate shown is its peak."""
    variant, apart = evidence.shared(reading, run_ids), evidence.not_shared(reading, run_ids)
    held = evidence.trajectories(reading).get(variant or "", {})
    found = []
    for run_id in run_ids:
        if run_id in apart:
            run = RunOutcome(run_id, "missing", reason=apart[run_id])
        elif run_id in held:
            run = RunOutcome(run_id, "decided", estimate=float(held[run_id].value.max()), variant_id=variant)
        else:
            run = RunOutcome(run_id, "missing", variant_id=variant, reason="no checkpoint with a known step")
        found.append(run)
    return found


def compared(
    evidence: Evidence, reading: Reading, outcomes: Sequence[RunOutcome], statistic: Statistic
) -> NDArray[np.float64]:
    """(runs, runs) the statistic of each pair of trajectories; NaN where undefined, and of a run with itself."""
    held = evidence.trajectories(reading)
    runs = [held[run.variant_id or ""][run.run_id] for run in outcomes]
    if runs and all(np.array_equal(run.step, runs[0].step) for run in runs):
        return _on_one_grid(np.stack([run.value for run in runs]), statistic)
    compare = largest_gap if statistic == "largest_gap" else similarity
    matrix = np.full((len(runs), len(runs)), np.nan)
    for i, j in combinations(range(len(runs)), 2):
        value = compare(runs[i], runs[j]).value
        matrix[i, j] = matrix[j, i] = np.nan if value is None else value
    return matrix


def _on_one_grid(values: NDArray[np.float64], statistic: Statistic) -> NDArray[np.float64]:
    """The same for (runs, checkpoints) values at the same steps."""
    if statistic == "largest_gap":
        matrix: NDArray[np.float64] = np.abs(values[:, None] - values[None]).max(axis=2)
    else:
        centred = values - values.mean(axis=1, keepdims=True)
        lengths = np.where(np.ptp(values, axis=1) > 0, np.linalg.norm(centred, axis=1), np.nan)
        matrix = centred @ centred.T / np.outer(lengths, lengths)
        if values.shape[1] < 3:
            matrix[:] = np.nan
    np.fill_diagonal(matrix, np.nan)
    return matrix
