"""Trees or the tree? Each model left out and its end predicted: from its own youth, its family, or everybody.

    own_early                       what its early checkpoints show, as if nothing changed from there on
    family                          the mean of the other models of its family
    all_families                    the mean of all other models
    partial_pooling                 all other models, those of its family counting more, as far as families differ
    own_early_and_partial_pooling   the same, of what is added to (a share of) the early value

What is predicted: per default variant of a metric, the mean over the model's training runs of the highest head's value
at the final checkpoint (of behaviour, the checkpoint's value). Early: the last checkpoint after step 0 within the first
quarter of a run's steps; forecasting that nothing changes is the one rule for a trajectory alone that needs no other
run to be fitted on. Natural models and those trained here are two pools, never mixed; models of one parent are left
out together. Errors are averaged by family before they are compared: models of a family err alike, so that a comparison
model by model would count one error several times. Over families, where both are as good, the first named is called
better in at most .015 of cases, the second in up to .08, since the differences of two strategies are skewed
(python -m tests.validation strategies).

Here: what is known of each model, the strategies, the rows. Not here: the pooling
(assets/claims/statistics/partial_pooling.py), the test (paired.py).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, ClassVar, Literal

import duckdb
import numpy as np

from assets.analyses.paired import LEAST_UNITS, Comparison, compare
from assets.analyses.registry import Analysis, Situation
from assets.claims.decide import Rows
from assets.claims.statistics.partial_pooling import Covariate, mixture
from assets.claims.subjects import Subjects
from assets.claims.verdicts import counted, number

EARLY = 0.25
"""Share of a run's steps that counts as early."""
MODELS_FOR_EARLY = 3
"""Other models with early checkpoints that the two together need: a share carried over, a mean, and one to spare."""
MODELS_FOR_SIZE = 5
"""Other models with known sizes from which on log10 n_params is a covariate; a trend needs four (VERDICTS)."""
NO_YOUTH = "no checkpoint of the first quarter of training was measured"

STRATEGIES = ("own_early_and_partial_pooling", "own_early", "partial_pooling", "family", "all_families")
WORDS = {
    "own_early_and_partial_pooling": "its early checkpoints with partial pooling",
    "own_early": "its early checkpoints alone",
    "partial_pooling": "partial pooling of the others",
    "family": "its family",
    "all_families": "all families",
}
VALUES = f"""
WITH scores AS (
    SELECT
        e.variant_id, e.metric_id, t.grain, coalesce(t.lower, '-inf') AS lower, coalesce(t.upper, 'inf') AS upper,
        e.model_id, e.run_id, e.step, e.is_final, max(e.value) AS value
    FROM evidence AS e
    JOIN metrics AS t ON t.metric_id = e.metric_id
    JOIN metric_variants AS v ON v.variant_id = e.variant_id
    WHERE v.is_default AND e.stratum = '' AND e.sender_head IS NULL AND isfinite(e.value)
      AND (t.grain = 'head' AND e.head IS NOT NULL OR t.grain = 'checkpoint' AND t.method = 'behaviour')
    GROUP BY ALL
),
runs AS (
    SELECT
        s.variant_id, s.metric_id, s.grain, s.lower, s.upper, s.model_id, s.run_id,
        any_value(s.value) FILTER (WHERE s.is_final) AS final,
        arg_max(s.value, s.step) FILTER (WHERE s.step > 0 AND s.step <= {EARLY} * c.last_step) AS early
    FROM scores AS s
    LEFT JOIN (SELECT run_id, max(step) FILTER (WHERE is_final) AS last_step FROM checkpoints GROUP BY run_id) AS c
      ON c.run_id = s.run_id
    GROUP BY ALL
)
SELECT variant_id, metric_id, grain, lower, upper, model_id, avg(final) AS final, avg(early) AS early
FROM runs WHERE final IS NOT NULL GROUP BY ALL ORDER BY ALL
"""


@dataclass(frozen=True)
class Model:
    """What is known of a model: its end, and its youth where it has one (means over training runs)."""

    model_id: str
    family_id: str
    unit: str
    size: float | None
    """log10 parameters."""
    final: float
    early: float | None


@dataclass(frozen=True, order=True)
class Target:
    """What is predicted, of which models; lower and upper bound its values."""

    pool: str
    variant_id: str
    metric_id: str
    quantity: str
    lower: float
    upper: float


@dataclass(frozen=True)
class Guess:
    """A prediction, or why there is none."""

    value: float | None
    reason: str | None = None


class Strategies(Analysis):
    """Predictions of held-out models by each strategy, and the strategies compared."""

    name: ClassVar[str] = "strategies"
    tables: ClassVar[tuple[str, ...]] = ("held_out_predictions", "strategy_comparisons")

    def rows(self, situation: Situation) -> Mapping[str, Rows]:
        held_out: Rows = []
        compared: Rows = []
        for target, models in read(situation.connection, situation.material.subjects):
            key = {"evaluation_id": situation.evaluation_id, "pool": target.pool, "variant_id": target.variant_id}
            key |= {"metric_id": target.metric_id, "quantity": target.quantity}
            guesses = {model.model_id: predictions(model, models, target.lower, target.upper) for model in models}
            held_out += [
                {
                    **key,
                    "strategy": strategy,
                    "model_id": model.model_id,
                    **_row(guesses[model.model_id][strategy], model),
                }
                for strategy in STRATEGIES
                for model in models
            ]
            compared += [{**key, **row} for row in comparisons(models, guesses)]
        return {"held_out_predictions": held_out, "strategy_comparisons": compared}


def read(connection: duckdb.DuckDBPyConnection, subjects: Subjects) -> list[tuple[Target, list[Model]]]:
    """The models measured, by what is predicted."""
    found: dict[Target, list[Model]] = {}
    for variant_id, metric_id, grain, lower, upper, model_id, final, early in connection.execute(VALUES).fetchall():
        own = subjects.models[model_id]
        pool = "natural" if own["role"] == "natural" else "trained_here"
        quantity = "best_head_final" if grain == "head" else "final"
        target = Target(pool, variant_id, metric_id, quantity, lower, upper)
        size = math.log10(own["n_params"]) if own["n_params"] else None
        model = Model(model_id, own["family_id"], subjects.unit_of(model_id), size, final, early)
        found.setdefault(target, []).append(model)
    return sorted(found.items(), key=lambda item: item[0])


def predictions(
    model: Model, models: Sequence[Model], lower: float = -math.inf, upper: float = math.inf
) -> dict[str, Guess]:
    """The model's end by each strategy, from the others; those of its own unit are no others."""
    others = [other for other in models if other.unit != model.unit]
    relatives = [other for other in others if other.family_id == model.family_id]
    found = {
        "own_early_and_partial_pooling": _with_early(model, others),
        "own_early": Guess(model.early, None if model.early is not None else NO_YOUTH),
        "partial_pooling": _pooled(model, others) if others else Guess(None, "no other model"),
        "family": _mean(relatives, "no other model of its family"),
        "all_families": _mean(others, "no other model"),
    }
    return {
        name: guess if guess.value is None else Guess(min(max(guess.value, lower), upper))
        for name, guess in found.items()
    }


def _mean(others: Sequence[Model], nobody: str) -> Guess:
    return Guess(float(np.mean([other.final for other in others]))) if others else Guess(None, nobody)


def _with_early(model: Model, others: Sequence[Model]) -> Guess:
    if model.early is None:
        return Guess(None, NO_YOUTH)
    like = [other for other in others if other.early is not None]
    if len(like) < MODELS_FOR_EARLY:
        had = counted(len(like), "other model")
        return Guess(None, f"{had} with early checkpoints, {MODELS_FOR_EARLY} are needed")
    return _pooled(model, like, Covariate([other.early or 0.0 for other in like], model.early))


def _pooled(model: Model, others: Sequence[Model], early: Covariate | None = None) -> Guess:
    sizes = [other.size for other in others if other.size is not None]
    known = model.size is not None and len(sizes) == len(others) >= MODELS_FOR_SIZE and len(set(sizes)) > 2
    size = Covariate(sizes, model.size or 0.0) if known else None
    families = [other.family_id for other in others]
    return Guess(mixture([other.final for other in others], families, model.family_id, size, early).expected)


def comparisons(models: Sequence[Model], guesses: Mapping[str, Mapping[str, Guess]]) -> Rows:
    """Every two strategies, paired over the models that both predict."""
    return [_compared(a, b, models, guesses) for a, b in combinations(STRATEGIES, 2)]


def _compared(a: str, b: str, models: Sequence[Model], guesses: Mapping[str, Mapping[str, Guess]]) -> dict[str, Any]:
    errors = [
        (model, abs(of_a - model.final), abs(of_b - model.final))
        for model in models
        if (of_a := guesses[model.model_id][a].value) is not None
        and (of_b := guesses[model.model_id][b].value) is not None
    ]
    over, paired = _by_unit(errors)
    found = compare([mean_a for mean_a, _ in paired], [mean_b for _, mean_b in paired])
    mean_a, mean_b = (float(np.mean([pair[i] for pair in paired])) if paired else None for i in (0, 1))
    return {
        "strategy_a": a,
        "strategy_b": b,
        "n_models": len(errors),
        "n_units": len(paired),
        "over": over,
        "mean_error_a": mean_a,
        "mean_error_b": mean_b,
        "difference": found.difference.estimate,
        "ci_low": found.difference.low,
        "ci_high": found.difference.high,
        "p": found.p,
        "verdict": found.better,
        "reason": _told(a, b, counted(len(paired), over), found, mean_a, mean_b),
    }


def _by_unit(
    errors: Sequence[tuple[Model, float, float]],
) -> tuple[Literal["family", "model"], list[tuple[float, ...]]]:
    """Mean errors of both by family, since models of a family err alike; where there is one only, by its models."""
    over: Literal["family", "model"] = "family" if len({model.family_id for model, *_ in errors}) > 1 else "model"
    found: dict[str, list[tuple[float, float]]] = {}
    for model, of_a, of_b in errors:
        found.setdefault(model.family_id if over == "family" else model.unit, []).append((of_a, of_b))
    return over, [tuple(float(mean) for mean in np.mean(each, axis=0)) for _, each in sorted(found.items())]


def _told(a: str, b: str, units: str, found: Comparison, mean_a: float | None, mean_b: float | None) -> str:
    n = found.difference.n
    if n == 0:
        return f"No model is predicted both by {WORDS[a]} and by {WORDS[b]}."
    told = f"Mean error over {units}: {number(mean_a)} by {WORDS[a]}, {number(mean_b)} by {WORDS[b]}"
    if n < LEAST_UNITS:
        return f"{told}; over fewer than {LEAST_UNITS} no difference is beyond chance (least sign-flip p {2 / 2**n:g})."
    better = {"a_better": f"better by {WORDS[a]}", "b_better": f"better by {WORDS[b]}"}
    return f"{told}; {better.get(found.better, 'not told apart')} (sign-flip p {number(found.p)})."


def _row(guess: Guess, model: Model) -> dict[str, Any]:
    error = None if guess.value is None else abs(guess.value - model.final)
    return {"predicted": guess.value, "observed": model.final, "error": error, "reason": guess.reason}


ANALYSIS = Strategies()
