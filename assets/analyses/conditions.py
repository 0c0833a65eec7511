"""Deciding the same claims again under a condition: the rows of `evaluations` and `verdicts` that come of it.

They stand beside the deciding as things stand, whose id begins theirs. Here: what all conditions share. Not here: the
conditions (by_release.py, by_knowledge.py, advisories.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, get_args

from assets.analyses.registry import Situation
from assets.claims.decide import Material, verdict_row
from assets.claims.judging import Judged, Judging
from assets.claims.schema import Claim, VerdictLevel
from catalog.record import canonical_json

ABOVE_RUNS = tuple(level for level in get_args(VerdictLevel) if level != "run")


def evaluation_under(situation: Situation, name: str, value: str) -> dict[str, Any]:
    """The row of `evaluations` for the condition `{name: value}`, without what it shares with the situation's."""
    return {
        "evaluation_id": f"{situation.evaluation_id}.{name.replace('_', '-')}-{value}",
        "condition": canonical_json({name: value}),
        "beside": situation.evaluation_id,
    }


def rests_on_something(judged: Judged) -> bool:
    """Whether some training run counted."""
    return bool(judged.included)


def decided_under(
    evaluation_id: str,
    claims: Sequence[Claim],
    material: Material,
    wanted: Callable[[Judged], bool] = rests_on_something,
) -> Iterator[dict[str, Any]]:
    """The wanted verdicts above runs, as rows of `verdicts`; without robustness, which is not examined here."""
    for claim in claims:
        judging = Judging(claim, claim.estimand, material.subjects, material.evidence, material.faults)
        for judged in judging.all(ABOVE_RUNS):
            if wanted(judged):
                yield verdict_row(evaluation_id, claim, judged, material)
