"""What stands beside a verdict and never changes it: would it be another under other choices, or without one unit?

Here: the three words, and the sentences. Not here: deciding again (decide.py does it with the claim's alternatives).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from assets.claims.outcomes import DECIDED, OPPOSITES, Verdict
from assets.claims.verdicts import counted

AGREEING = 0.8
"""Share of the specifications that must agree with a robust verdict."""
EXAMINED = (*DECIDED, "inconclusive")


def robustness(
    verdict: Verdict, specifications: Sequence[Verdict], without: Mapping[str, Verdict], no_placebo: bool = False
) -> Literal["robust", "sensitive", "fragile"] | None:
    """fragile: one unit less or one choice gives the opposite; robust: 80 % of the choices agree; else sensitive.

    None where nothing was examined: no verdict, or no choice under which there is one. What rests on runs without the
    placebo that the claim subtracts is never robust.
    """
    if verdict not in EXAMINED:
        return None
    if OPPOSITES.get(verdict, "none") in (*specifications, *without.values()):
        return "fragile"
    found = [other for other in specifications if other in EXAMINED]
    if not found:
        return None
    return "robust" if found.count(verdict) >= AGREEING * len(found) and not no_placebo else "sensitive"


def flips_without(verdict: Verdict, without: Mapping[str, Verdict]) -> list[dict[str, Any]]:
    """Which units carry the verdict: those without which it is another."""
    together: dict[str, list[str]] = {}
    for name, other in without.items():
        if other != verdict and other in EXAMINED:
            together.setdefault(other, []).append(name)
    return [
        {
            "when": f"without any one of {', '.join(names)}" if len(names) > 1 else f"without {names[0]}",
            "becomes": other,
        }
        for other, names in sorted(together.items())
    ]


def flips_by_choice(verdict: Verdict, single: Mapping[str, Verdict]) -> list[dict[str, Any]]:
    """Which single declared choices give another verdict.

    Args:
        single: by specification that differs from the claim in one dimension, the verdict under it.
    """
    return [
        {"when": f"with {name.replace('=', ': ')}", "becomes": other}
        for name, other in single.items()
        if other != verdict and other in EXAMINED
    ]


def told_of_thresholds(verdict: Verdict, single: Mapping[str, Verdict]) -> str:
    """How the verdict depends on the threshold, as a sentence; empty where it does not."""
    found = {name.removeprefix("threshold="): v for name, v in single.items() if name.startswith("threshold=")}
    if not any(other != verdict for other in found.values() if other in EXAMINED):
        return ""
    told = ", ".join(f"{label}: {other.replace('_', ' ')}" for label, other in found.items())
    return f" With other thresholds ({told})."


def told_of_placebo(n_without: int, n: int) -> str:
    """How many of the training runs were read without the placebo, as a sentence; empty where none was."""
    return f" No placebo in {n_without} of {counted(n, 'training run')}: the score alone." if n_without else ""
