"""Do the runs of a model agree on where a head is, beyond chance, or not at all?

    about layer: the top head's layer, chance being independent uniform draws over layers
    about head:  the very head, chance being independent uniform draws over all heads
    about index: correlation of all heads' scores by (layer, head), each layer's mean taken out first

Not here: likeness of trajectories (similarity.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field, model_validator

from assets.claims import pooling
from assets.claims.estimands.base import Estimand, taken
from assets.claims.evidence import Evidence
from assets.claims.outcomes import Ruling, RunOutcome
from assets.claims.pooling import Interval
from assets.claims.readings import Estimate, Reading
from assets.claims.verdicts import by_interval, counted, equivalence_rule, not_excluded

UNITS = {"layer": "chance-corrected agreement", "head": "chance-corrected agreement", "index": "correlation"}


class Agreement(Estimand):
    """Agreement over pairs of runs, corrected for chance: 0 = chance, 1 = all agree."""

    unit: ClassVar[Literal["run", "model", "family"]] = "model"
    continuous: ClassVar[bool] = True
    kind: Literal["agreement"]
    of: Reading
    about: Literal["layer", "head", "index"]
    tolerance: int = Field(default=0, ge=0)
    """Layers up to which two runs count as agreeing."""
    claimed: Literal["above_chance", "at_chance"]

    @property
    def needs_delta(self) -> bool:
        return self.claimed == "at_chance"

    @model_validator(mode="after")
    def _reads_heads(self) -> Agreement:
        if self.of.quantity not in ("final", "top_layer") or self.of.summary != "best_head":
            raise ValueError("agreement reads the heads of the final checkpoint: summary best_head, quantity top_layer")
        if self.tolerance and self.about != "layer":
            raise ValueError("tolerance is a number of layers: it needs about: layer")
        return self

    def words(self, metric: str | None = None) -> str:
        return self.of.words(metric)

    @property
    def in_unit(self) -> str:
        return UNITS[self.about]

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

        def interval(confidence: float) -> Interval:
            return index_correlation(frames, confidence) if self.about == "index" else self._chosen(frames, confidence)

        what = self._words(frames)
        if self.claimed == "at_chance":
            return equivalence_rule(pooling.equivalence(interval, delta or 0.0), delta or 0.0, self.in_unit, what)
        found = interval(pooling.CONFIDENCE)
        ruling = by_interval(found, "above", 0.0, delta, self.in_unit, what)
        if found.low is not None and found.low == found.high:
            return replace(ruling, reason=f"{ruling.reason} {not_excluded(len(frames))}")
        return ruling

    def _chosen(self, frames: Sequence[pl.DataFrame], confidence: float) -> Interval:
        if not frames:
            return pooling.agreement([], 2, self.tolerance, confidence)
        key = ["layer"] if self.about == "layer" else ["layer", "head"]
        places = list(frames[0].select(key).unique().sort(key).iter_rows())
        tops = [places.index(frame.row(frame["value"].arg_max() or 0, named=False)[: len(key)]) for frame in frames]
        return pooling.agreement(tops, len(places), self.tolerance, confidence)

    def _words(self, frames: Sequence[pl.DataFrame]) -> str:
        if self.about == "index":
            return f"Correlation by head index over the pairs of {counted(len(frames), 'training run')}"
        tops = [frame.row(frame["value"].arg_max() or 0) for frame in frames]
        layers = ", ".join(str(top[0]) for top in tops)
        within = f" within {self.tolerance} layers" if self.tolerance else ""
        return (
            f"Top heads of {counted(len(frames), 'training run')} in layers {layers}; agreement{within} beyond chance"
        )


def index_correlation(frames: Sequence[pl.DataFrame], confidence: float = pooling.CONFIDENCE) -> Interval:
    """Mean Pearson correlation over pairs of runs of the heads' scores, layer means removed; jackknife over runs.

    Args:
        frames: one per run, rows of the same heads in the same order, with columns layer and value. Layers of a single
            head say nothing and are left out.
    """
    scores = np.array([_without_layer_means(frame) for frame in frames])
    if len(frames) < 2:
        return Interval(None, None, None, len(frames), "jackknife over units", confidence, "there are no pairs of runs")
    if scores.shape[1] < 3 or (np.ptp(scores, axis=1) == 0).any():
        reason = "fewer than three heads in layers of several, or no spread among them"
        return Interval(None, None, None, len(frames), "jackknife over units", confidence, reason)
    correlations = np.corrcoef(scores)

    def mean_of_pairs(kept: NDArray[np.intp]) -> float:
        part = correlations[np.ix_(kept, kept)]
        return float((part.sum() - np.trace(part)) / (kept.size * (kept.size - 1)))

    return pooling.jackknife(mean_of_pairs, len(frames), confidence)


def _without_layer_means(frame: pl.DataFrame) -> NDArray[np.float64]:
    several = frame.filter(pl.len().over("layer") > 1)
    return several.select(pl.col("value") - pl.col("value").mean().over("layer"))["value"].to_numpy()
