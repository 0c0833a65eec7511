"""What is wrong with a family's checkpoints: what the audit of their hub found, and what could not be measured.

Here: the two queries and how much of an answer is shown. Not here: advisories, which pages show beside the numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from reports.pages.facts import Row
from reports.query import Query

SHOWN = 20
"""Rows of a table that a page lists; the query beside it gives all."""
FINDINGS = {
    "identical": "the same bytes as another checkpoint",
    "missing": "no such revision",
    "no_weights": "no weights there",
    "differs_from_main": "the last checkpoint differs from the main branch",
}
"""What an audit's findings mean, by the catalog's word."""


def findings_query(family: str) -> Query:
    """What the last audit of each training run of a family found, alike findings of a run together."""
    return Query(
        """
SELECT a.run_id, m.model_id, a.finding, a.suspect, a.repository, a.audited_on, count(*) AS n_checkpoints,
    list(a.checkpoint_id ORDER BY a.checkpoint_id)[:4] AS examples, min(a.detail) AS detail
FROM current_audit_findings AS a
JOIN training_runs AS r ON r.run_id = a.run_id
JOIN models AS m ON m.model_id = r.model_id
WHERE m.family_id = $family
GROUP BY a.run_id, m.model_id, a.finding, a.suspect, a.repository, a.audited_on
ORDER BY a.suspect DESC, n_checkpoints DESC, a.run_id, a.finding""",
        {"family": family},
    )


def failed_query(family: str) -> Query:
    """Checkpoints of a family on which a probe failed last, those that have not succeeded since first."""
    return Query(
        """
SELECT f.checkpoint_id, r.run_id, r.model_id, f.probe, f.fault, f.reason, f.is_superseded
FROM failed_checkpoints AS f
JOIN checkpoints AS c ON c.checkpoint_id = f.checkpoint_id
JOIN training_runs AS r ON r.run_id = c.run_id
JOIN models AS m ON m.model_id = r.model_id
WHERE m.family_id = $family
ORDER BY f.is_superseded, f.checkpoint_id, f.probe, f.sample_seed""",
        {"family": family},
    )


@dataclass(frozen=True)
class Listed:
    """The first rows of a query's answer, and how many there are in all."""

    rows: list[Row]
    n: int
    query: Query


def findings_of(catalog: duckdb.DuckDBPyConnection, family: str) -> Listed:
    """What audits found in a family."""
    return _listed(catalog, findings_query(family))


def failed_of(catalog: duckdb.DuckDBPyConnection, family: str) -> Listed:
    """What failed in a family."""
    return _listed(catalog, failed_query(family))


def _listed(catalog: duckdb.DuckDBPyConnection, query: Query) -> Listed:
    rows = query.rows(catalog)
    return Listed(rows[:SHOWN], len(rows), query)
