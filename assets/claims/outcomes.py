"""What is found out about one training run, and what is ruled about a set of them. Here: the two records, no rules."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Outcome = Literal["h", "f", "u"]
Verdict = Literal["holds", "fails", "mixed", "inconclusive", "insufficient", "not_applicable"]
DECIDED = ("holds", "fails", "mixed")
OPPOSITES: dict[str, str] = {"holds": "fails", "fails": "holds"}


@dataclass(frozen=True)
class RunOutcome:
    """One training run under one claim.

    Attributes:
        state: decided = it counts; missing = no measurement; undefined = the claim does not apply to it.
        outcome: h (holds), f (fails) or u (undecided); None where runs are not decided singly.
        low, high: 95 % interval over token sequences; for events, bounds, infinite where the event is censored.
        reason: why it came out so, or why it does not count, in words.
        no_placebo: whether the claim subtracts a placebo that the run was not measured with.
        second: what the estimate is to go together with, of an association.
    """

    run_id: str
    state: Literal["decided", "missing", "undefined"]
    outcome: Outcome | None = None
    estimate: float | None = None
    low: float | None = None
    high: float | None = None
    standard_error: float | None = None
    variant_id: str | None = None
    reason: str = ""
    no_placebo: bool = False
    second: float | None = None


@dataclass(frozen=True)
class Ruling:
    """A verdict with what it rests on; the columns of catalog table `verdicts` explain each field."""

    verdict: Verdict
    reason: str
    estimate: float | None = None
    low: float | None = None
    high: float | None = None
    pi_low: float | None = None
    pi_high: float | None = None
    tau: float | None = None
    n_h: int | None = None
    n_f: int | None = None
    n_u: int | None = None
    unit: str | None = None
    flips: tuple[dict[str, Any], ...] = ()
    """What would change the verdict: {"when": in words, "becomes": a verdict}."""
    standard_error: float | None = None
    """Of a family's estimate, by which it is pooled with others; None where it is not known."""
    weights: tuple[float, ...] = field(default=())
    """Of the units in a pooled estimate, in their order."""
