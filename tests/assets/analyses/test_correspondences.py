"""The matrix of a record made by hand: two families, of three models and of one, compared and published."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pytest

from assets.analyses.correspondences import ANALYSIS, _spread
from assets.analyses.registry import Situation, situation_digest
from assets.claims.decide import Decisions, Rows, read_material
from assets.claims.subjects import Subjects
from assets.likeness.between import WITHIN_SUITE
from assets.likeness.compare import compare
from assets.publish.publication import COMPARISONS
from catalog.build import finish, publishing, stage, take_in
from catalog.home import Home
from catalog.read import open_catalog
from tests.assets.likeness.conftest import HandMade

RUNS = {"f": {"alone": 1, "large": 3, "small": 3}, "g": {"twin": 3}}
AXES = ("configurational", "developmental", "functional", "positional", "relational")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> HandMade:
    """With an evaluation that holds the matrix; tests only read it."""
    made = HandMade(Home(tmp_path_factory.mktemp("matrix")))
    made.record.put("sources", "us", {"sources": [{"source_id": "us", "kind": "measured"}]})
    for family_id, models in RUNS.items():
        family = {"family_id": family_id, "role": "natural", "description": "..."}
        made.record.put("families", family_id, {"families": [family]})
        for model_id, n_runs in models.items():
            model = {"model_id": model_id, "family_id": family_id, "properties": {}}
            made.record.put("models", model_id, {"models": [model]})
            for seed in range(n_runs):
                made.put_run(model_id, seed)
    with publishing(made.home):
        staged = stage(made.home)
        with duckdb.connect(str(staged.path), read_only=True) as connection:
            compare(connection, made.record)
        staged = take_in(made.home, staged, COMPARISONS)
        with duckdb.connect(str(staged.path), read_only=True) as connection:
            rows = matrix(connection, made)
        evaluation = {
            "evaluation_id": "e1", "of_build": staged.build, "condition": "{}", "evaluated_at": "2026-11-23T10:00:00Z",
            "code_version": "0", "inputs_digest": "0",
        }  # fmt: skip
        made.record.put_evaluation(evaluation, {"correspondences": rows})
        finish(made.home, staged)
    return made


@pytest.fixture
def catalog(made: HandMade) -> Iterator[duckdb.DuckDBPyConnection]:
    with open_catalog(made.home) as connection:
        yield connection


def matrix(connection: duckdb.DuckDBPyConnection, made: HandMade | None) -> Rows:
    """The analysis; without the record where no home is given."""
    situation = Situation(
        connection, [], read_material(connection, []), Decisions([], [], []), "e1", 1, made and made.record
    )
    return list(ANALYSIS.rows(situation)["correspondences"])


def one(rows: Rows, **wanted: Any) -> dict[str, Any]:
    (row,) = [row for row in rows if all(row[name] == value for name, value in wanted.items())]
    return row


def test_every_axis_of_every_pair_has_a_row(catalog: duckdb.DuckDBPyConnection) -> None:
    primary = catalog.sql("SELECT * FROM correspondences WHERE is_primary").pl()

    models = sorted(RUNS["f"])
    pairs = [(a, b) for a, b in product(models, models) if a <= b] + [("twin", "twin")]
    families = [("f", "f"), ("f", "g"), ("g", "g")]
    keys = {
        (level, *pair, construct, axis)
        for level, of in (("model", pairs), ("family", families))
        for pair, construct, axis in product(of, ("induction", "previous_token"), AXES)
    }
    found = primary.select("level", "subject_a", "subject_b", "construct", "axis").rows()
    assert len(found) == len(keys)
    assert set(found) == keys
    assert primary.filter(pl.col("value").is_null() & pl.col("reason").is_null()).is_empty()
    assert primary.filter(pl.col("value").is_not_null(), pl.col("n_pairs") == 0).is_empty()


def test_the_same_catalog_gives_the_same_rows(catalog: duckdb.DuckDBPyConnection, made: HandMade) -> None:
    first = matrix(catalog, made)

    assert matrix(catalog, made) == first
    recorded = catalog.sql("SELECT * FROM correspondences ORDER BY ALL").pl()
    assert recorded.equals(pl.DataFrame(first, schema=recorded.schema).sort(recorded.columns))


def test_two_models_are_compared_by_all_pairs_of_their_runs(catalog: duckdb.DuckDBPyConnection, made: HandMade) -> None:
    row = one(matrix(catalog, made), metric_id="profile_likeness", construct="previous_token", subject_a="large",
              subject_b="small")  # fmt: skip

    query = "SELECT value FROM head_scores WHERE metric_id = 'previous_token' AND is_final AND run_id = '{}-seed{}'"
    scores = {
        (model, seed): np.sort(np.ravel(catalog.execute(query.format(model, seed)).fetchall()))
        for model, seed in product(("large", "small"), range(3))
    }
    every = [1 - np.abs(scores["large", i] - scores["small", j]).mean() for i, j in product(range(3), repeat=2)]
    assert row["value"] == pytest.approx(np.mean(every))
    assert (row["n_pairs"], row["reason"]) == (9, None)
    assert row["ci_low"] < row["value"] < row["ci_high"]


def test_a_model_with_itself_is_the_mean_of_the_view_likeness(catalog: duckdb.DuckDBPyConnection) -> None:
    own = "SELECT value, chance FROM correspondences WHERE subject_a = 'small' AND subject_b = 'small' AND {}"
    pairs = "SELECT avg(value), avg(chance) FROM likeness WHERE model_id = 'small' AND {}"
    for metric_id in [metric_id for statistics in WITHIN_SUITE.values() for metric_id in statistics]:
        for construct, metric in (("induction", "prefix_matching"), ("previous_token", "previous_token")):
            [found] = catalog.execute(own.format(f"metric_id = '{metric_id}' AND construct = '{construct}'")).fetchall()
            of = f"metric_id = '{metric_id}' AND stratum IN ('', 'metric={metric}')"
            [expected] = catalog.execute(pairs.format(of)).fetchall()
            assert found == (pytest.approx(expected[0]), pytest.approx(expected[1])), metric_id


def test_what_can_not_be_compared_says_why(catalog: duckdb.DuckDBPyConnection, made: HandMade) -> None:
    rows = [row for row in matrix(catalog, made) if row["construct"] == "induction"]
    without_record = [row for row in matrix(catalog, None) if row["construct"] == "induction"]

    def reason(of: Rows, axis: str, a: str, b: str) -> str | None:
        row = one(of, axis=axis, subject_a=a, subject_b=b, is_primary=True)
        assert row["value"] is None
        return str(row["reason"])

    assert reason(rows, "functional", "alone", "alone") == "it has one training run"
    assert reason(rows, "functional", "g", "g") == "one model of the family is measured"
    assert "known tokens" in str(reason(rows, "developmental", "f", "g"))
    assert "spectra of the weights" in str(reason(without_record, "configurational", "large", "small"))


def test_the_matrix_stands_side_by_side(catalog: duckdb.DuckDBPyConnection) -> None:
    wide = catalog.sql("SELECT * FROM correspondence_matrix WHERE construct = 'induction'").pl()

    levels = dict(wide.group_by("level").len().rows())
    assert levels == {"run": 3 + 3 + 3, "model": 7, "family": 3}
    alone = wide.filter(subject_a="alone", subject_b="large").row(0, named=True)
    assert all(alone[f"{axis}_likeness"] is not None for axis in AXES)
    own = wide.filter(level="family", subject_a="g", subject_b="g").row(0, named=True)
    assert own["functional_likeness"] is None
    assert own["not_computable"].startswith("configurational: one model of the family is measured; developmental: ")
    [expected] = catalog.execute(
        "SELECT value, chance FROM likeness WHERE metric_id = 'course_likeness' AND stratum = 'metric=prefix_matching' "
        "AND run_a = 'small-seed0' AND run_b = 'small-seed2'"
    ).fetchall()
    pair = wide.filter(level="run", subject_a="small-seed0", subject_b="small-seed2")
    assert pair.select("developmental_likeness", "developmental_chance").row(0) == expected


def test_random_scores_are_at_chance(catalog: duckdb.DuckDBPyConnection, made: HandMade) -> None:
    """The scores, courses and spectra of the record are random draws, untrained and trained alike."""
    rows = [row for row in matrix(catalog, made) if row["is_primary"] and row["value"] is not None]
    excess = {
        axis: [r["value"] - r["chance"] for r in rows if r["axis"] == axis and r["level"] == "model"] for axis in AXES
    }

    # means over few models and pairs of 6 heads; a likeness of 1 would be .1 to .5 above chance
    assert {
        axis: abs(np.mean(values)) < 0.1 for axis, values in excess.items() if axis != "relational"
    } == dict.fromkeys(("configurational", "developmental", "functional", "positional"), True), excess


def test_a_new_measurement_of_heads_is_another_situation(
    catalog: duckdb.DuckDBPyConnection, made: HandMade, tmp_path: Any
) -> None:
    before = situation_digest(catalog, [])
    changed = made.copied_to(tmp_path)
    changed.put_checkpoint("small-seed0", 50)
    changed.publish_uncompared()

    with open_catalog(changed.home) as connection:
        assert situation_digest(connection, []) != before


def test_models_are_spread_over_their_sizes() -> None:
    models = [{"model_id": f"m{i}", "family_id": "f", "n_params": 10**i} for i in range(9)]
    subjects = Subjects(
        [{**m, "parent_model_id": None} for m in models],
        [{"family_id": "f", "role": "natural", "organisation": None}],
        [],
    )

    assert _spread([m["model_id"] for m in models], subjects, 3) == ["m0", "m4", "m8"]
    assert _spread(["m3", "m1"], subjects, 3) == ["m1", "m3"]
