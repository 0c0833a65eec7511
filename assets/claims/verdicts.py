"""The rules that turn outcomes and estimates of units into verdicts. Pure functions: numbers in, rulings out.

Units are training runs in a model, models in a family, families across. A 0/1 outcome is counted, never averaged: the
t interval of five such outcomes covers 41 % where it says 95.

Here: which interval or count decides what. Not here: the intervals (statistics/pooling.py), which units there are
(gates.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any, Literal

from assets.claims.outcomes import DECIDED, Outcome, Ruling, Verdict
from assets.claims.statistics import pooling
from assets.claims.statistics.pooling import Interval

Direction = Literal["above", "below", "within"]
MAJORITY = 0.5
"""A claim about every unit needs the one-sided 95 % lower bound of its share above this."""
MORE_UNITS_SHOWN = 60
UNITS_TO_GENERALISE = 2
"""Decided models that a family's verdict needs."""


def side(
    estimate: float, low: float | None, high: float | None, direction: Direction, threshold: float
) -> tuple[Outcome, str]:
    """One run against a threshold: h if its interval lies on the claimed side, f on the other, u else, with the reason.

    Without an interval the point value decides, and the reason says so. `within` claims |value| < threshold.
    """
    flag = ""
    if low is None or high is None:
        low = high = estimate
        flag = " (no standard error: the point value decides)"
    said = f"{number(estimate)} [{number(low)}, {number(high)}]" if not flag else number(estimate)
    if direction == "within":
        holds, fails = -threshold < low and high < threshold, low > threshold or high < -threshold
        claimed = f"within {number(threshold)} of 0"
    elif direction == "above":
        holds, fails = low > threshold, high < threshold
        claimed = f"above {number(threshold)}"
    else:
        holds, fails = high < threshold, low > threshold
        claimed = f"below {number(threshold)}"
    if flag and not holds:
        fails = True
    outcome: Outcome = "h" if holds else "f" if fails else "u"
    words = {"h": f"is {claimed}", "f": f"is not {claimed}", "u": f"may or may not be {claimed}"}
    return outcome, f"{said} {words[outcome]}{flag}"


def in_every(n_h: int, n_f: int, n_u: int, noun: str = "training run") -> Ruling:
    """The rule for a claim about every unit: the estimate is the share of units on which it holds.

    Holds: no unit fails, and the one-sided Clopper-Pearson lower bound of h/n, u counted against, is above one half.
    Fails: the mirror. Mixed: at least one of each. Otherwise inconclusive.
    """
    n = n_h + n_f + n_u
    share = pooling.share_interval(n_h, n)
    verdict: Verdict = "inconclusive"
    if n_h and n_f:
        verdict = "mixed"
    elif not n_f and lower_bound(n_h, n) > MAJORITY:
        verdict = "holds"
    elif not n_h and lower_bound(n_f, n) > MAJORITY:
        verdict = "fails"
    more = {
        "holds": f"not excluded: exceptions in up to {percent(1 - lower_bound(n_h, n))}",
        "fails": f"not excluded: that it holds in up to {percent(1 - lower_bound(n_f, n))}",
        "mixed": f"so it is not true of every {noun}, nor false of every one",
        "inconclusive": "too few are decided to speak of most" if n_h + n_f else "none of them can be decided",
    }[verdict]
    return Ruling(
        verdict,
        f"{_counts(n_h, n_f, n_u, noun)}; {more}.",
        share.estimate,
        share.low,
        share.high,
        n_h=n_h,
        n_f=n_f,
        n_u=n_u,
        unit=f"share of {plural(noun)}",
        flips=_flips_of_counts(verdict, n_h, n_f, n_u, noun),
        weights=tuple(1 / n for _ in range(n)),
    )


@cache
def lower_bound(successes: int, n: int) -> float:
    """One-sided 95 % Clopper-Pearson lower bound of a share; 0 without units."""
    return pooling.share_interval(successes, n, side="lower").low or 0.0


def _counts(n_h: int, n_f: int, n_u: int, noun: str) -> str:
    n = n_h + n_f + n_u
    for count, word in ((n_h, "Holds"), (n_f, "Fails")):
        if count == n:
            return f"{word} in the one {noun}" if n == 1 else f"{word} in all {n} {plural(noun)}"
    parts = [f"fails in {n_f}"] * bool(n_f) + [f"undecided in {n_u}"] * bool(n_u)
    return f"Holds in {n_h} of {n} {plural(noun)} ({', '.join(parts)})"


def _flips_of_counts(verdict: Verdict, n_h: int, n_f: int, n_u: int, noun: str) -> tuple[dict[str, Any], ...]:
    if verdict == "holds":
        return ({"when": f"one {noun} in which it fails", "becomes": "mixed"},)
    if verdict == "fails":
        return ({"when": f"one {noun} in which it holds", "becomes": "mixed"},)
    if verdict == "mixed":
        return ()
    n = n_h + n_f + n_u
    found = []
    for word, has, against in (("holds", n_h, n_f), ("fails", n_f, n_h)):
        enough = (m for m in range(1, MORE_UNITS_SHOWN + 1) if lower_bound(has + m, n + m) > MAJORITY)
        more = None if against else next(enough, None)
        if more:
            found.append({"when": f"{counted(more, f'more {noun}')} in which it {word}", "becomes": word})
    return tuple(found)


def mean_rule(
    values: Sequence[float],
    variances: Sequence[float] | None,
    direction: Literal["above", "below"],
    threshold: float,
    delta: float | None,
    unit: str,
) -> Ruling:
    """A claim about the mean over runs: holds if its interval lies on the claimed side of the threshold.

    Fails on the other side; for a threshold of 0 also if all of the interval is nearer to 0 than delta, the smallest
    effect of interest.
    """
    pooled = pooling.pool(values, variances)
    ruling = by_interval(pooled.mean, direction, threshold, delta, unit, f"Mean over {len(values)} training runs")
    return _with_spread(ruling, pooled)


def _with_spread(ruling: Ruling, pooled: pooling.Pooled) -> Ruling:
    return replace(
        ruling,
        pi_low=pooled.prediction.low,
        pi_high=pooled.prediction.high,
        tau=pooled.tau,
        weights=pooled.weights,
    )


def by_interval(
    interval: Interval,
    direction: Literal["above", "below"],
    threshold: float,
    delta: float | None,
    unit: str,
    what: str,
) -> Ruling:
    """An estimate with an interval against a threshold (mean, agreement, association)."""
    sign = 1 if direction == "above" else -1
    near_zero = delta is not None and threshold == 0
    limit = sign * delta if near_zero and delta is not None else threshold
    claimed, opposed = interval.above, interval.below
    if sign < 0:
        claimed, opposed = opposed, claimed
    verdict: Verdict = "fails" if opposed(limit) else "holds" if claimed(threshold) else "inconclusive"
    if interval.estimate is None:
        return Ruling("inconclusive", f"{what}: {interval.reason}.", unit=unit)
    where = {
        "holds": f"{direction} {number(threshold)}",
        "fails": f"not {direction} {number(threshold)}" + (f" by as much as {number(abs(limit))}" if near_zero else ""),
        "inconclusive": f"which does not tell whether it is {direction} {number(threshold)}",
    }[verdict]
    return Ruling(
        verdict,
        f"{what}: {spelled(interval)}, {where}.",
        interval.estimate,
        interval.low,
        interval.high,
        unit=unit,
        flips=_flips_of_interval(verdict, interval, direction, threshold, limit),
    )


def _flips_of_interval(
    verdict: Verdict, interval: Interval, direction: str, threshold: float, limit: float
) -> tuple[dict[str, Any], ...]:
    if verdict == "inconclusive":
        other = "below" if direction == "above" else "above"
        return (
            {"when": f"more units that bring the interval {direction} {number(threshold)}", "becomes": "holds"},
            {"when": f"more units that bring the interval {other} {number(limit)}", "becomes": "fails"},
        )
    if interval.low == interval.high:
        return ()
    ends = (interval.low, interval.high) if direction == "above" else (interval.high, interval.low)
    side_of = direction if verdict == "holds" else {"above": "below", "below": "above"}[direction]
    return ({"when": f"a threshold {side_of} {number(ends[verdict == 'fails'])}", "becomes": "inconclusive"},)


def not_excluded(n: int) -> str:
    """What n units that are all alike leave open, as a sentence."""
    return f"Not excluded: that up to {percent(1 - lower_bound(n, n))} of further ones differ."


def equivalence_rule(found: pooling.Equivalence, delta: float, unit: str, what: str) -> Ruling:
    """An estimate claimed to be as good as 0: 90 % interval inside +-delta, holds; 95 % interval outside, fails."""
    shown = found.narrow if found.decision != "fails" else found.wide
    if shown.estimate is None:
        return Ruling("inconclusive", f"{what}: {shown.reason}.", unit=unit)
    where = {
        "holds": f"within {number(delta)} of 0 (equivalence)",
        "fails": f"further than {number(delta)} from 0",
        "inconclusive": f"not within {number(delta)} of 0, nor clearly outside (equivalence)",
    }[found.decision]
    return Ruling(
        found.decision,
        f"{what}: {spelled(shown)}, {where}.",
        shown.estimate,
        shown.low,
        shown.high,
        unit=unit,
        flips=_flips_of_equivalence(found, delta),
    )


def _flips_of_equivalence(found: pooling.Equivalence, delta: float) -> tuple[dict[str, Any], ...]:
    if found.narrow.low is None or found.narrow.high is None or found.decision == "fails":
        return ()
    reach = max(abs(found.narrow.low), abs(found.narrow.high))
    becomes = "holds" if found.decision == "inconclusive" else "inconclusive"
    sign = "above" if becomes == "holds" else "below"
    return ({"when": f"a smallest effect of interest {sign} {number(reach)}", "becomes": becomes},)


def family_rule(verdicts: Mapping[str, Verdict]) -> Ruling:
    """A family by its models: all decided ones hold, or all fail, or some of each; fewer than two decided, no verdict.

    Args:
        verdicts: by unit (a model, or the models of one parent), of those that had enough runs. A mixed one is some of
            each by itself; n_u counts it with the undecided, so that counts add up to the units.
    """
    named = {word: [name for name, v in verdicts.items() if v == word] for word in (*DECIDED, "inconclusive")}
    holding, failing, mixed = (len(named[word]) for word in DECIDED)
    decided = holding + failing + mixed
    verdict: Verdict = "inconclusive"
    if decided >= UNITS_TO_GENERALISE:
        verdict = "mixed" if mixed or (holding and failing) else "holds" if holding else "fails"
    share = pooling.share_interval(holding, decided)
    said = {"holds": "holds in", "fails": "fails in", "mixed": "mixed in", "inconclusive": "inconclusive in"}
    told = "; ".join(f"{said[word]} {', '.join(names)}" for word, names in named.items() if names)
    return Ruling(
        verdict,
        f"{decided} of {counted(len(verdicts), 'model')} decided: {told}.",
        share.estimate,
        share.low,
        share.high,
        n_h=holding,
        n_f=failing,
        n_u=len(verdicts) - holding - failing,
        unit="share of models",
        flips=_flips_of_models(verdict, decided),
    )


def _flips_of_models(verdict: Verdict, decided: int) -> tuple[dict[str, Any], ...]:
    if verdict in ("holds", "fails"):
        return ({"when": f"one model in which it {'fails' if verdict == 'holds' else 'holds'}", "becomes": "mixed"},)
    if verdict == "mixed" or decided:
        return ()
    return tuple({"when": f"two more models in which it {word}", "becomes": word} for word in ("holds", "fails"))


def vote(decided: Sequence[str]) -> Literal["h", "f", "m"] | None:
    """A family's vote: h or f where all its decided units agree, m where they do not; None without any.

    Args:
        decided: verdicts of models, or outcomes h and f of runs where no model is decided.
    """
    words = {"holds": {"h"}, "h": {"h"}, "fails": {"f"}, "f": {"f"}, "mixed": {"h", "f"}}
    found = set().union(*(words[word] for word in decided)) if decided else set()
    return None if not found else "m" if len(found) == 2 else "h" if "h" in found else "f"


def votes_rule(votes: Mapping[str, Literal["h", "f", "m"]]) -> Ruling:
    """The in-every rule on the votes of families; one that disagrees inside (m) is some of each by itself."""
    cast = Counter(votes.values())
    ruling = in_every(cast["h"], cast["f"], cast["m"], "family")
    mixed = bool(cast["m"]) or ruling.verdict == "mixed"
    if mixed:
        counts = {"holds": cast["h"], "fails": cast["f"], "is mixed": cast["m"]}
        parts = [f"{word} in {n}" for word, n in counts.items() if n]
        said = f"Of {counted(len(votes), 'family')}, it {', '.join(parts)}."
    elif votes:
        said = f"{len(votes)} of {len(votes)} agree: it {'holds' if cast['h'] else 'fails'}."
    else:
        said = "No family votes."
    verdict: Verdict = "mixed" if mixed else ruling.verdict
    return replace(ruling, verdict=verdict, reason=said, flips=() if mixed else ruling.flips)


def plural(noun: str) -> str:
    return noun[:-1] + "ies" if noun.endswith("y") else noun + "s"


def counted(n: int, noun: str) -> str:
    """`1 model`, `2 models`."""
    return f"{n} {noun if n == 1 else plural(noun)}"


def number(value: float | None) -> str:
    """Three significant digits."""
    return "?" if value is None else f"{value:.3g}"


def percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def spelled(interval: Interval) -> str:
    """Estimate and interval in words: `0.276 (95 % interval 0.04 to 0.51)`."""
    if interval.estimate is None:
        return interval.reason or "no estimate"
    if interval.low is None or interval.high is None:
        return f"{number(interval.estimate)} (no interval: {interval.reason})"
    ends = f"{number(interval.low)} to {number(interval.high)}"
    return f"{number(interval.estimate)} ({percent(interval.confidence)} interval {ends})"
