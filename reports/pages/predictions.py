"""What a claim expected of models before they were measured, and what came.

Here: the query. Not here: how predictions are made, frozen and scored, which the reports only read.
"""

from __future__ import annotations

from reports.query import Query


def predictions_query(claim: str) -> Query:
    """A claim's frozen predictions, the scored ones first; those that expect nothing are left out."""
    return Query(
        """
SELECT model_id, frozen_since, measured_since, probability, outcome, estimate, pi_low, pi_high, unit, observed, covered,
    skill, skill_over_last, n_scored, basis
FROM prediction_record
WHERE claim_id = $claim AND (probability IS NOT NULL OR estimate IS NOT NULL)
ORDER BY n_scored IS NULL, frozen_since, model_id""",
        {"claim": claim},
    )
