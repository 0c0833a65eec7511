"""Do the runs of a model agree on where a head is, beyond chance, or not at all?

    about layer: the top head's layer, chance being independent uniform draws over layers
    about head:  the very head, chance being independent uniform draws over all heads
    about index: correlation of all heads' scores by (layer, head), each layer's mean taken out first; 0 where
                 nothing is shared, since heads of a layer are exchangeable

Not here: the correlation by index and its interval (statistics/exchangeable.py), likeness of trajectories
(similarity.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import ClassVar, Literal

import polars as pl
from pydantic import Field, model_validator

from assets.claims.estimands.base import Estimand, taken
from assets.claims.outcomes import Ruling, RunOutcome, Verdict
from assets.claims.reading.evidence import Evidence
from assets.claims.reading.readings import Estimate, Reading
from assets.claims.statistics import pooling
from assets.claims.statistics.exchangeable import correlation_by_index
from assets.claims.statistics.pooling import Interval
from assets.claims.verdicts import (
    MAJORITY,
    by_interval,
    counted,
    equivalence_rule,
    lower_bound,
    not_excluded,
    number,
    spelled,
)


class Agreement(Estimand):
    """Agreement over pairs of runs, corrected for chance: 0 = chance, 1 = all agree.

    above_chance and at_chance are claims about its mean over pairs; identical is the strict one, refuted by any two
    runs that differ.
    """

    unit: ClassVar[Literal["run", "model", "family"]] = "model"
    continuous: ClassVar[bool] = True
    kind: Literal["agreement"]
    of: Reading
    about: Literal["layer", "head", "index"]
    tolerance: int = Field(default=0, ge=0)
    """Layers up to which two runs count as agreeing."""
    claimed: Literal["above_chance", "at_chance", "identical"]

    @property
    def needs_delta(self) -> bool:
        return self.claimed == "at_chance"

    @model_validator(mode="after")
    def _reads_heads(self) -> Agreement:
        if self.of.quantity not in ("final", "top_layer") or self.of.summary != "best_head":
            raise ValueError("agreement reads the heads of the final checkpoint: summary best_head, quantity top_layer")
        if self.tolerance and self.about != "layer":
            raise ValueError("tolerance is a number of layers: it needs about: layer")
        if self.claimed == "identical" and (self.about == "index" or self.tolerance):
            raise ValueError("claimed: identical is about the layer or the very head, without a tolerance")
        return self

    def words(self, metric: str | None = None) -> str:
        return self.of.words(metric)

    @property
    def in_unit(self) -> str:
        if self.claimed == "identical":
            return "share of training runs in the commonest place"
        return "correlation" if self.about == "index" else "chance-corrected agreement"

    def readings(self) -> dict[str, Reading]:
        return {"of": self.of}

    def sample(self, evidence: Evidence, run_ids: Sequence[str]) -> list[RunOutcome]:
        """The top head's layer (about index: its score) of each run, all of one variant and the same heads."""
        found = evidence.compared(self.of, run_ids)
        heads = {
            run_id: self._heads(evidence, run_id, e.variant_id) for run_id, e in found.items() if e.value is not None
        }
        shapes = [tuple(frame.select("layer", "head").iter_rows()) for frame in heads.values()]
        usual = max(set(shapes), key=lambda shape: (shapes.count(shape), shape), default=())
        for run_id, frame in heads.items():
            if tuple(frame.select("layer", "head").iter_rows()) != usual:
                reason = "other heads were measured than in most runs"
                found[run_id] = Estimate(None, variant_id=found[run_id].variant_id, reason=reason)
        return [taken(run_id, estimate) for run_id, estimate in found.items()]

    def _heads(self, evidence: Evidence, run_id: str, variant_id: str | None) -> pl.DataFrame:
        return evidence.final_heads(self.of, run_id, variant_id or "")

    def over_runs(self, evidence: Evidence, outcomes: Sequence[RunOutcome], delta: float | None) -> Ruling:
        frames = [self._heads(evidence, run.run_id, run.variant_id) for run in outcomes]
        what = self._words(frames)
        if self.about == "index":
            return self._by_index(frames, delta, what)
        places, tops = self._tops(frames)
        if self.claimed == "identical":
            return identical_rule(tops, self.in_unit, what)

        def interval(confidence: float) -> Interval:
            return pooling.agreement(tops, len(places), self.tolerance, confidence)

        if self.claimed == "at_chance":
            return equivalence_rule(pooling.equivalence(interval, delta or 0.0), delta or 0.0, self.in_unit, what)
        found = interval(pooling.CONFIDENCE)
        if found.estimate is None or found.low is None or found.below(delta or 0.0):
            return by_interval(found, "above", 0.0, delta, self.in_unit, what)
        p = pooling.agreement_by_chance(tops, len(places), self.tolerance)
        return beyond_chance(found, p, self.in_unit, what)

    def _by_index(self, frames: Sequence[pl.DataFrame], delta: float | None, what: str) -> Ruling:
        if self.claimed == "above_chance":
            return by_interval(correlation_by_index(frames), "above", 0.0, delta, self.in_unit, what)
        found = pooling.equivalence(lambda confidence: correlation_by_index(frames, confidence), delta or 0.0)
        return equivalence_rule(found, delta or 0.0, self.in_unit, what)

    def _tops(self, frames: Sequence[pl.DataFrame]) -> tuple[list[tuple[int, ...]], list[int]]:
        """All places (layers, or heads) in order, and the place of each run's top head among them."""
        key = ["layer"] if self.about == "layer" else ["layer", "head"]
        places = list(frames[0].select(key).unique().sort(key).iter_rows()) if frames else []
        tops = [places.index(frame.row(frame["value"].arg_max() or 0, named=False)[: len(key)]) for frame in frames]
        return places, tops

    def _words(self, frames: Sequence[pl.DataFrame]) -> str:
        if self.about == "index":
            return f"Correlation by head index over the pairs of {counted(len(frames), 'training run')}"
        tops = [frame.row(frame["value"].arg_max() or 0) for frame in frames]
        layers = ", ".join(str(top[0]) for top in tops)
        said = f"Top heads of {counted(len(frames), 'training run')} in layers {layers}"
        if self.claimed == "identical":
            return said
        within = f" within {counted(self.tolerance, 'layer')}" if self.tolerance else ""
        return f"{said}; agreement{within} beyond chance"


def beyond_chance(interval: Interval, p: float, unit: str, what: str) -> Ruling:
    """An estimate claimed to be above chance, tested against chance itself; the interval is shown, and decides nothing.

    Args:
        p: one-sided; at most half of what a 95 % interval leaves out.
    """
    holds = p <= (1 - interval.confidence) / 2
    verdict: Verdict = "holds" if holds else "inconclusive"
    said = f"independent draws agree as much with probability {number(p)}"
    more = f" {not_excluded(interval.n)}" if interval.low == interval.high else ""
    flips = () if holds else ({"when": "more units that agree as these do", "becomes": "holds"},)
    return Ruling(
        verdict,
        f"{what}: {spelled(interval)}; {said}.{more}",
        interval.estimate,
        interval.low,
        interval.high,
        unit=unit,
        flips=flips,
    )


def identical_rule(places: Sequence[int], unit: str, what: str) -> Ruling:
    """A claim that all units are in one place: any two that differ refute it; in enough of them it holds.

    Enough as in the in-every rule: the one-sided lower bound of n/n above one half, so five. The estimate is the share
    of units in the commonest place, and decides nothing.

    Args:
        places: one per unit.
    """
    n = len(places)
    commonest = max(Counter(places).values(), default=0)
    share = pooling.share_interval(commonest, n)
    verdict: Verdict = "inconclusive"
    if commonest < n:
        verdict = "fails"
    elif lower_bound(n, n) > MAJORITY:
        verdict = "holds"
    said = {
        "holds": f"all in one place. {not_excluded(n)}",
        "fails": f"{commonest} of {n} in the commonest place, where any two that differ refute the claim.",
        "inconclusive": "in one place, but too few to speak of most.",
    }[verdict]
    flips = ({"when": "one training run in another place", "becomes": "fails"},) if verdict == "holds" else ()
    return Ruling(verdict, f"{what}: {said}", share.estimate, share.low, share.high, unit=unit, flips=flips)
