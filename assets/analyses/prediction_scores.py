"""How frozen predictions did, once the model that they are about was measured.

Here: scores (Brier 1950), coverage and skill. Not here: how predictions are made (assets/claims/forecasting.py) and
frozen (assets/publish/freezing.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from assets.analyses.registry import Analysis, Situation
from assets.claims.decide import Rows
from assets.claims.forecasting import Result, results

PREDICTIONS = """
SELECT * FROM predictions WHERE probability IS NOT NULL OR estimate IS NOT NULL ORDER BY prediction_id
"""


class PredictionScores(Analysis):
    """Scores of predictions whose model was measured since."""

    name: ClassVar[str] = "prediction_scores"
    tables: ClassVar[tuple[str, ...]] = ("prediction_scores",)

    def rows(self, situation: Situation) -> Mapping[str, Rows]:
        claims = {(claim.id, claim.version): claim for claim in situation.claims}
        frozen = situation.connection.sql(PREDICTIONS).pl().to_dicts()
        of_claim = {key: results(claims[key], situation.material) for key in map(_claim, frozen) if key in claims}
        found: Rows = []
        for prediction in frozen:
            came = [r for r in of_claim.get(_claim(prediction), []) if r.model_id == prediction["subject"]]
            if came:
                key = {"prediction_id": prediction["prediction_id"], "evaluation_id": situation.evaluation_id}
                found.append({**key, **score(prediction, came)})
        return {"prediction_scores": found}


def _claim(prediction: Mapping[str, Any]) -> tuple[str, int]:
    return prediction["claim_id"], prediction["claim_version"]


def score(prediction: Mapping[str, Any], came: Sequence[Result]) -> dict[str, Any]:
    """The scores of one prediction, as columns of catalog table `prediction_scores`.

    Args:
        prediction: a row of `predictions`.
        came: how the claim came out in each training run of the model (or in the model), at least one.
    """
    holds = [float(r.holds) for r in came if r.holds is not None]
    values = [r.estimate for r in came if r.estimate is not None and r.variant_id == prediction["variant_id"]]
    decided = holds if prediction["probability"] is not None else []
    told = values if prediction["estimate"] is not None else []
    brier = [_squared(prediction[p], decided) for p in ("probability", "base_rate", "last_probability")]
    error = [_squared(prediction[p], told) for p in ("estimate", "base_estimate", "last_estimate")]
    own, base, last = brier if decided else error
    return {
        "n_scored": len(came),
        "outcome": _mean(decided),
        **dict(zip(("brier", "base_brier", "last_brier"), brier, strict=True)),
        "observed": _mean(told),
        "covered": _covered(prediction["pi_low"], prediction["pi_high"], told),
        **dict(zip(("squared_error", "base_squared_error", "last_squared_error"), error, strict=True)),
        "skill": _skill(own, base),
        "skill_over_last": _skill(own, last),
    }


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None


def _squared(expected: float | None, values: Sequence[float]) -> float | None:
    """Mean squared difference; None without an expectation or a value."""
    return None if expected is None else _mean([(value - expected) ** 2 for value in values])


def _covered(low: float | None, high: float | None, values: Sequence[float]) -> float | None:
    return None if low is None or high is None else _mean([float(low <= value <= high) for value in values])


def _skill(own: float | None, other: float | None) -> float | None:
    return None if own is None or not other else 1 - own / other


ANALYSIS = PredictionScores()
