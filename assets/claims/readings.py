"""What a claim reads: which metric, of which variant, reduced how, as one number per training run.

A `Reading` is the part of a claim file that says so; an `Estimate` is what it gives for one run.

Here: the two, and the quantities of a run's trajectory. Not here: the rows and which variant is read (evidence.py), the
formulas for trajectories (summaries.py), what follows from the numbers (estimands/, verdicts.py).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

from pydantic import Field, model_validator

from assets.claims import summaries
from assets.claims.summaries import Trajectory
from assets.study import Id, Strict

Scale = Literal["excess", "value", "above_chance"]
Summary = Literal["best_head", "top_k_mean", "sum_excess", "count_above", "single"]
Name = Literal[
    "final",
    "peak",
    "drop_after_peak",
    "fall_from_plateau",
    "slope",
    "log10_onset_rate",
    "top_layer",
    "relative_depth",
    "top_head_kept",
]
FROM_THE_LAST = ("final", "top_layer", "relative_depth")
"""Read off the final checkpoint, so that a model of which only that one exists has them too."""
OF_ONE_HEAD = ("top_layer", "relative_depth", "top_head_kept")

UNITS: dict[str, str] = {
    "drop_after_peak": "fall since the peak",
    "fall_from_plateau": "fall from the plateau",
    "slope": "per tenfold steps",
    "log10_onset_rate": "log10 steps",
    "top_layer": "layer",
    "relative_depth": "share of depth",
    "top_head_kept": "1 = same head",
}
SCALES = {"excess": "excess over chance", "value": "value", "above_chance": "value minus chance"}
WORDS: dict[str, str] = {
    "final": "{what} at the final checkpoint",
    "peak": "the peak of {what}",
    "drop_after_peak": "the fall of {what} from its peak to the end",
    "fall_from_plateau": "the fall of {what} from its plateau to the end",
    "slope": "the rise of {what} per tenfold steps",
    "log10_onset_rate": "the onset (log10 steps) of {what}",
    "top_layer": "the layer of {what}",
    "relative_depth": "the relative depth of {what}",
    "top_head_kept": "the identity of {what}",
}


class Reading(Strict):
    """One number per training run."""

    metrics: list[Id] = Field(min_length=1)
    """In order of preference; each run is read by the first that it has, never by a mixture."""
    parameters: dict[str, bool | int | str | None] = Field(default_factory=dict)
    """Of the variant, where they must be as given; null lifts a condition, for a specification."""
    stratum: str = ""
    minus: Id | None = None
    """A placebo metric, subtracted head by head, of the same block length, repeats and BOS."""
    scale: Scale = "excess"
    split: Literal["whole", "halves"] = "whole"
    """halves: the head is chosen on one half of the sequences and read on the other."""
    summary: Summary = "best_head"
    """Of the heads of a checkpoint; `single` where the metric has one value per checkpoint."""
    k: int = Field(default=3, ge=2)
    """Heads in top_k_mean."""
    past: float = 0.3
    """Score that a head must pass in count_above."""
    quantity: Name = "final"
    """Of the checkpoints of a run."""
    formed_above: float | None = None
    """Without a summary above this (at the final checkpoint; for quantities over training, at the peak) there is
    nothing to speak of, and the claim does not apply to the run."""
    since_step: int = 0
    """For top_head_kept: the step from which on the top head must be the final one."""

    @model_validator(mode="after")
    def _fits_together(self) -> Reading:
        if self.quantity in OF_ONE_HEAD and self.summary != "best_head":
            raise ValueError(f"quantity {self.quantity} is about one head: summary must be best_head")
        if self.split == "halves" and (self.quantity not in FROM_THE_LAST or self.summary != "best_head"):
            raise ValueError("split: halves is for the best head at the final checkpoint")
        if self.quantity == "log10_onset_rate" and self.scale != "value":
            raise ValueError("log10_onset_rate is defined on scale: value (as published), not on the excess")
        return self

    @property
    def unit(self) -> str:
        return UNITS.get(self.quantity, SCALES[self.scale] + (" minus placebo" if self.minus else ""))

    def words(self, metric: str | None = None) -> str:
        """What is read, as a part of a sentence; of the metrics that of this id, where it is known which was read."""
        return WORDS[self.quantity].format(what=self.what(metric))

    def what(self, metric: str | None = None) -> str:
        """The number per checkpoint, likewise."""
        what = (metric or " or ".join(self.metrics)) + (f" minus {self.minus}" if self.minus else "")
        heads = {"best_head": f"the best head's {what}", "top_k_mean": f"the mean {what} of the {self.k} best heads"}
        heads |= {
            "sum_excess": f"the summed {what}",
            "count_above": f"the number of heads past {self.past:g} in {what}",
        }
        return heads.get(self.summary, what)

    @property
    def scoring(self) -> Reading:
        """The same scores of heads: equal for readings that differ only in what is made of them."""
        return Reading(
            metrics=self.metrics, parameters=self.parameters, stratum=self.stratum, minus=self.minus, scale=self.scale
        )

    @property
    def reducing(self) -> Reading:
        """The same number per checkpoint: equal for readings that differ only in the quantity."""
        changed = {"quantity": "final", "formed_above": None, "since_step": 0, "split": "whole"}
        return self.model_copy(update=changed)

    def key(self) -> str:
        return self.model_dump_json()


@dataclass(frozen=True)
class Estimate:
    """One reading of one run, or why there is none.

    Attributes:
        value: None where it can't be said.
        low, high: 95 % interval over token sequences; None without a standard error.
        variant_id: what was read; None where the run has no measurement of the kind.
        defined: False where the quantity has no meaning for the run, so that the claim does not apply to it.
        reason: why there is no value.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    standard_error: float | None = None
    variant_id: str | None = None
    defined: bool = True
    reason: str = ""


def over_training(reading: Reading, run: Trajectory, variant_id: str) -> Estimate:
    """A quantity of a run's trajectory; without an interval, since the checkpoints share their sequences."""
    absent = not_formed(reading, "peak", float(run.value.max()))
    if absent:
        return Estimate(None, variant_id=variant_id, defined=False, reason=absent)
    quantity = {
        "peak": summaries.peak,
        "drop_after_peak": summaries.drop_after_peak,
        "slope": summaries.slope,
        "fall_from_plateau": _fall_from_plateau,
        "log10_onset_rate": _log10_onset_rate,
        "top_head_kept": lambda run: top_head_kept(run, reading.since_step),
    }[reading.quantity](run)
    return Estimate(quantity.value, variant_id=variant_id, reason=quantity.reason)


def not_formed(reading: Reading, quantity: Name, value: float) -> str:
    """Why there is nothing to speak of in a run; empty where there is."""
    if reading.formed_above is None or value > reading.formed_above:
        return ""
    words = reading.model_copy(update={"quantity": quantity}).words()
    return f"{words} is {value:.3g}, not above {reading.formed_above:g}"


def _fall_from_plateau(run: Trajectory) -> summaries.Quantity:
    kept = summaries.persistence(run)
    return kept if kept.value is None else replace(kept, value=-kept.value)


def _log10_onset_rate(run: Trajectory) -> summaries.Quantity:
    onset = summaries.onset_rate(run)
    return onset if not onset.value else replace(onset, value=math.log10(onset.value))


def top_head_kept(run: Trajectory, since_step: int) -> summaries.Quantity:
    """1 where every checkpoint from `since_step` on has the final one's top head, else 0."""
    later = run.step >= since_step
    later[-1] = False
    if not later.any():
        return summaries.Quantity(None, f"no checkpoint between step {since_step} and the final one")
    same = (run.layer[later] == run.layer[-1]) & (run.head[later] == run.head[-1])
    return summaries.Quantity(float(same.all()))
