"""To which class does an instance belong: the models that a claim holds for, and the claims expected of models.

Here: the two queries and how much of an answer is shown. Not here: the search for classes (assets/analyses).
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from reports.pages.facts import Row
from reports.query import Query

SHOWN = 8
"""Aliases that a page lists; the query beside them gives all."""


def classes_query(claim: str) -> Query:
    """The class found for a claim, in each of its aliases, the simplest first, then the broadest."""
    return Query(
        """
SELECT c.predicate, c.n_in, c.n_out, c.n_wrong, c.p_separation, c.identifiable, c.reason
FROM reference_classes AS c
JOIN current_evaluation AS e ON e.evaluation_id = c.evaluation_id
WHERE c.claim_id = $claim
ORDER BY c.predicate LIKE '% and %', c.n_in DESC, len(c.predicate), c.predicate""",
        {"claim": claim},
    )


def expected_query(family: str) -> Query:
    """What is expected of a family's models where they have no verdict of their own."""
    return Query(
        """
SELECT x.model_id, x.claim_id, c.statement, x.status, x.expected, x.verdict, x.reason
FROM model_classes AS x
JOIN claims AS c ON c.claim_id = x.claim_id AND c.claim_version = x.claim_version
WHERE x.family_id = $family AND x.status != 'measured'
ORDER BY x.status, x.claim_id, x.model_id""",
        {"family": family},
    )


@dataclass(frozen=True)
class Classes:
    """What a claim's page says of its class.

    Attributes:
        reason: what was found and what it is worth; None where the claim is not decided on models.
        aliases: the first of them.
        n_more: how many there are beside these.
    """

    reason: str | None
    identifiable: bool
    aliases: list[Row]
    n_more: int
    query: Query


def classes_of(catalog: duckdb.DuckDBPyConnection, claim: str) -> Classes:
    """The class found for a claim."""
    query = classes_query(claim)
    rows = query.rows(catalog)
    aliases = [row for row in rows if row["predicate"]]
    first: Row = rows[0] if rows else {"reason": None, "identifiable": False}
    return Classes(first["reason"], first["identifiable"], aliases[:SHOWN], max(0, len(aliases) - SHOWN), query)


@dataclass(frozen=True)
class Expected:
    """Of models and claims without a verdict: what is predicted, and for how many pairs there is no guess."""

    predicted: list[Row]
    n_without: int
    query: Query


def expected_of(catalog: duckdb.DuckDBPyConnection, family: str) -> Expected:
    """What is expected of a family's models."""
    query = expected_query(family)
    rows = query.rows(catalog)
    predicted = [row for row in rows if row["status"] == "predicted"]
    return Expected(predicted, len(rows) - len(predicted), query)
