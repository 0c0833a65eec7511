"""What a claim reads: which metric, of which variant, reduced how, as one number per training run.

A `Reading` is the part of a claim file that says so; an `Estimate` is what it gives for one run.

Here: the two, and the quantities of a run's trajectory. Not here: the rows and which variant is read (evidence.py), the
formulas for trajectories (summaries.py), what follows from the numbers (estimands/, verdicts.py).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from assets.claims.reading import summaries
from assets.claims.reading.summaries import Trajectory
from assets.study import Id, Strict

Scale = Literal["excess", "value", "above_chance"]
Summary = Literal["best_head", "top_k_mean", "sum_excess", "count_above", "single", "chosen", "mean"]
Parameter = bool | int | str
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
    "top_layer_kept",
]
FROM_THE_LAST = ("final", "top_layer", "relative_depth")
"""Read off the final checkpoint, so that a model of which only that one exists has them too."""
OF_ONE_HEAD = ("top_layer", "relative_depth", "top_head_kept", "top_layer_kept")
SUMMARIES: dict[str, tuple[Summary, ...]] = {
    "checkpoint": ("single",),
    "head": ("best_head", "top_k_mean", "sum_excess", "count_above", "chosen"),
    "head_set": ("single",),
    "edge": ("chosen", "mean"),
}
"""By a metric's grain, what one number can be made of its values; metrics of another grain are read by no claim."""

UNITS: dict[str, str] = {
    "drop_after_peak": "fall since the peak",
    "fall_from_plateau": "fall from the plateau",
    "slope": "per tenfold steps",
    "log10_onset_rate": "log10 steps",
    "top_layer": "layer",
    "relative_depth": "share of depth",
    "top_head_kept": "1 = same head",
    "top_layer_kept": "1 = same layer",
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
    "top_layer_kept": "the lasting layer of {what}",
}


class Reading(Strict):
    """One number per training run."""

    metrics: list[Id] = Field(min_length=1)
    """In order of preference; each run is read by the first that it has, never by a mixture."""
    parameters: dict[str, Parameter | Annotated[list[Parameter], Field(min_length=1)] | None] = Field(
        default_factory=dict
    )
    """Of the variant, where they must be as given; of several values likewise the first that the run has; null lifts a
    condition, for a specification."""
    stratum: str | Annotated[list[str], Field(min_length=1)] = ""
    """Of several likewise the first that the run has."""
    minus: Id | None = None
    """A placebo metric, subtracted head by head, of the same block length, repeats and BOS."""
    scale: Scale = "excess"
    split: Literal["whole", "halves"] = "whole"
    """halves: the head is chosen on one half of the sequences and read on the other."""
    summary: Summary = "best_head"
    """Of the heads of a checkpoint; `single` where the metric has one value per checkpoint or set of heads, `chosen`
    for the head or edge that `at` and `sender` name, `mean` over all edges measured."""
    at: Reading | None = Field(default=None, exclude_if=lambda other: other is None)
    """The head that this other reading finds best at the final checkpoint is read; of an edge, it is the receiver."""
    sender: Reading | None = Field(default=None, exclude_if=lambda other: other is None)
    """Of an edge, the sender, likewise. Receiver and sender are sought among the edges that were measured."""
    given: Reading | None = Field(default=None, exclude_if=lambda other: other is None)
    """Where this other reading is not formed (its formed_above), there is nothing to speak of here either."""
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
    """For top_head_kept and top_layer_kept: the step from which on the top head, its layer, must be the final one."""

    @model_validator(mode="after")
    def _fits_together(self) -> Reading:
        if self.quantity in OF_ONE_HEAD and self.summary != "best_head":
            raise ValueError(f"quantity {self.quantity} is about one head: summary must be best_head")
        if self.split == "halves" and (self.quantity not in FROM_THE_LAST or self.summary != "best_head"):
            raise ValueError("split: halves is for the best head at the final checkpoint")
        if self.quantity == "log10_onset_rate" and self.scale != "value":
            raise ValueError("log10_onset_rate is defined on scale: value (as published), not on the excess")
        return self

    @model_validator(mode="after")
    def _others_fit(self) -> Reading:
        if (self.summary == "chosen") != (self.at is not None):
            raise ValueError("summary: chosen and at: (the reading that chooses) go together")
        if self.sender and not self.at:
            raise ValueError("sender is of an edge, whose receiver at names")
        for name, other in (("at", self.at), ("sender", self.sender)):
            if other and (other.summary, other.quantity, other.split) != ("best_head", "final", "whole"):
                raise ValueError(f"{name} chooses the best head of the final checkpoint: leave out its summary")
        if self.given and self.given.formed_above is None:
            raise ValueError("given asks nothing without its formed_above")
        if self.ends_there and (self.quantity != "final" or self.split != "whole"):
            raise ValueError("at, given, mean and several strata are read at the final checkpoint, of all sequences")
        return self

    @property
    def ends_there(self) -> bool:
        """Whether it is of the final checkpoint alone, and by estimate() only (evidence.py)."""
        return self.summary in ("chosen", "mean") or self.given is not None or isinstance(self.stratum, list)

    @property
    def strata(self) -> list[str]:
        """The preferred first."""
        return self.stratum if isinstance(self.stratum, list) else [self.stratum]

    @property
    def all(self) -> dict[str, Reading]:
        """This reading and those inside it, by key below this one's."""
        inside = {"at": self.at, "sender": self.sender, "given": self.given}
        found = {"": self}
        for name, other in inside.items():
            found |= {f".{name}{key}": part for key, part in other.all.items()} if other else {}
        return found

    def rank(self, metric_id: str, parameters: Mapping[str, Any]) -> tuple[int, ...] | None:
        """Place of a metric and variant in the order of preference, 0 the first; None where it is not allowed."""
        if metric_id not in self.metrics:
            return None
        asked = {
            key: value if isinstance(value, list) else [value]
            for key, value in self.parameters.items()
            if value is not None
        }
        if any(parameters.get(key) not in values for key, values in asked.items()):
            return None
        return self.metrics.index(metric_id), *(values.index(parameters[key]) for key, values in asked.items())

    @property
    def unit(self) -> str:
        """The quantity's unit; of values as they are, the name of the metric where there is one."""
        scale = self.metrics[0] if self.scale == "value" and len(self.metrics) == 1 else SCALES[self.scale]
        return UNITS.get(self.quantity, scale + (" minus placebo" if self.minus else ""))

    def words(self, metric: str | None = None) -> str:
        """What is read, as a part of a sentence; of the metrics that of this id, where it is known which was read."""
        return WORDS[self.quantity].format(what=self.what(metric))

    def what(self, metric: str | None = None) -> str:
        """The number per checkpoint, likewise."""
        what = metric or " or ".join(self.metrics)
        if any(self.strata):
            what += f" ({' or '.join(stratum or 'plain' for stratum in self.strata)})"
        what += f" minus {self.minus}" if self.minus else ""
        if self.at:
            receiver = f"the head with the best {_of(self.at)}"
            sender = f"from the one with the best {_of(self.sender)} " if self.sender else ""
            return f"the {what} {f'{sender}to' if sender else 'of'} {receiver}"
        heads = {"best_head": f"the best head's {what}", "top_k_mean": f"the mean {what} of the {self.k} best heads"}
        heads |= {
            "sum_excess": f"the summed {what}",
            "count_above": f"the number of heads past {self.past:g} in {what}",
            "mean": f"the mean {what} of all that were measured",
        }
        return heads.get(self.summary, what)

    def __copy__(self) -> Reading:
        """Without what was worked out of this one: a copy is made to differ."""
        made = super().__copy__()
        for name in ("scoring", "reducing", "text"):
            made.__dict__.pop(name, None)
        return made

    @cached_property
    def scoring(self) -> Reading:
        """The same scores of heads: equal for readings that differ only in what is made of them."""
        return Reading(
            metrics=self.metrics, parameters=self.parameters, stratum=self.stratum, minus=self.minus, scale=self.scale
        )

    @cached_property
    def reducing(self) -> Reading:
        """The same number per checkpoint: equal for readings that differ only in the quantity."""
        changed = {"quantity": "final", "formed_above": None, "since_step": 0, "split": "whole"}
        return self.model_copy(update=changed)

    @cached_property
    def text(self) -> str:
        return self.model_dump_json()

    def key(self) -> str:
        """Equal for equal readings."""
        return self.text


def _of(reading: Reading) -> str:
    """What a reading compares heads by."""
    return reading.model_copy(update={"summary": "single"}).what()


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
        "top_head_kept": lambda run: top_head_kept(run, reading.since_step, ("layer", "head")),
        "top_layer_kept": lambda run: top_head_kept(run, reading.since_step, ("layer",)),
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


def top_head_kept(run: Trajectory, since_step: int, by: Sequence[Literal["layer", "head"]]) -> summaries.Quantity:
    """1 where every checkpoint from `since_step` on has the final one's top head, equal in these numbers, else 0."""
    later = run.step >= since_step
    later[-1] = False
    if not later.any():
        return summaries.Quantity(None, f"no checkpoint between step {since_step} and the final one")
    same = all((getattr(run, name)[later] == getattr(run, name)[-1]).all() for name in by)
    return summaries.Quantity(float(same))
