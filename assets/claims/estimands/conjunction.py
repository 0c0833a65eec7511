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
from assets.claims.evidence import Evidence
from assets.claims.outcomes import Outcome, Ruling, RunOutcome
from assets.claims.readings import Reading
from assets.claims.verdicts import side


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
        """h if some head has every part, f if each head clearly lacks one, else u."""
        estimates = [evidence.estimate(part.of, run_id) for part in self.parts]
        if all(estimate.variant_id is None for estimate in estimates):
            return taken(run_id, estimates[0])
        missing = [estimate.reason for estimate in estimates if estimate.value is None]
        variant = estimates[0].variant_id
        if missing:
            return RunOutcome(run_id, "decided", "u", variant_id=variant, reason="; ".join(missing))
        outcomes = self._of_heads(evidence, run_id, [estimate.variant_id or "" for estimate in estimates])
        holding = [head for head, outcome in outcomes.items() if outcome == "h"]
        outcome: Outcome = "h" if holding else "f" if set(outcomes.values()) == {"f"} else "u"
        said = f"{len(holding)} of {len(outcomes)} heads meet all {len(self.parts)} conditions"
        if holding:
            said += f", among them layer {holding[0][0]} head {holding[0][1]}"
        return RunOutcome(run_id, "decided", outcome, float(len(holding)), variant_id=variant, reason=said)

    def _of_heads(self, evidence: Evidence, run_id: str, variants: Sequence[str]) -> dict[tuple[int, int], Outcome]:
        found: dict[tuple[int, int], list[Outcome]] = {}
        for part, variant in zip(self.parts, variants, strict=True):
            heads: pl.DataFrame = evidence.final_heads(part.of, run_id, variant)
            for layer, head, value, low, high in heads.iter_rows():
                found.setdefault((layer, head), []).append(side(value, low, high, part.direction, part.threshold)[0])
        return {at: _all_of(outcomes) for at, outcomes in sorted(found.items()) if len(outcomes) == len(variants)}


def _all_of(outcomes: Sequence[Outcome]) -> Outcome:
    return "f" if "f" in outcomes else "u" if "u" in outcomes else "h"
