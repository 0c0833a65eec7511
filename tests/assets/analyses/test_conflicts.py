"""Claims that cannot both be right, where, and which measurement would tell; every expectation is made by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import duckdb

from assets.analyses.conflicts import ANALYSIS
from assets.analyses.registry import Situation
from assets.claims.decide import decide_on, read_material
from assets.claims.schema import Claim, load_claims

if TYPE_CHECKING:
    from tests.assets.claims.conftest import Library, World

LAW, TREND = "onset-by-batch-and-context", "larger-earlier-induction"
RECIPE = {"batch_size": 1024, "sequence_length": 2048}


def conflicts(world: World, *claims: Claim, checkpoints: int = 2) -> list[dict[str, Any]]:
    with world.catalog() as connection:
        for run in world.runs:
            for i in range(checkpoints):
                put_checkpoint(connection, run["run_id"], i, i == checkpoints - 1)
        material = read_material(connection, claims)
        situation = Situation(connection, claims, material, decide_on(material, claims, "e"), "e", 1)
        return ANALYSIS.rows(situation)["conflicts"]


def put_checkpoint(connection: duckdb.DuckDBPyConnection, run_id: str, step: int, final: bool) -> None:
    connection.execute(
        "INSERT INTO checkpoints BY NAME SELECT ? AS checkpoint_id, ? AS run_id, ? AS label, ? AS step, "
        "? AS is_final, 'available' AS availability, 1 AS since_build",
        [f"{run_id}@step{step}", run_id, f"step{step}", step, final],
    )


def sizes(world: World, measured: dict[int, int], unmeasured: tuple[int, ...], **design: Any) -> World:
    """Models of 10**x parameters; induction heads of measured ones form between steps y/10 and y, of 2 M tokens."""
    for x in (*measured, *unmeasured):
        world.model(f"m{x}", "f", n_params=10**x, **{**RECIPE, **design})
        world.run(f"m{x}-0", f"m{x}")
        for metric in ("prefix_matching",) if x in measured else ("previous_token",):
            steps = (0, measured.get(x, 100) // 10, measured.get(x, 100), 10**5)
            values = dict(zip(steps, (0.0, 0.0, 0.8, 0.8), strict=True))
            world.curve(f"m{x}-0", metric, values)
    for row in world.rows:
        row["tokens_seen"] = row["step"] * 2_097_152
    return world


def test_a_law_without_size_conflicts_with_a_trend_over_size(world: World) -> None:
    """10**5.7 sqrt(1024 x 2048) = 7.26e8 tokens in every size. Steps 101 to 1000 of 2 M tokens: 10**8.82."""
    rows = conflicts(sizes(world, {7: 1000, 9: 100}, (8, 10)), *load_claims([LAW, TREND]))

    found = {row["checkpoint_id"]: row for row in rows}
    assert list(found) == ["m10-0@step1", "m7-0@step1", "m8-0@step1", "m9-0@step1"]
    assert {(row["claim_a"], row["claim_b"]) for row in rows} == {(TREND, LAW)}
    assert found["m8-0@step1"]["reason"] == (
        "larger-earlier-induction: falls with n_params: below the 8.82 of n_params 1e+07 and above the 7.84 of "
        "n_params 1e+09; onset-by-batch-and-context: does not change with n_params: the onset (past 0.3) of the best "
        "head's prefix_matching at 7.26e+08 tokens, within a factor of 2."
    )
    assert {row["next_measurement"] for row in rows} == {"prefix_matching on m8-0 (2 checkpoints of 1e+08 parameters)."}


def test_where_all_is_measured_only_further_models_can_tell(world: World) -> None:
    [row, *_] = conflicts(sizes(world, {7: 1000, 9: 100}, ()), *load_claims([LAW, TREND]))

    assert "only further models" in row["next_measurement"]


def test_a_law_that_falls_with_size_agrees_with_the_trend(world: World) -> None:
    """A larger batch in a larger model: the law rises; a smaller one: it falls, as the trend does."""
    for rising in (True, False):
        sized = type(world)()
        for x in (7, 8):
            batch = 10**x if rising else 10 ** (12 - x)
            sizes(sized, {x: 1000}, (), batch_size=batch)
        rows = conflicts(sized, *load_claims([LAW, TREND]))
        assert bool(rows) is rising


def test_levels_conflict_where_their_classes_meet(world: World, library: Library) -> None:
    """Above .3 and below .1 of one number, in models of two layers or more and of three or less."""
    above = library.plain("prefix-matching-heads-exist")
    own = above.estimand.model_dump(mode="json")
    below = Claim.model_validate(
        {
            **above.model_dump(mode="json"),
            "id": "z-weak",
            "estimand": {**own, "direction": "below", "threshold": 0.1},
            "reference_class": "n_layers <= 3",
        }
    )
    for n_layers in (1, 2, 3, 4):
        world.model(f"m{n_layers}", "f", n_layers=n_layers, n_params=n_layers)
        world.run(f"m{n_layers}-0", f"m{n_layers}")

    rows = conflicts(world, above, below)

    assert [row["checkpoint_id"] for row in rows] == ["m2-0@step1", "m3-0@step1"]
    assert rows[0]["next_measurement"] == "prefix_matching on m2-0 (2 checkpoints of 2 parameters)."
    assert "above 0.3; z-weak: " in rows[0]["reason"]
    weaker = below.model_copy(update={"estimand": type(below.estimand).model_validate({**own, "threshold": 0.5})})
    assert conflicts(world, above, weaker) == [], "stronger and weaker is no conflict"


def test_the_library_conflicts_nowhere_else(world: World) -> None:
    rows = conflicts(sizes(world, {7: 1000, 9: 100}, (8, 10)), *load_claims("all"))

    assert {(row["claim_a"], row["claim_b"]) for row in rows} == {(TREND, LAW)}
