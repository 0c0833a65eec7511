"""What the field could have said, from the values public by a day: for each day on which a source became public.

Published values count from the day on which their source became public, our own from the day of their recording.
Claims, rules and design properties are today's. A subject of which nothing was known has no row.

Not here: which models were out by a day (by_release.py), what this catalog said at a build (`verdicts_as_of`).
"""

from __future__ import annotations

from collections.abc import Mapping

from assets.analyses.conditions import decided_under, evaluation_under
from assets.analyses.registry import Analysis, Situation
from assets.claims.decide import Rows, read_material

DAYS = "SELECT DISTINCT known_on FROM probe_runs WHERE status = 'ok' AND known_on IS NOT NULL ORDER BY known_on"


class ByKnowledge(Analysis):
    """Verdicts by what was public."""

    name = "by_knowledge"
    tables = ("evaluations", "verdicts")

    def rows(self, situation: Situation) -> Mapping[str, Rows]:
        evaluations: Rows = []
        verdicts: Rows = []
        for (day,) in situation.connection.execute(DAYS).fetchall():
            known = f"evidence_under(known_by := DATE '{day}')"
            material = read_material(situation.connection, situation.claims, known)
            evaluations.append(evaluation_under(situation, "known_by", day.isoformat()))
            verdicts.extend(decided_under(evaluations[-1]["evaluation_id"], situation.claims, material))
        return {"evaluations": evaluations, "verdicts": verdicts}


ANALYSIS = ByKnowledge()
