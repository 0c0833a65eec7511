"""What would have been said when each model came out: the verdicts on the models released by each day.

With today's measurements, instruments and criteria: only the models come one after another, in the order of
`models.released_on`. Natural families alone, since others are no evidence beyond themselves. Models of one day come
together, and a model comes with all its training runs. Models without a date are left out, and the verdicts say so.

Here: families of which a model came out on the day, the models themselves, and across. A family without a new model
keeps its verdict. Not here: what was known by a day (by_knowledge.py).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from assets.analyses.conditions import evaluation_under
from assets.analyses.registry import Analysis, Situation
from assets.claims.decide import Rows, verdict_row
from assets.claims.judging import Judged, Judging
from assets.claims.schema import Claim
from assets.claims.subjects import Subjects


class ByRelease(Analysis):
    """Verdicts by release date."""

    name = "by_release"
    tables = ("evaluations", "verdicts")

    def rows(self, situation: Situation) -> Mapping[str, Rows]:
        subjects = situation.material.subjects
        days = releases(subjects)
        evaluations = {day: evaluation_under(situation, "released_by", day.isoformat()) for day, _ in days}
        verdicts: Rows = []
        for claim in situation.claims:
            for day, judged in _decided(claim, situation, days):
                row = verdict_row(evaluations[day]["evaluation_id"], claim, judged, situation.material)
                verdicts.append(_told_of_undated(row, subjects))
        return {"evaluations": list(evaluations.values()), "verdicts": verdicts}


def releases(subjects: Subjects) -> list[tuple[dt.date, list[str]]]:
    """The days on which natural models came out, in their order, with these models."""
    dated = [
        (model["released_on"], model_id)
        for model_id, model in subjects.models.items()
        if model["released_on"] and subjects.roles[model["family_id"]] == "natural"
    ]
    return [(day, [model_id for _, model_id in same]) for day, same in groupby(sorted(dated), lambda pair: pair[0])]


def _decided(
    claim: Claim, situation: Situation, days: Sequence[tuple[dt.date, list[str]]]
) -> Iterable[tuple[dt.date, Judged]]:
    """Verdicts day by day. They are worked out backwards, so that each day leaves out models of the one after it."""
    material = situation.material
    judging = Judging(claim, claim.estimand, material.subjects, material.evidence, material.faults)
    found: list[tuple[dt.date, Judged]] = []
    for i in reversed(range(len(days))):
        day, came_out = days[i]
        judging = judging.among({model_id for _, models in days[: i + 1] for model_id in models})
        new = {*came_out, *(material.subjects.models[m]["family_id"] for m in came_out), "all"}
        judged = judging.all(("model", "family", "across"))
        found[:0] = [(day, each) for each in judged if each.subject in new]
    return found


def _told_of_undated(row: dict[str, Any], subjects: Subjects) -> dict[str, Any]:
    """The verdict with a sentence about the models that it leaves out since nobody knows when they came out."""
    families = subjects.natural if row["level"] == "across" else [row["subject"]] if row["level"] == "family" else []
    undated = [m for family in families for m in subjects.models_of(family) if not subjects.models[m]["released_on"]]
    if not undated:
        return row
    return {**row, "reason": f"{row['reason']} Left out, as their release dates are not known: {', '.join(undated)}."}


ANALYSIS = ByRelease()
