"""To which class does an instance belong? For each claim the class of models for which it holds, and who is in it.

Units are the models of natural families that the claim was decided on, those of one parent being one: what we trained
to show or to lack a thing is no evidence of where the thing is found. A claim that holds in some training runs of a
model only (mixed) does not hold in that model. A class is identifiable with UNITS_NEEDED units and a p of P_NEEDED at
most.

Here: units, rows and their reasons. Not here: the search (separation.py); what is expected of a model, which is the
view `model_classes`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from assets.analyses.registry import Analysis, Situation
from assets.analyses.separation import DEFINING, Alias, Search, Unit
from assets.claims.decide import Rows
from assets.claims.outcomes import DECIDED
from assets.claims.schema import Claim
from assets.claims.subjects import OF_RUNS, Subjects
from assets.claims.verdicts import counted, plural

UNITS_NEEDED = 8
P_NEEDED = 0.05


@dataclass(frozen=True)
class Found:
    """What the search came to for one claim.

    Attributes:
        aliases: the best predicates; none where there is nothing to find.
        p: of the separation, None without one.
        reason: what it means, in a sentence or two.
    """

    search: Search
    aliases: list[Alias]
    p: float | None
    reason: str

    @property
    def identifiable(self) -> bool:
        return self.p is not None and self.p <= P_NEEDED and len(self.search.units) >= UNITS_NEEDED


class ReferenceClasses(Analysis):
    name: ClassVar[str] = "reference_classes"
    tables: ClassVar[tuple[str, ...]] = ("reference_classes", "class_members")

    def rows(self, situation: Situation) -> Mapping[str, Rows]:
        subjects = situation.material.subjects
        classes: Rows = []
        members: Rows = []
        for claim in situation.claims:
            if claim.about == "model" and "model" in claim.levels:
                verdicts = {
                    row["subject"]: row["verdict"]
                    for row in situation.decisions.verdicts
                    if row["claim_id"] == claim.id and row["level"] == "model"
                }
                found = find(*units_of(subjects, verdicts))
                key = {
                    "evaluation_id": situation.evaluation_id,
                    "claim_id": claim.id,
                    "claim_version": claim.version,
                }
                classes += [{**key, **row} for row in _class_rows(found)]
                members += [{**key, **row} for row in _member_rows(claim, found, subjects)]
        return {"reference_classes": classes, "class_members": members}


ANALYSIS = ReferenceClasses()


def units_of(subjects: Subjects, verdicts: Mapping[str, str]) -> tuple[list[Unit], int]:
    """The decided units, and how many were left out since their models disagree.

    Args:
        verdicts: by model_id.
    """
    together: dict[str, list[str]] = {}
    for model_id, verdict in sorted(verdicts.items()):
        if verdict in DECIDED and subjects.models[model_id]["role"] == "natural":
            together.setdefault(subjects.unit_of(model_id), []).append(model_id)
    units = []
    for name, model_ids in together.items():
        holds = {verdicts[model_id] == "holds" for model_id in model_ids}
        if len(holds) == 1:
            models = [subjects.models[model_id] for model_id in model_ids]
            units.append(Unit(name, models[0]["family_id"], holds.pop(), _shared(models)))
    return units, len(together) - len(units)


def _shared(models: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The properties that are known and in which the models of a unit agree."""
    values = {name: {m[name] for m in models if m.get(name) is not None} for name in DEFINING}
    return {name: found.pop() for name, found in values.items() if len(found) == 1}


def find(units: Sequence[Unit], n_disagreeing: int = 0) -> Found:
    """The classes that tell the units apart, with the sentence on what they are worth."""
    search = Search(units)
    n, n_holds = len(units), int(search.holds.sum())
    left = f" Left out: {counted(n_disagreeing, 'unit')} whose own models disagree." if n_disagreeing else ""
    if n_holds in (0, n):
        return Found(search, [], None, f"{_all_alike(n, n_holds)}{left}")
    aliases = search.aliases()
    if not aliases:
        told = f"No one or two comparisons tell {counted(n, 'model')} apart better than to take all or none of them."
        return Found(search, [], None, f"{told}{left}")
    p = search.p()
    return Found(search, aliases, p, f"{_told(search, aliases, p)}{left}")


def _all_alike(n: int, n_holds: int) -> str:
    if not n:
        return "No model of a natural family has a verdict on it yet."
    if n == 1:
        return f"It {'holds' if n_holds else 'does not hold'} in the one decided natural model: nothing to tell apart."
    return f"It holds in {'each' if n_holds else 'none'} of {n} decided natural models: there is nothing to tell apart."


def _told(search: Search, aliases: Sequence[Alias], p: float) -> str:
    n = len(search.units)
    wrong = " or ".join(str(k or "none") for k in sorted({alias.n_wrong for alias in aliases}))
    families = len({unit.family for unit in search.units})
    parts = [
        f"{counted(n, 'model')} of {counted(families, 'family')} told apart with "
        f"{wrong} on the wrong side, by {_as_many(len(aliases))}.",
        f"Luck does it as well in {_percent(p)} of random assignments of these verdicts.",
    ]
    lacking = [f"{UNITS_NEEDED} models are needed"] if n < UNITS_NEEDED else []
    lacking += [f"luck must do it in {_percent(P_NEEDED)} at most"] if p > P_NEEDED else []
    return " ".join([f"Not identifiable: {' and '.join(lacking)}."] * bool(lacking) + parts)


def _as_many(n: int) -> str:
    return "this predicate alone" if n == 1 else f"{n} {plural('predicate')} equally well"


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %" if share < 1 else "100 %"


def _class_rows(found: Found) -> Iterable[dict[str, Any]]:
    """A row per alias; where there is none, one with an empty predicate that takes all units in."""
    n = len(found.search.units)
    for alias in found.aliases:
        yield {
            "predicate": str(alias.predicate),
            "n_in": alias.n_in,
            "n_out": alias.n_out,
            "n_wrong": alias.n_wrong,
            "p_separation": found.p,
            "identifiable": found.identifiable,
            "reason": found.reason,
        }
    if not found.aliases:
        yield {
            "predicate": "",
            "n_in": n,
            "n_out": 0,
            "n_wrong": n - int(found.search.holds.sum()),
            "p_separation": None,
            "identifiable": False,
            "reason": found.reason,
        }


def _member_rows(claim: Claim, found: Found, subjects: Subjects) -> Iterable[dict[str, Any]]:
    """Every model of the catalog, by the class claimed and by the class found."""
    for model_id, properties in subjects.models.items():
        placed = {found.search.place(alias.predicate, properties) for alias in found.aliases}
        yield {
            "model_id": model_id,
            "claimed": claim.predicate.evaluate({**properties, **dict.fromkeys(OF_RUNS, math.inf)}),
            "inside": placed.pop() if len(placed) == 1 else None,
        }
