"""Two or more levels at once, of a run or of the same head ("prefix matching and copying").

Not here: one level alone (level.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import polars as pl
from pydantic import Field, model_validator

from assets.claims.estimands.base import Estimand, taken
from assets.claims.estimands.level import Level, every_run
from assets.claims.outcomes import Outcome, Ruling, RunOutcome
from assets.claims.reading.evidence import Evidence
from assets.claims.reading.readings import Estimate, Reading
from assets.claims.verdicts import side

Head = tuple[int, int]
"""(layer, head)"""


class Conjunction(Estimand):
    """All parts hold; with `same_head`, all on one and the same head of the final checkpoint."""

    unit: ClassVar[Literal["run", "model", "family"]] = "run"
    kind: Literal["conjunction"]
    parts: list[Level] = Field(min_length=2)
    same_head: bool = False

    @model_validator(mode="after")
    def _heads_can_be_compared(self) -> Conjunction:
        for part in self.parts:
            if part.rule != "every_run":
                raise ValueError("the parts of a conjunction are decided in every run")
            if self.same_head and (
                part.of.summary != "best_head" or part.of.quantity != "final" or part.of.split != "whole"
            ):
                raise ValueError("same_head compares heads of the final checkpoint: summary best_head, quantity final")
        return self

    def words(self, metric: str | None = None) -> str:
        return "on one head" if self.same_head else "all at once"

    @property
    def in_unit(self) -> str:
        return "heads" if self.same_head else self.parts[0].in_unit

    def readings(self) -> dict[str, Reading]:
        return {f"parts.{i}.of": part.of for i, part in enumerate(self.parts)}

    def sample(self, evidence: Evidence, run_ids: Sequence[str]) -> list[RunOutcome]:
        decide = self._on_one_head if self.same_head else self._together
        return [decide(evidence, run_id) for run_id in run_ids]

    def over_runs(self, evidence: Evidence, outcomes: Sequence[RunOutcome], delta: float | None) -> Ruling:
        return every_run(outcomes, self.in_unit)

    def _together(self, evidence: Evidence, run_id: str) -> RunOutcome:
        """One clearly fails, f; all hold, h; else, and where a metric is missing, u."""
        parts = [part.sample(evidence, [run_id])[0] for part in self.parts]
        first = parts[0]
        reason = "; ".join(f"{p.of.words()} {run.reason}" for p, run in zip(self.parts, parts, strict=True))
        for state in ("undefined", "missing"):
            if all(run.state == state for run in parts) or (state == "undefined" and first.state == state):
                return RunOutcome(run_id, state, variant_id=first.variant_id, reason=reason)
        outcome = _all_of([run.outcome or "u" for run in parts])
        return RunOutcome(
            run_id,
            "decided",
            outcome,
            first.estimate,
            first.low,
            first.high,
            first.standard_error,
            first.variant_id,
            reason,
        )

    def _on_one_head(self, evidence: Evidence, run_id: str) -> RunOutcome:
        """h if some head has every part, f if each head clearly lacks one, else u: a metric may be missing."""
        estimates = [evidence.estimate(part.of, run_id) for part in self.parts]
        if all(estimate.value is None for estimate in estimates) or not estimates[0].defined:
            return taken(run_id, estimates[0])
        variant = estimates[0].variant_id
        missing = [estimate.reason for estimate in estimates if estimate.value is None]
        outcomes = self._of_heads(evidence, run_id, estimates)
        holding = [head for head, outcome in outcomes.items() if outcome == "h"]
        outcome: Outcome = "h" if holding else "f" if set(outcomes.values()) == {"f"} else "u"
        said = f"{len(holding)} of {len(outcomes)} heads meet all {len(self.parts)} conditions"
        if holding:
            said += f", among them layer {holding[0][0]} head {holding[0][1]}"
        estimate = None if missing and outcome == "u" else float(len(holding))
        return RunOutcome(run_id, "decided", outcome, estimate, variant_id=variant, reason="; ".join([said, *missing]))

    def _of_heads(self, evidence: Evidence, run_id: str, estimates: Sequence[Estimate]) -> dict[Head, Outcome]:
        """Of each head of the first part that was measured; a part that it lacks leaves it undecided."""
        found: dict[Head, list[Outcome]] = {}
        measured = [(part, e.variant_id) for part, e in zip(self.parts, estimates, strict=True) if e.value is not None]
        for part, variant in measured:
            heads: pl.DataFrame = evidence.final_heads(part.of, run_id, variant or "")
            own = {
                (layer, head): side(value, low, high, part.direction, part.threshold)[0]
                for layer, head, value, low, high in heads.iter_rows()
            }
            for at in found or own:
                found.setdefault(at, []).append(own.get(at, "u"))
        lacking: list[Outcome] = ["u"] * (len(self.parts) - len(measured))
        return {at: _all_of([*outcomes, *lacking]) for at, outcomes in sorted(found.items())}


def _all_of(outcomes: Sequence[Outcome]) -> Outcome:
    return "f" if "f" in outcomes else "u" if "u" in outcomes else "h"
