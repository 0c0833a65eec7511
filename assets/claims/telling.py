"""What is said beside the numbers: why there is no verdict, and what the families behind one are a sample of.

Not here: the sentence of a rule (verdicts.py), what hangs on choices and single units (robustness.py).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from assets.claims.outcomes import Ruling, RunOutcome
from assets.claims.verdicts import counted

NOT_YET, NEVER = "Can't be decided yet", "Does not apply"
AS_TRAINED = ("float32", "float16", "bfloat16")


def convenience_sample(families: Sequence[str], behind: Sequence[Mapping[str, Any]], by_runs: Sequence[str]) -> str:
    """What the families that voted are a sample of.

    Args:
        behind: the design properties of each training run that counted.
        by_runs: the families of which single training runs voted.
    """
    said = [f"A convenience sample of {counted(len(families), 'family')} ({', '.join(families)})"]
    covers = []
    for name, label in (("organisation", "organisations"), ("attention", "attention")):
        found = sorted({str(p[name]) for p in behind if p[name] is not None})
        covers += [f"{label}: {', '.join(found)}"] if found else []
    sizes = [p["n_params"] for p in behind if p["n_params"]]
    years = [p["released_on"].year for p in behind if p["released_on"]]
    covers += [f"parameters: {_span([f'{size / 1e6:,.0f}M' for size in sorted(sizes)])}"] if sizes else []
    covers += [f"released: {_span([str(year) for year in sorted(years)])}"] if years else []
    said += [f"covering {'; '.join(covers)}"] if covers else []
    flagged = f" {', '.join(by_runs)} voted by single training runs." if by_runs else ""
    made = sorted({f"{p['model_id']} ({', '.join(how)})" for p in behind if (how := _made_of_another(p))})
    derived = f" Tuned or quantised, and no evidence on what it was made of: {', '.join(made)}." if made else ""
    return f"{', '.join(said)}.{flagged}{derived}"


def _made_of_another(properties: Mapping[str, Any]) -> list[str]:
    """How the model differs from the base model that it was made of, where it does."""
    tuning, precision = properties["tuning"], properties["precision"]
    return [how for how in (tuning, precision) if how and how not in ("base", *AS_TRAINED)]


def _span(rising: Sequence[str]) -> str:
    return rising[0] if rising[0] == rising[-1] else f"{rising[0]} to {rising[-1]}"


def too_few(ruling: Ruling, had: str) -> Ruling:
    """The same estimates, but no verdict on so few units."""
    flips = tuple(flip for flip in ruling.flips if "more" in flip["when"])
    return replace(ruling, verdict="insufficient", reason=f"Only {had}. {ruling.reason}", flips=flips)


def nothing(runs: Sequence[RunOutcome], others: Sequence[str] = ()) -> Ruling:
    """No unit counts: the claim does not apply (if it applies to none of the runs), or measurements are missing."""
    if not runs:
        return Ruling("insufficient", "There is no training run in the catalog.")
    applies = any(run.state != "undefined" for run in runs)
    told = list(others) or _reasons(runs)
    said = "; ".join(told)
    if applies:
        return Ruling("insufficient", f"{NOT_YET}: {said}.")
    return Ruling("not_applicable", f"{NEVER}: {said}.")


def _reasons(runs: Sequence[RunOutcome]) -> list[str]:
    """The three commonest reasons; those that differ in their numbers only are told by the first of them."""
    alike: dict[str, list[str]] = {}
    for run in runs:
        alike.setdefault(re.sub(r"\d[\d.e+-]*", "#", run.reason), []).append(run.reason)
    found = []
    for same in sorted(alike.values(), key=len, reverse=True)[:3]:
        of = "" if len(set(same)) == 1 else "the first of "
        found.append(same[0] if len(runs) == 1 else f"{same[0]} ({of}{counted(len(same), 'training run')})")
    return found


def reasons_of(rulings: Mapping[str, Ruling]) -> list[str]:
    """What kept each of these models from a verdict, the same reasons said once."""
    together: dict[str, list[str]] = {}
    for model_id, ruling in rulings.items():
        reason = ruling.reason.removeprefix(f"{NOT_YET}: ").removeprefix(f"{NEVER}: ")
        together.setdefault(reason.rstrip("."), []).append(model_id)
    return [f"{', '.join(names)}: {reason[:1].lower()}{reason[1:]}" for reason, names in list(together.items())[:3]]
