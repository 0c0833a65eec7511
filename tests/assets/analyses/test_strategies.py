"""Each strategy by hand, the comparison on models where the answer is known, and what is read of a real catalog."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from assets.analyses.registry import Situation
from assets.analyses.strategies import ANALYSIS, STRATEGIES, Model, comparisons, predictions
from assets.claims.decide import Decisions, read_material
from catalog.read import open_catalog
from tests.conftest import Tiny
from tests.validation.simulate_strategies import Truth

BOTH, EARLY, POOLED, FAMILY, ALL = STRATEGIES


def model(name: str, final: float, early: float | None = None, size: float | None = None, **keys: Any) -> Model:
    """A model whose name begins with its family's letter."""
    return replace(Model(name, name[0], name, size, final, early), **keys)


def guessed(of: Model, *others: Model) -> dict[str, float | None]:
    return {name: guess.value for name, guess in predictions(of, [of, *others]).items()}


def verdicts(models: list[Model]) -> dict[tuple[str, str], dict[str, Any]]:
    guesses = {m.model_id: predictions(m, models) for m in models}
    return {(row["strategy_a"], row["strategy_b"]): row for row in comparisons(models, guesses)}


def test_each_strategy_sees_what_its_name_says() -> None:
    found = guessed(model("a1", 0.9, 0.5), model("a2", 0.6), model("b1", 0.2), model("b2", 0.1))

    assert found[EARLY] == 0.5
    assert found[FAMILY] == 0.6
    assert found[ALL] == pytest.approx(0.3)
    assert 0.3 < (found[POOLED] or 0) < 0.6
    assert found[BOTH] is None


def test_a_model_never_enters_its_own_prediction() -> None:
    others = [model(name, value, value - 0.1) for name, value in (("a1", 0.5), ("a2", 0.6), ("b1", 0.3), ("b2", 0.2))]
    low, high = (guessed(model("a3", final, 0.4), *others) for final in (0.0, 1.0))

    assert low == high


def test_models_of_one_parent_are_left_out_together_and_count_once() -> None:
    tuned = [model("a1", 0.9), model("a2", 0.9, unit="a1"), model("a3", 0.9, unit="a1")]
    others = [model("b1", 0.1), model("c1", 0.2)]
    found = guessed(tuned[0], *tuned[1:], *others)

    assert found[FAMILY] is None
    assert found[ALL] == pytest.approx(0.15)
    assert verdicts([*tuned, *others])[POOLED, ALL]["n_models"] == 5
    assert verdicts([*tuned, *others])[POOLED, ALL]["n_units"] == 3
    assert verdicts(tuned)[POOLED, ALL]["n_units"] == 0


def test_early_checkpoints_correct_the_pooled_prediction() -> None:
    """All gain .4, whatever family: from .45 to .85, where pooling alone says .6."""
    others = [model(f"{f}{i}", e + 0.4, e) for f, i, e in (("a", 1, 0.1), ("a", 2, 0.3), ("b", 1, 0.2), ("c", 1, 0.25))]
    found = guessed(model("d1", 0.0, 0.45), *others)

    assert found[BOTH] == pytest.approx(0.85, abs=0.03)
    assert found[POOLED] == pytest.approx(0.61, abs=0.02)


def test_size_enters_from_five_other_models_on() -> None:
    """Values on a line over log10 parameters, at 9.5 they would be .95."""
    line = [
        model(f"{name}1", 0.1 * size, size=size) for name, size in zip("abcde", (6.0, 6.5, 7.0, 8.0, 9.0), strict=True)
    ]

    assert guessed(model("f1", 0.0, size=9.5), *line)[POOLED] == pytest.approx(0.95, abs=1e-3)
    assert guessed(model("f1", 0.0, size=9.5), *line[1:])[POOLED] == pytest.approx(0.7625, abs=1e-3)
    assert guessed(model("f1", 0.0), *line)[POOLED] == pytest.approx(0.73, abs=1e-3)


def test_predictions_stay_within_the_metrics_range() -> None:
    others = [model(f"{f}1", e + 0.4, e) for f, e in zip("abcd", (0.1, 0.3, 0.2, 0.25), strict=True)]
    top = model("e1", 0.0, 0.9)

    assert predictions(top, [top, *others], upper=1.0)[BOTH].value == 1.0


def test_reasons_are_given_where_nothing_can_be_predicted() -> None:
    alone = model("a1", 0.5)

    assert {name: guess.reason for name, guess in predictions(alone, [alone]).items()} == {
        BOTH: "no checkpoint of the first quarter of training was measured",
        EARLY: "no checkpoint of the first quarter of training was measured",
        POOLED: "no other model",
        FAMILY: "no other model of its family",
        ALL: "no other model",
    }
    few = [model("a1", 0.5, 0.1), model("b1", 0.5, 0.1), model("c1", 0.5, 0.1)]
    assert predictions(few[0], few)[BOTH].reason == "2 other models with early checkpoints, 3 are needed"
    told = verdicts([alone])[BOTH, EARLY]
    assert (told["verdict"], told["n_models"], told["p"]) == ("cannot_tell", 0, None)


@pytest.mark.parametrize(
    ("truth", "pair", "verdict"),
    [
        (Truth(8, drift=2.0, noise=0.2), (BOTH, EARLY), "a_better"),
        (Truth(8, noise=0.05), (BOTH, POOLED), "a_better"),
        (Truth(10, alike=0.98, alike_later=0.98), (FAMILY, ALL), "a_better"),
        (Truth(8, noise=0.05), (EARLY, ALL), "a_better"),
    ],
)
def test_what_is_truly_better_is_found(truth: Truth, pair: tuple[str, str], verdict: str) -> None:
    """In five collections each; how often it errs where both are alike: `python -m tests.validation strategies`."""
    assert {verdicts(models)[pair]["verdict"] for models in truth.draws(5, seed=3)} == {verdict}


def test_strategies_that_say_the_same_are_not_told_apart() -> None:
    """Models that stay as they were early on, one to a family: partial pooling is then the mean of all."""
    early = np.random.default_rng(0).normal(size=16)
    found = verdicts([model(f"{chr(97 + i)}1", float(e), float(e)) for i, e in enumerate(early)])

    assert found[EARLY, ALL]["verdict"] == "a_better"
    assert (found[POOLED, ALL]["verdict"], found[POOLED, ALL]["p"]) == ("cannot_tell", 1.0)


def test_errors_are_averaged_by_family_unless_there_is_one_only() -> None:
    several = verdicts([model(name, 0.5, 0.1) for name in ("a1", "a2", "b1", "b2", "c1")])[EARLY, ALL]
    one = verdicts([model(name, 0.5, 0.1) for name in ("a1", "a2", "a3")])[EARLY, ALL]

    assert (several["over"], several["n_units"], several["n_models"]) == ("family", 3, 5)
    assert (one["over"], one["n_units"], one["n_models"]) == ("model", 3, 3)


def test_a_catalog_is_read_by_pool_and_variant(tiny: Tiny) -> None:
    with open_catalog(tiny.home) as connection:
        situation = Situation(connection, [], read_material(connection, []), Decisions([], [], []), "e1", 1)
        rows = ANALYSIS.rows(situation)
        [(final,)] = connection.execute("""
            SELECT avg(best) FROM (
                SELECT run_id, max(value) AS best FROM evidence
                WHERE metric_id = 'prefix_matching' AND is_final AND head IS NOT NULL AND stratum = '' GROUP BY run_id
            )""").fetchall()

    held_out, compared = rows["held_out_predictions"], rows["strategy_comparisons"]
    [row] = [r for r in held_out if r["metric_id"] == "prefix_matching" and r["strategy"] == ALL]
    assert (row["pool"], row["quantity"], row["observed"]) == ("trained_here", "best_head_final", pytest.approx(final))
    assert {r["quantity"] for r in held_out if r["metric_id"] == "repeat_recall"} == {"final"}
    assert {r["verdict"] for r in compared} == {"cannot_tell"}
    assert len(compared) == 10 * len({(r["pool"], r["variant_id"]) for r in compared})
