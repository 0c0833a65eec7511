"""When something happened in training, known only as the interval between two checkpoints.

    passed to stay    between the last checkpoint before the summary passes a threshold and the first one past it
    largest change    between the two neighbouring checkpoints with the largest rise or drop of the summary

Only an interval that later checkpoints confirm says when; the others are censored. Here: intervals of one training run,
and how two of them lie to each other. Not here: which event a claim asks for (events.py), intervals of several runs and
models (statistics/bounds.py, statistics/turnbull.py).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from assets.claims.outcomes import Outcome
from assets.claims.reading.summaries import Trajectory

Censoring = Literal["none", "left", "right", "unconfirmed"]
Clock = Literal["steps", "tokens"]


@dataclass(frozen=True)
class OnsetInterval:
    """When something happened in a training run: in (low, high], by steps and by tokens.

    none: between two checkpoints. left: already at the first one (low is None). right: never, or undone each time (low
    is the last checkpoint, high None). unconfirmed: only at the last one, which no later one confirms.
    """

    censoring: Censoring
    step_low: int | None
    step_high: int | None
    tokens_low: float | None
    tokens_high: float | None

    @property
    def steps(self) -> str:
        """`(256, 512]`, with an open end as `...`."""
        low, high = ("..." if end is None else str(end) for end in (self.step_low, self.step_high))
        return f"({low}, {high}]"

    def ends_before(self, other: OnsetInterval) -> bool:
        """Whether all of this interval lies before all of the other, by steps."""
        return self.step_high is not None and other.step_low is not None and self.step_high <= other.step_low

    def log10(self, clock: Clock = "steps") -> tuple[float, float] | None:
        """log10 of the earliest and the latest moment that the interval allows; None where the clock is not known.

        Earliest: one step after the checkpoint without it; -inf where it was there at the first checkpoint. Latest: inf
        where it was never seen, or only at the last checkpoint, since it may then have come later to stay.
        """
        steps = (self.step_low, self.step_high)
        low, high = steps if clock == "steps" else (self.tokens_low, self.tokens_high)
        if [low is None, high is None] != [end is None for end in steps]:
            return None
        one_step = 0.0
        if low is not None and high is not None:
            one_step = (high - low) / ((self.step_high or 0) - (self.step_low or 0))
        earliest = -math.inf if not (low or one_step) else math.log10((low or 0.0) + one_step)
        unseen = high is None or self.censoring == "unconfirmed"
        return earliest, math.inf if unseen else math.log10(max(high or 0.0, 1.0))


def onset_interval(run: Trajectory, threshold: float) -> OnsetInterval | None:
    """The first checkpoint whose value passes the threshold and is still past it at the next one; None without any.

    To be used on column `excess`.
    """
    if run.value.size == 0:
        return None
    past = run.value > threshold
    stays = past[:-1] & past[1:]
    last = run.value.size - 1
    if stays.any():
        first = int(np.argmax(stays))
        return _between(run, "none" if first else "left", first - 1 if first else None, first)
    if past[last]:
        return _between(run, "unconfirmed", last - 1 if last else None, last)
    return _between(run, "right", last, None)


def largest_change(run: Trajectory, change: Literal["rise", "drop"], least: float = 0.0) -> OnsetInterval | None:
    """Between which neighbouring checkpoints the value rose or dropped most, the first of equals; None without two.

    Right-censored where no change is larger than `least`: a flat run has a largest drop too, by noise.
    """
    if run.value.size < 2:
        return None
    change_by = np.diff(run.value) * (1 if change == "rise" else -1)
    at = int(np.argmax(change_by))
    last = run.value.size - 1
    if not change_by[at] > least:
        return _between(run, "right", last, None)
    return _between(run, "unconfirmed" if at + 1 == last else "none", at, at + 1)


def _between(run: Trajectory, censoring: Censoring, low: int | None, high: int | None) -> OnsetInterval:
    steps = [None if at is None else int(run.step[at]) for at in (low, high)]
    tokens = [None if at is None or np.isnan(run.tokens[at]) else float(run.tokens[at]) for at in (low, high)]
    return OnsetInterval(censoring, steps[0], steps[1], tokens[0], tokens[1])


def precedes(first: OnsetInterval, second: OnsetInterval) -> tuple[Outcome, str]:
    """Whether one event came before another in the same run: h yes, f the reverse, u undecided; with the reason.

    Of two that are not censored, decided only where the intervals are disjoint.
    """
    if first.steps == second.steps:
        return "u", f"both lie in the same interval {first.steps} of steps"
    if first.ends_before(second):
        return "h", f"steps {first.steps} before {second.steps}"
    if second.ends_before(first):
        return "f", f"steps {first.steps} after {second.steps}"
    return "u", f"the intervals {first.steps} and {second.steps} of steps overlap"


def coincides(first: OnsetInterval, second: OnsetInterval, factor: float | None = None) -> tuple[Outcome, str]:
    """Whether two events of a run, neither censored, came together: h yes, f apart, u undecided; with the reason.

    Without a factor: h in the same interval, f in disjoint ones, which they are the sooner the finer the grid. With
    one: h where the later step is at most so many times the earlier one wherever the two lie in their intervals, f
    where it is more wherever they lie.
    """
    intervals = f"steps {first.steps} and {second.steps}"
    if factor is None:
        if first.steps == second.steps:
            return "h", f"both lie in the same interval {first.steps} of steps"
        apart = first.ends_before(second) or second.ends_before(first)
        return ("f", f"{intervals} are disjoint") if apart else ("u", f"{intervals} overlap")
    (a_low, a_high), (b_low, b_high) = first.log10() or (-math.inf, math.inf), second.log10() or (-math.inf, math.inf)
    nearest, farthest = max(b_low - a_high, a_low - b_high, 0.0), max(b_high - a_low, a_high - b_low)
    between = f"{intervals}: a factor of {10**nearest:.3g} to {10**farthest:.3g} apart"
    if farthest <= math.log10(factor):
        return "h", between
    return ("f" if nearest > math.log10(factor) else "u"), between
