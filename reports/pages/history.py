"""Verdicts over time on a page: when models came out, what moved and why, what advisories and other claims have to do
with it.

Here: the queries and how much is shown. Not here: deciding under a condition (assets/analyses).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import Any

import duckdb

from reports.charts import timeline
from reports.charts.figure import Figure
from reports.pages.facts import Row
from reports.query import Query
from reports.words import DECIDED, count

SHOWN = 12
"""Rows of a table that a page lists; the query beside it gives all."""


def releases_query(claim: str) -> Query:
    """What would have been said on each day on which a natural model came out."""
    return Query(
        """
SELECT released_by, came_out, level, subject, verdict, previous, reason
FROM verdicts_by_release
WHERE claim_id = $claim
ORDER BY released_by, level = 'across', level = 'family', subject""",
        {"claim": claim},
    )


def moves_query(claim: str) -> Query:
    """What this catalog said and says, the latest move first."""
    return Query(
        """
SELECT CAST(evaluated_at AS DATE) AS day, level, subject, previous, verdict, kind, cause
FROM verdict_changes
WHERE claim_id = $claim AND level <> 'run' AND kind <> 'first'
ORDER BY since_build DESC, kind, level, subject""",
        {"claim": claim},
    )


def effects_query(claim: str) -> Query:
    """Verdicts that an advisory changes."""
    return Query(
        """
SELECT advisory_id, suspect, level, subject, verdict_with, verdict_without, n_runs_with, n_runs_without
FROM advisory_effects
WHERE claim_id = $claim AND differs
ORDER BY advisory_id, level, subject""",
        {"claim": claim},
    )


def conflicts_query(claim: str) -> Query:
    """The claims that cannot be right together with this one, and what would tell."""
    return Query(
        """
SELECT if(c.claim_a = $claim, c.claim_b, c.claim_a) AS other, arg_max(o.statement, o.claim_version) AS statement,
    c.next_measurement, count(DISTINCT c.checkpoint_id) AS n_runs, min(c.reason) AS example
FROM conflicts AS c
JOIN current_evaluation AS e ON e.evaluation_id = c.evaluation_id
JOIN claims AS o ON o.claim_id = if(c.claim_a = $claim, c.claim_b, c.claim_a)
WHERE $claim IN (c.claim_a, c.claim_b)
GROUP BY other, c.next_measurement
ORDER BY other, c.next_measurement""",
        {"claim": claim},
    )


@dataclass(frozen=True)
class History:
    """What a claim's page says of time.

    Attributes:
        days: the day, the models that came out, and the verdicts on them, on their families and across.
        told: the days in a sentence.
        moves, effects, conflicts: rows of the queries; of moves the first ones.
        n_more: how many moves there are beside these.
        queries: by name of the table.
        timeline: the days as a chart.
    """

    days: list[dict[str, Any]]
    told: str
    moves: list[Row]
    n_more: int
    effects: list[Row]
    conflicts: list[Row]
    queries: dict[str, Query]
    timeline: Figure


def history_of(catalog: duckdb.DuckDBPyConnection, claim: str) -> History:
    """The history of one claim."""
    queries = {
        "releases": releases_query(claim),
        "moves": moves_query(claim),
        "effects": effects_query(claim),
        "conflicts": conflicts_query(claim),
    }
    rows = {name: query.rows(catalog) for name, query in queries.items()}
    spoken = [row for row in rows["releases"] if row["verdict"] != "not_applicable"]
    days = [
        {"day": day, "came_out": of_day[0]["came_out"] or [], "verdicts": of_day}
        for day, found in groupby(spoken, lambda row: row["released_by"])
        if (of_day := list(found))
    ]
    moves = rows["moves"]
    return History(
        days,
        _told(spoken, len(days)),
        moves[:SHOWN],
        max(0, len(moves) - SHOWN),
        rows["effects"],
        rows["conflicts"],
        queries,
        timeline.figure(spoken, queries["releases"]),
    )


def _told(rows: list[Row], n_days: int) -> str:
    moved = [row for row in rows if row["previous"] in DECIDED and row["verdict"] in DECIDED]
    moved = [row for row in moved if row["previous"] != row["verdict"]]
    said = f"Judged on the models that were out, with today's measurements: {count(n_days, 'day')} of release"
    if not moved:
        return f"{said}, on none of which a family's verdict, or the one across families, turned into another."
    last = moved[-1]
    subject = "across families" if last["level"] == "across" else f"on {last['subject']}"
    return f"{said}; verdicts turned {count(len(moved), 'time')}, last {subject} on {last['released_by']}."
