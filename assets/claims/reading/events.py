"""What a claim dates in training: the summary passes a threshold to stay, or changes most between two checkpoints.

Here: the part of a claim file that says so, and the interval that it gives for a run. Not here: how intervals are found
and compared (onsets.py), what a claim makes of them (estimands/).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import Field, model_validator

from assets.claims.outcomes import RunOutcome
from assets.claims.reading.evidence import Evidence
from assets.claims.reading.onsets import Clock, OnsetInterval, largest_change, onset_interval
from assets.claims.reading.readings import Reading
from assets.study import Strict


@dataclass(frozen=True)
class Dated:
    """When the event took place in a run, or why that can't be said.

    Attributes:
        onset: None where nothing was measured.
        variant_id: what was read.
        reason: why there is no interval, or why it is censored; empty where it says when.
    """

    onset: OnsetInterval | None
    variant_id: str | None
    reason: str


class Event(Strict):
    """Something that happens once in a training run."""

    of: Reading
    passes: float | None = None
    """The threshold that the summary passes, to stay (at the next checkpoint too)."""
    largest: Literal["rise", "drop"] | None = None
    """Or: its largest change between neighbouring checkpoints ..."""
    exceeding: float = Field(default=0.0, ge=0)
    """... which must be larger than this to be one."""

    @model_validator(mode="after")
    def _is_one_event(self) -> Event:
        if (self.passes is None) == (self.largest is None):
            raise ValueError("an event is either passes (a threshold) or largest (rise or drop)")
        if self.largest is None and self.exceeding:
            raise ValueError("exceeding is for the largest change; a threshold is stated by passes")
        if self.of.quantity != "final" or self.of.split != "whole":
            raise ValueError("an event is read off the trajectory: leave quantity and split out")
        return self

    def words(self, metric: str | None = None) -> str:
        """The event, as a part of a sentence."""
        if self.largest is None:
            return f"the onset (past {self.passes:g}) of {self.of.what(metric)}"
        return f"the largest {self.largest} of {self.of.what(metric)}"

    def date(self, evidence: Evidence, run_id: str, variant_id: str | None = None) -> Dated:
        """When it took place in a run, read by its preferred variant or by the one named, which it must have."""
        ranked = evidence.matching(self.of, run_id)
        if not ranked:
            return Dated(None, None, evidence.why_missing(self.of))
        chosen = variant_id or ranked[0]
        run = evidence.trajectories(self.of)[chosen].get(run_id)
        if run is None:
            return Dated(None, chosen, "no checkpoint with a known step")
        if self.passes is not None:
            onset = onset_interval(run, self.passes)
        else:
            onset = largest_change(run, self.largest or "rise", self.exceeding)
        if onset is None:
            return Dated(None, chosen, "fewer than two checkpoints with a known step")
        return Dated(onset, chosen, self._censored(onset))

    def _censored(self, onset: OnsetInterval) -> str:
        metric = " or ".join(self.of.metrics)
        if onset.censoring == "none":
            return ""
        if self.largest:
            no_change = (
                f"no {self.largest} of {metric} by more than {self.exceeding:g} between neighbouring checkpoints"
            )
            at_the_end = f"the largest {self.largest} of {metric} came at the last checkpoint, with none after it"
            return no_change if onset.censoring == "right" else at_the_end
        return {
            "left": f"{metric} was past {self.passes:g} at the first checkpoint already",
            "right": f"{metric} never passed {self.passes:g} to stay",
            "unconfirmed": f"{metric} passed {self.passes:g} at the last checkpoint only",
        }[onset.censoring]


def log10_onsets(event: Event, clock: Clock, evidence: Evidence, run_ids: Sequence[str]) -> list[RunOutcome]:
    """Bounds of the log10 onset in runs that are compared with each other, all read by one variant.

    Unlike slopes and peaks, intervals on unlike grids of checkpoints can be compared: each says what its grid allows.
    """
    variant, apart = evidence.shared(event.of, run_ids), evidence.not_shared(event.of, run_ids)
    found = []
    for run_id in run_ids:
        dated = Dated(None, None, apart[run_id]) if run_id in apart else event.date(evidence, run_id, variant)
        ends = dated.onset.log10(clock) if dated.onset else None
        if dated.onset is None or ends is None:
            reason = dated.reason if dated.onset is None else f"{clock} at its checkpoints are not known"
            found.append(RunOutcome(run_id, "missing", variant_id=dated.variant_id, reason=reason))
            continue
        low, high = ends
        middle = (low + high) / 2 if math.isfinite(low + high) else None
        said = dated.reason or f"steps {dated.onset.steps}"
        found.append(RunOutcome(run_id, "decided", None, middle, low, high, variant_id=dated.variant_id, reason=said))
    return found
