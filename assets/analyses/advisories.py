"""What each advisory in force does to the verdicts: they are decided again with the values that it makes suspect, which
evidence leaves out, or, where it only informs, without the values that it concerns.

Only claims that read such values, and of their verdicts those on the models and families concerned and beyond. Values
that another advisory makes suspect too stay out. Not here: which probe runs an advisory concerns (the view
`advised_probe_runs`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import duckdb

from assets.analyses.conditions import decided_under, evaluation_under
from assets.analyses.registry import Analysis, Situation
from assets.claims.decide import Rows, metrics_of, read_material
from assets.claims.judging import Judged

ADVISED = "SELECT DISTINCT advisory_id, suspect FROM advised_probe_runs ORDER BY advisory_id"
CONCERNED = """
SELECT DISTINCT e.metric_id, e.model_id, e.family_id, e.role
FROM {evidence} AS e
JOIN advised_probe_runs AS a ON a.probe_run_id = e.probe_run_id AND a.advisory_id = $advisory
"""


class Advisories(Analysis):
    """The difference that each advisory makes."""

    name = "advisories"
    tables = ("evaluations", "verdicts")

    def rows(self, situation: Situation) -> Mapping[str, Rows]:
        evaluations: Rows = []
        verdicts: Rows = []
        for advisory, suspect in situation.connection.execute(ADVISED).fetchall():
            counted = f"evidence_under(with_advisory := '{advisory}')" if suspect else "evidence"
            concerned = _concerned(situation.connection, advisory, counted)
            claims = [claim for claim in situation.claims if concerned.metrics & set(metrics_of([claim]))]
            if claims:
                other = counted if suspect else f"evidence_under(without_advisory := '{advisory}')"
                material = read_material(situation.connection, claims, other)
                evaluations.append(evaluation_under(situation, "with" if suspect else "without", advisory))
                verdicts.extend(decided_under(evaluations[-1]["evaluation_id"], claims, material, concerned.by))
        return {"evaluations": evaluations, "verdicts": verdicts}


@dataclass(frozen=True)
class Concerned:
    """What the values that an advisory concerns are about: metrics, models, and families, the natural ones apart."""

    metrics: frozenset[str]
    models: frozenset[str]
    families: frozenset[str]
    natural: frozenset[str]

    def by(self, judged: Judged) -> bool:
        """Whether the verdict is about one of them, or about all natural families."""
        if judged.level == "across":
            return bool(self.natural)
        return judged.level not in ("model", "family") or judged.subject in self.models | self.families


def _concerned(connection: duckdb.DuckDBPyConnection, advisory: str, evidence: str) -> Concerned:
    rows = connection.execute(CONCERNED.format(evidence=evidence), {"advisory": advisory}).fetchall()
    metrics, models, families, _ = (
        (frozenset(column) for column in zip(*rows, strict=True)) if rows else [frozenset()] * 4
    )
    return Concerned(metrics, models, families, frozenset(family for *_, family, role in rows if role == "natural"))


ANALYSIS = Advisories()
