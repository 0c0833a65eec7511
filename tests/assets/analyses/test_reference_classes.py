"""Which class a claim holds for, and what is expected of each model: made-up models and verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import duckdb
import polars as pl
import pytest

from assets.analyses.reference_classes import ANALYSIS, units_of
from assets.analyses.registry import Situation, analyses
from assets.claims.decide import Decisions, Material
from assets.claims.reading.evidence import Evidence
from assets.claims.schema import Claim, load_claims
from assets.claims.subjects import Subjects
from catalog.build import _create
from tests.assets.claims.conftest import EVIDENCE

SIZES = (10, 20, 40, 80)
CLAIM = load_claims(["same-layer-across-seeds"])[0]
"""About softmax models of two layers or more."""


def model(model_id: str, family_id: str, **design: Any) -> dict[str, Any]:
    usual = {"parent_model_id": None, "attention": "softmax", "n_layers": 2, "adds_bos": False}
    return {"model_id": model_id, "family_id": family_id, **usual, **design}


def sizes_of(family_id: str, **design: Any) -> list[dict[str, Any]]:
    return [model(f"{family_id}{n}", family_id, n_params=n, **design) for n in SIZES]


def subjects(*models: dict[str, Any], roles: Mapping[str, str] | None = None) -> Subjects:
    families = [
        {"family_id": name, "role": (roles or {}).get(name, "natural"), "organisation": None}
        for name in sorted({m["family_id"] for m in models})
    ]
    return Subjects(models, families, [])


def verdict(subject: str, word: str, level: str = "model") -> dict[str, Any]:
    key = {"evaluation_id": "e1", "claim_id": CLAIM.id, "claim_version": CLAIM.version}
    return {**key, "level": level, "subject": subject, "verdict": word, "exploratory": False, "reason": "as made up"}


def rows(of: Subjects, *verdicts: dict[str, Any], claim: Claim = CLAIM) -> dict[str, list[dict[str, Any]]]:
    """What the analysis finds."""
    nothing = Evidence(pl.DataFrame(schema=EVIDENCE), {}, {})
    with duckdb.connect() as connection:
        decisions = Decisions(list(verdicts), [], [])
        found = ANALYSIS.rows(Situation(connection, [claim], Material(of, nothing, {}), decisions, "e1", 1))
    return {table: list(content) for table, content in found.items()}


BY_SIZE = subjects(*(m for family in "abcde" for m in sizes_of(family)), model("a30", "a", n_params=30))
LARGE_HOLD = [verdict(f"{family}{n}", "holds" if n >= 40 else "fails") for family in "abcde" for n in SIZES]


def test_it_is_found_among_the_analyses() -> None:
    assert analyses()["reference_classes"] is ANALYSIS


def test_a_class_within_every_family_is_identifiable() -> None:
    [row] = rows(BY_SIZE, *LARGE_HOLD)["reference_classes"]

    assert (row["predicate"], row["n_in"], row["n_out"], row["n_wrong"]) == ("n_params >= 40", 10, 10, 0)
    assert row["identifiable"]
    assert row["p_separation"] < 0.01
    assert row["reason"].startswith("20 models of 5 families told apart with none on the wrong side, by this predicate")


def test_few_models_are_not_enough_and_the_reason_says_so() -> None:
    own = subjects(*sizes_of("a"))
    found = rows(own, *(verdict(f"a{n}", "fails" if n == 10 else "holds") for n in SIZES))["reference_classes"]

    assert [row["predicate"] for row in found] == ["n_params >= 20"]
    assert not found[0]["identifiable"]
    assert found[0]["p_separation"] == 0.5
    assert found[0]["reason"] == (
        "Not identifiable: 8 models are needed and luck must do it in 5 % at most. 4 models of 1 family told apart "
        "with none on the wrong side, by this predicate alone. Luck does it as well in 50 % of random assignments of "
        "these verdicts."
    )


def test_a_claim_that_holds_in_part_of_the_runs_does_not_hold_in_the_model() -> None:
    verdicts = [{**v, "verdict": "mixed"} if v["subject"] == "a10" else v for v in LARGE_HOLD]

    assert rows(BY_SIZE, *verdicts)["reference_classes"] == rows(BY_SIZE, *LARGE_HOLD)["reference_classes"]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ((), "No model of a natural family has a verdict on it yet."),
        (("inconclusive", "insufficient"), "No model of a natural family has a verdict on it yet."),
        (("fails",), "It does not hold in the one decided natural model: nothing to tell apart."),
        (("holds", "holds"), "It holds in each of 2 decided natural models: there is nothing to tell apart."),
        (("fails", "mixed"), "It holds in none of 2 decided natural models: there is nothing to tell apart."),
    ],
)
def test_where_there_is_nothing_to_tell_apart_no_class_is_claimed(words: tuple[str, ...], reason: str) -> None:
    verdicts = [verdict(f"a{n}", word) for n, word in zip(SIZES, words, strict=False)]
    [row] = rows(BY_SIZE, *verdicts)["reference_classes"]

    decided = [word for word in words if word in ("holds", "fails", "mixed")]
    assert (row["predicate"], row["n_in"], row["n_out"]) == ("", len(decided), 0)
    assert row["n_wrong"] == sum(word != "holds" for word in decided)
    assert (row["p_separation"], row["identifiable"], row["reason"]) == (None, False, reason)


def test_models_that_were_trained_to_show_it_are_no_units() -> None:
    own = subjects(*sizes_of("a"), *sizes_of("b"), roles={"b": "calibration"})
    units, left_out = units_of(own, {**{f"a{n}": "holds" for n in SIZES}, **{f"b{n}": "fails" for n in SIZES}})

    assert [unit.name for unit in units] == [f"a{n}" for n in SIZES]
    assert left_out == 0


def test_models_of_one_parent_are_one_unit_with_what_they_share() -> None:
    base = model("base", "a", tuning="base", n_params=10, precision="float16")
    tuned = model("tuned", "a", tuning="instruct", n_params=10, parent_model_id="base")
    other = model("other", "a", tuning="base", n_params=20, parent_model_id="unknown")
    own = subjects(base, tuned, other)

    units, left_out = units_of(own, {"base": "holds", "tuned": "holds", "other": "fails"})
    assert [(unit.name, unit.holds) for unit in units] == [("base", True), ("unknown", False)]
    shared = units[0].properties
    assert (shared["n_params"], shared["precision"], "tuning" in shared) == (10, "float16", False)
    assert left_out == 0

    units, left_out = units_of(own, {"base": "holds", "tuned": "mixed", "other": "fails"})
    assert [unit.name for unit in units] == ["unknown"]
    assert left_out == 1
    [row] = rows(own, *(verdict(m, w) for m, w in (("base", "holds"), ("tuned", "fails"))))["reference_classes"]
    assert row["reason"].endswith("Left out: 1 unit whose own models disagree.")


def test_claims_that_models_do_not_decide_have_no_class() -> None:
    trend = load_claims(["larger-earlier-previous-token"])[0]

    assert rows(BY_SIZE, claim=trend) == {"reference_classes": [], "class_members": []}


# Members, and what is expected of them


MODELS = [
    *(m for family in "abcde" for m in sizes_of(family)),
    model("a30", "a", n_params=30),
    model("new160", "new", n_params=160),
    model("new10", "new", n_params=10),
    model("new", "new"),
    model("unknown-mixing", "new", n_params=160, attention=None),
    model("one-layer", "new", n_params=160, n_layers=1),
    model("undefined", "new", n_params=160),
    model("taught", "taught", n_params=160),
]
ROLES = {"taught": "calibration"}


def test_every_model_is_placed() -> None:
    members = rows(subjects(*MODELS, roles=ROLES), *LARGE_HOLD)["class_members"]

    placed = {row["model_id"]: (row["claimed"], row["inside"]) for row in members}
    assert len(placed) == len(MODELS)
    assert placed["a40"] == placed["new160"] == placed["taught"] == (True, True)
    assert placed["new10"] == (True, False)
    assert placed["a30"] == placed["new"] == (True, None)
    assert placed["unknown-mixing"] == (None, True)
    assert placed["one-layer"] == (False, True)


def test_aliases_that_disagree_place_nobody() -> None:
    design = [model(f"{family}{n}", family, n_params=n, d_model=n) for family in "abcde" for n in SIZES]
    own = subjects(*design, model("wide", "f", n_params=10, d_model=80), model("large", "f", n_params=80, d_model=80))
    members = {row["model_id"]: row["inside"] for row in rows(own, *LARGE_HOLD)["class_members"]}

    assert (members["wide"], members["large"]) == (None, True)


def expected(*verdicts: dict[str, Any]) -> dict[str, tuple[str, str | None, str | None, str | None]]:
    """The view model_classes on the made-up models: status, expected, basis and own verdict by model."""
    own = subjects(*MODELS, roles=ROLES)
    found = rows(own, *verdicts)
    tables = {
        "families": [{"family_id": name, "role": role, "since_build": 1} for name, role in own.roles.items()],
        "models": [{**m, "since_build": 1} for m in MODELS],
        "evaluations": [
            {
                "evaluation_id": "e1",
                "of_build": 1,
                "condition": "{}",
                "evaluated_at": "2026-11-23",
                "code_version": "1",
                "inputs_digest": "d",
                "since_build": 1,
            }
        ],
        "verdicts": verdicts,
        **found,
    }
    with duckdb.connect() as connection:
        _create(connection)
        for table, content in tables.items():
            for row in content:
                known = {name: value for name, value in row.items() if value is not None}
                places = ", ".join("?" for _ in known)
                connection.execute(f"INSERT INTO {table} ({', '.join(known)}) VALUES ({places})", list(known.values()))
        columns = "model_id, status, expected, basis, verdict"
        answered = connection.execute(f"SELECT {columns} FROM model_classes WHERE reason IS NOT NULL").fetchall()
    return {row[0]: row[1:] for row in answered}


def test_what_is_expected_of_a_model_rests_on_its_own_verdict_or_on_the_class() -> None:
    own = [verdict("a30", "insufficient"), verdict("taught", "holds"), verdict("undefined", "not_applicable")]
    found = expected(*LARGE_HOLD, *own)

    assert found["a40"] == ("measured", "holds", "verdict", "holds")
    assert found["taught"] == ("measured", "holds", "verdict", "holds")
    assert found["new160"] == ("predicted", "holds", "class", None)
    assert found["new10"] == ("predicted", "does_not_hold", "class", None)
    assert found["a30"] == ("without_guess", None, None, "insufficient")
    assert found["new"] == found["unknown-mixing"] == ("without_guess", None, None, None)
    assert {m["model_id"] for m in MODELS} - set(found) == {"one-layer", "undefined"}


def test_without_a_class_the_family_speaks_and_then_the_others() -> None:
    holding = [verdict(f"{family}{n}", "holds") for family in "abcde" for n in SIZES]
    definite = [verdict("a", "fails", "family"), verdict("new", "mixed", "family"), verdict("all", "holds", "across")]
    found = expected(*holding, *definite)

    assert found["a30"] == ("predicted", "does_not_hold", "family", None)
    assert found["new"] == found["new160"] == ("predicted", "holds", "across", None)
    assert found["unknown-mixing"] == found["taught"] == ("without_guess", None, None, None)
    assert expected(*holding, verdict("all", "inconclusive", "across"))["new"][0] == "without_guess"
