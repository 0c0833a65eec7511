"""Verdicts by release date are those of a catalog that holds only the models released by then."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from assets.analyses.by_release import ANALYSIS
from assets.analyses.registry import Situation
from assets.claims.decide import decide_on, read_material
from assets.claims.schema import Claim
from catalog.home import Home
from tests.assets.analyses.by_hand import Scored
from tests.assets.claims.conftest import World

if TYPE_CHECKING:
    from tests.assets.claims.conftest import Library

RELEASED = {
    "a-1": "2023-01-01", "a-2": "2023-01-01", "a-3": "2023-05-01", "a-4": "2024-02-01", "a-5": "2024-02-01",
    "b-1": "2023-03-01", "b-1-tuned": "2023-09-01", "b-2": "2024-06-01", "c-1": "2022-11-01", "d-1": "2024-06-01",
    "e-1": "2024-07-01", "f-1": "2024-08-01", "g-1": None, "a-6": None,
}  # fmt: skip
NATURAL_DAYS = sorted({day for day in RELEASED.values() if day})
SAME = ("level", "subject", "verdict", "estimate", "ci_low", "ci_high", "pi_low", "n_h", "n_f", "n_u", "n_models")


def fill(world: World, models: list[str]) -> World:
    """These models with scores and curves that are the same whichever models there are."""
    world.family("calibration", "calibration")
    for model_id in [*models, "calibration-1"]:
        rng = np.random.default_rng(sum(map(ord, model_id)))
        family, size = ("calibration", 1) if model_id == "calibration-1" else (model_id[0], int(model_id[2]))
        parent = {"parent_model_id": "b-1"} if model_id == "b-1-tuned" else {}
        world.model(model_id, family, released_on=RELEASED.get(model_id), n_params=10**size, **parent)
        for seed in range(int(rng.integers(1, 7))):
            run_id = f"{model_id}-seed{seed}"
            world.run(run_id, model_id)
            world.measure(run_id, "prefix_matching_placebo", {(0, 0): 0.0, (0, 1): 0.0}, step=9999)
            late = {9999: float(rng.choice([0.6, 0.2]))} if model_id[0] in "cd" else {9999: 0.7}
            world.curve(run_id, "prefix_matching", {0: 0.0, 99: 0.1, **late})
            rise = 0.3 + 0.05 * size + 0.02 * rng.normal()
            world.curve(run_id, "previous_token_all", {0: 0.0, 9: 0.1, 99: rise, 999: 0.9, 9999: 0.8})
    return world


def by_release(world: World, claims: list[Claim]) -> dict[str, list[dict[str, Any]]]:
    with world.catalog() as connection:
        material = read_material(connection, claims)
        situation = Situation(connection, claims, material, decide_on(material, claims, "e"), "e", 1)
        rows = ANALYSIS.rows(situation)
    assert {row["beside"] for row in rows["evaluations"]} <= {"e"}
    found: dict[str, list[dict[str, Any]]] = {row["evaluation_id"]: [] for row in rows["evaluations"]}
    for row in rows["verdicts"]:
        found[row["evaluation_id"]].append(row)
    return {name.removeprefix("e.released-by-"): rows for name, rows in found.items()}


@pytest.fixture
def claims(library: Library) -> list[Claim]:
    """One decided run by run, one over a model's runs, one over models."""
    return [
        library.plain("prefix-matching-heads-exist"),
        library.plain("same-layer-across-seeds"),
        library.plain("larger-steeper-previous-token"),
    ]


def test_each_day_is_decided_as_if_nothing_came_after_it(claims: list[Claim]) -> None:
    found = by_release(fill(World(), list(RELEASED)), claims)

    assert list(found) == NATURAL_DAYS
    for day, rows in found.items():
        out = [model for model, released in RELEASED.items() if released and released <= day]
        new = {model for model, released in RELEASED.items() if released == day}
        new |= {model[0] for model in new} | {"all"}
        alone = fill(World(), out).decide(*claims).decisions.verdicts
        expected = [
            row for row in alone if row["level"] != "run" and row["subject"] in new and row["level"] != "calibration"
        ]
        assert [(r["claim_id"], *(r[k] for k in SAME)) for r in rows] == [
            (r["claim_id"], *(r[k] for k in SAME)) for r in expected
        ]
    words = {(row["level"], row["verdict"]) for rows in found.values() for row in rows}
    assert {("model", "holds"), ("family", "holds"), ("across", "mixed"), ("across", "insufficient")} <= words


def test_models_without_a_date_are_left_out_and_named(claims: list[Claim]) -> None:
    found = by_release(fill(World(), list(RELEASED)), claims)

    told = {row["subject"]: row["reason"] for row in found["2024-02-01"]}
    assert told["a"].endswith(" Left out, as their release dates are not known: a-6.")
    assert told["all"].endswith(" Left out, as their release dates are not known: a-6, g-1.")
    assert "Left out" not in told["a-5"]


def test_a_catalog_without_dates_has_no_days(claims: list[Claim]) -> None:
    assert by_release(fill(World(), ["g-1"]), claims) == {}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Scored:
    scored = Scored(Home(tmp_path_factory.mktemp("told")))
    scored.family("a")
    scored.family("calibration", "calibration")
    for model, day in (("a-1", "2023-01-01"), ("a-2", "2023-01-01"), ("a-3", "2024-01-01")):
        scored.model(model, "a", released_on=day)
        scored.runs(model, [0.1 if model == "a-3" else 0.8] * 5)
    scored.model("c-1", "calibration", released_on="2023-06-01")
    scored.runs("c-1", [0.9])
    scored.runs("a-1", [0.1] * 5, first=5, source="them", known_on="2022-01-01")
    scored.publish()
    return scored


def test_the_view_tells_what_came_out_and_what_was_said_before(told: Scored) -> None:
    rows = "SELECT CAST(released_by AS VARCHAR), came_out, verdict, previous FROM verdicts_by_release WHERE "
    assert told.query(f"{rows} level = 'family' ORDER BY released_by") == [
        ("2023-01-01", ["a-1", "a-2"], "mixed", None),
        ("2024-01-01", ["a-3"], "mixed", "mixed"),
    ]
    assert told.query(f"{rows} level = 'model' AND subject = 'a-3'") == [("2024-01-01", ["a-3"], "fails", None)]


def test_conditions_are_not_how_things_stand(told: Scored) -> None:
    """A condition, though its id comes last, never counts as the current deciding in a view of the current state."""
    assert told.query("SELECT count(*), count(beside), count(decision_version) FROM evaluations") == [(4, 3, 4)]
    assert told.query("SELECT beside, CAST(condition AS VARCHAR) FROM current_evaluation") == [(None, "{}")]
    for view in ("current_verdicts", "verdicts_as_of(1)", "verdict_changes"):
        found = told.query(f"SELECT verdict FROM {view} WHERE level = 'model' AND subject = 'a-1'")
        assert found == [("mixed",)], view
    assert told.query("SELECT verdict FROM claim_matrix ORDER BY family_id") == [("mixed",), ("insufficient",)]
