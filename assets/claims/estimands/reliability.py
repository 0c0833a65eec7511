"""Can a metric be trusted? Claims about instruments, of which the gate of every other verdict is made.

Three checks of a training run, each where the evidence allows it:

    retest         the summary at the final checkpoint changes little when it is measured again on fresh inputs; without
                   a second measurement, by its two halves, whose difference is sqrt(2) times as large
    known groups   where nothing is learnt, at step 0 and in the `controls` at their end, heads are at chance
    placebo        the placebo metric is below its limit

Not here: which claims are refused for it (claims/instruments.py).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import polars as pl
from pydantic import Field, model_validator

from assets.claims import reference
from assets.claims.estimands.base import Estimand
from assets.claims.estimands.level import every_run
from assets.claims.outcomes import Ruling, RunOutcome, Verdict
from assets.claims.reading.evidence import Evidence
from assets.claims.reading.readings import Reading
from assets.claims.verdicts import counted, number
from assets.study import Id
from catalog.errors import UserError


@dataclass(frozen=True)
class Check:
    """One check of one run: what was found, against the most that it may be."""

    words: str
    found: float
    limit: float

    @property
    def passed(self) -> bool:
        return abs(self.found) <= self.limit

    def __str__(self) -> str:
        return f"{self.words} {number(self.found)}" + ("" if self.passed else f", more than {number(self.limit)}")


class Reliability(Estimand):
    """A metric passes its own checks: f where one of them fails, h where all that are possible are passed."""

    unit: ClassVar[Literal["run", "model", "family"]] = "run"
    kind: Literal["reliability"]
    of: Reading
    retest: float = Field(default=0.02, gt=0)
    """Most that the summary may change."""
    known_mean: float = Field(default=0.01, gt=0)
    """Most that the mean over heads may be away from chance at step 0."""
    known_best: float = Field(default=0.05, gt=0)
    """Most that the summary may be above chance at step 0, and in the controls."""
    controls: str | None = None
    """A predicate: runs that can't learn what the metric is about."""
    placebo: Id | None = None
    placebo_best: float = Field(default=0.05, gt=0)

    @model_validator(mode="after")
    def _reads_an_excess(self) -> Reliability:
        of = self.of
        if of.scale != "excess" or of.summary not in ("best_head", "single") or of.minus or of.ends_there:
            raise ValueError("reliability reads an excess over chance: summary best_head or single, nothing subtracted")
        if len(of.metrics) != 1:
            raise ValueError("reliability is about one metric")
        if of.quantity != "final" or of.split != "whole":
            raise ValueError("reliability reads the checkpoints themselves: leave quantity and split out")
        try:
            reference.parse(self.controls or "true")
        except UserError as error:
            raise ValueError(f"controls: {error.what} {error.mend}") from None
        return self

    def words(self, metric: str | None = None) -> str:
        return f"the checks of {self.of.what(metric)}"

    @property
    def in_unit(self) -> str:
        return "change on retest"

    def readings(self) -> dict[str, Reading]:
        placebo = {"placebo": Reading(metrics=[self.placebo])} if self.placebo else {}
        return {"of": self.of, **placebo}

    def without_placebo(self) -> Reliability:
        """The same for a reading that subtracts the placebo, to which a high one does no harm."""
        return self.model_copy(update={"placebo": None})

    def sample(self, evidence: Evidence, run_ids: Sequence[str]) -> list[RunOutcome]:
        final, first = self._summed(evidence, "is_final"), self._summed(evidence, "step = 0")
        again = self._summed(evidence.retests, "is_final") if evidence.retests else {}
        placebo = self._placebos(evidence) if self.placebo else {}
        found = []
        for run_id in run_ids:
            ranked = evidence.matching(self.of, run_id)
            if not ranked:
                found.append(RunOutcome(run_id, "missing", reason=evidence.why_missing(self.of)))
                continue
            key = (ranked[0], run_id)
            is_control = self.controls and reference.parse(self.controls).evaluate(evidence.design_of(run_id))
            retest = list(self._retest(final.get(key), again.get(key)))
            checks = [*retest, *self._known(first.get(key)), *self._controls(final.get(key) if is_control else None)]
            if key in placebo:
                checks.append(Check(f"best head's {self.placebo}", max(placebo[key], 0.0), self.placebo_best))
            found.append(_decided(run_id, ranked[0], checks, retest))
        return found

    def over_runs(self, evidence: Evidence, outcomes: Sequence[RunOutcome], delta: float | None) -> Ruling:
        return every_run(outcomes, self.in_unit)

    def over_architecture(self, runs: Sequence[RunOutcome]) -> Ruling:
        """The ruling on an architecture, by its runs that were decided: fails where more of them fail than pass.

        Not the in-every rule: a broken instrument is broken in any number of runs, and one run that fails by luck must
        not close, nor one that passes by luck open, the gate for all others.
        """
        failed = [run for run in runs if run.outcome == "f"]
        n_f, n_h = len(failed), len(runs) - len(failed)
        verdict: Verdict = "holds" if not n_f else "fails" if n_f > n_h else "mixed"
        example = f" Fails in {n_f}, such as {failed[0].run_id}: {failed[0].reason}." if failed else ""
        reason = f"Passes its checks in {n_h} of {counted(len(runs), 'training run')}.{example}"
        return Ruling(verdict, reason, n_h / len(runs), n_h=n_h, n_f=n_f, n_u=0, unit="share of training runs")

    # The checks

    def _retest(self, final: Mapping[str, Any] | None, again: Mapping[str, Any] | None) -> Iterator[Check]:
        if final and again:
            yield Check("changes on a second measurement by", again["value"] - final["value"], self.retest)
        elif final and final["value_a"] is not None and final["value_b"] is not None:
            difference = (final["value_a"] - final["value_b"]) / math.sqrt(2)
            yield Check("by its two halves would change on a second measurement by", difference, self.retest)

    def _known(self, first: Mapping[str, Any] | None) -> Iterator[Check]:
        if first:
            if self.of.summary == "best_head":
                yield Check("at step 0 is on average off chance by", first["mean"], self.known_mean)
            yield Check("at step 0 is at most above chance by", max(first["value"], 0.0), self.known_best)

    def _controls(self, final: Mapping[str, Any] | None) -> Iterator[Check]:
        if final:
            yield Check("in a control is above chance by", max(final["value"], 0.0), self.known_best)

    def _summed(self, evidence: Evidence, where: str) -> dict[tuple[str, str], dict[str, Any]]:
        """By variant and run, greatest value, halves, and mean over the heads, at the checkpoints meant."""
        kept = pl.sql_expr(where)
        return {
            (variant, row["run_id"]): row
            for variant, frame in evidence.scores(self.of).items()
            for row in frame.filter(kept)
            .group_by("run_id")
            .agg(pl.col("value", "value_a", "value_b").max(), pl.col("value").mean().alias("mean"))
            .iter_rows(named=True)
        }

    def _placebos(self, evidence: Evidence) -> dict[tuple[str, str], float]:
        """By the variant of the metric itself and run, the placebo's greatest value at the final checkpoint."""
        reading = self.readings()["placebo"]
        greatest = {
            variant: dict(frame.filter(pl.col("is_final")).group_by("run_id").agg(pl.col("value").max()).iter_rows())
            for variant, frame in evidence.scores(reading).items()
        }
        return {
            (variant, run_id): value
            for variant in evidence.scores(self.of)
            for run_id, value in greatest.get(evidence.placebo_of(variant, reading.metrics[0]) or "", {}).items()
        }


def _decided(run_id: str, variant_id: str, checks: Sequence[Check], retest: Sequence[Check]) -> RunOutcome:
    if not checks:
        reason = "no retest, halves, step 0 or control to check it by"
        return RunOutcome(run_id, "missing", variant_id=variant_id, reason=reason)
    told = [check for check in checks if not check.passed] or checks
    return RunOutcome(
        run_id,
        "decided",
        "h" if all(check.passed for check in checks) else "f",
        abs(retest[0].found) if retest else None,
        variant_id=variant_id,
        reason="; ".join(map(str, told)),
    )
