"""The change log tells why a verdict moved: a history of one record, each model moved by a cause of its own."""

from __future__ import annotations

from typing import Any

import pytest

from assets.claims import gates, recording
from assets.claims.schema import Claim, load_claims
from assets.publish import publication
from catalog.home import Home
from tests.assets.analyses.by_hand import CLAIM, Scored

MODELS = ("more-runs", "other-values", "advised", "advised-and-more", "informed", "few")


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Scored:
    scored = Scored(Home(tmp_path_factory.mktemp("told")))
    scored.family("f")
    for model in MODELS:
        scored.model(model, "f")
        scored.runs(model, [0.8] * (4 if model == "few" else 5))
    scored.publish()

    scored.runs("more-runs", [0.1], first=5)
    scored.score("other-values-seed0", 0.1, version=2)
    scored.advise("bad", runs=["advised-seed0", "advised-and-more-seed0"], suspect=True)
    scored.advise("informs", runs=["informed-seed0"], suspect=False)
    scored.runs("advised-and-more", [0.1], first=5)
    scored.runs("informed", [0.1], first=5)
    scored.publish()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gates, "RUNS_NEEDED", 4)
        scored.advise("bad", runs=["advised-seed0", "advised-and-more-seed0"], suspect=True, withdrawn=True)
        scored.publish()
        patch.setattr(gates, "RUNS_NEEDED", 5)
        patch.setattr(publication, "DECISION_VERSION", 99)
        scored.runs("more-runs", [0.1], first=6)
        scored.publish()
        for module in (recording, publication):
            patch.setattr(module, "load_claims", stricter)
        scored.publish()
    return scored


def stricter(_: Any) -> list[Claim]:
    """The claim in a second version, with a threshold that no score passes."""
    content = load_claims([CLAIM])[0].model_dump(mode="json")
    estimand = {**content["estimand"], "threshold": 0.9}
    return [Claim.model_validate({**content, "version": 2, "specifications": {}, "estimand": estimand})]


@pytest.mark.parametrize(
    ("model", "moves"),
    [
        ("more-runs", [("holds", "mixed", "change", "new run")]),
        ("other-values", [("holds", "mixed", "change", "new values")]),
        ("advised", [("holds", "insufficient", "drift", "advisory"), ("insufficient", "holds", "drift", "advisory")]),
        ("advised-and-more", [("holds", "mixed", "change", "advisory, new run")]),
        ("informed", [("holds", "mixed", "change", "new run")]),
        (
            "few",
            [
                ("insufficient", "inconclusive", "drift", "unknown"),
                ("inconclusive", "insufficient", "drift", "new definition"),
            ],
        ),
    ],
)
def test_each_move_has_its_cause(told: Scored, model: str, moves: list[tuple[str, ...]]) -> None:
    """Rules changed without their version raised (few, the first time) are what nobody can tell afterwards."""
    rows = told.query(
        "SELECT previous, verdict, kind, cause FROM verdict_changes "
        f"WHERE level = 'model' AND subject = '{model}' AND verdict <> 'fails' ORDER BY since_build"
    )

    assert rows[0][0] is None
    assert rows[0][2:] == ("first", None)
    assert rows[1:] == moves


def test_another_version_of_the_claim_is_a_new_definition(told: Scored) -> None:
    rows = told.query(
        "SELECT subject, cause, claim_changed FROM verdict_changes WHERE level = 'model' AND verdict = 'fails'"
    )

    assert sorted(rows) == [(model, "new definition", True) for model in sorted(MODELS) if model != "few"]


def test_moves_of_families_are_told_too(told: Scored) -> None:
    [move, *_] = told.query(
        "SELECT previous, verdict, cause FROM verdict_changes WHERE level = 'family' AND previous = 'holds'"
    )

    assert move == ("holds", "mixed", "advisory, new run")
