"""The difference that an advisory makes, with the values that it concerns and without them."""

from __future__ import annotations

import pytest

from catalog.home import Home
from tests.assets.analyses.by_hand import Scored

EFFECT = "SELECT suspect, verdict_with, verdict_without, differs, n_runs_with, n_runs_without FROM advisory_effects "


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Scored:
    scored = Scored(Home(tmp_path_factory.mktemp("told")))
    for model in ("outlier", "faulty", "twice", "plain", "instrument"):
        scored.family(model, "control" if model == "instrument" else "natural")
        scored.model(model, model)
        scored.runs(model, [0.1] + [0.8] * 5)
    scored.advise("informs", runs=["outlier-seed0"], labels=["step9"], suspect=False)
    scored.advise("bad", models=["faulty"], runs=["faulty-seed0"], suspect=True)
    scored.advise("one", runs=["twice-seed0"], suspect=True)
    scored.advise("other", models=["twice"], suspect=True)
    scored.advise("elsewhere", models=["plain"], labels=["step1"], suspect=True)
    scored.advise("control", runs=["instrument-seed0"], suspect=False)
    scored.publish()
    return scored


@pytest.mark.parametrize(
    ("advisory", "model", "effect"),
    [
        ("informs", "outlier", (False, "mixed", "holds", True, 6, 5)),
        ("bad", "faulty", (True, "mixed", "holds", True, 6, 5)),
        ("control", "instrument", (False, "mixed", "holds", True, 6, 5)),
        ("other", "twice", (True, "holds", "insufficient", True, 5, 0)),
    ],
)
def test_verdicts_with_and_without(told: Scored, advisory: str, model: str, effect: tuple[object, ...]) -> None:
    """Of twice, seed0 stays out while the advisory on the model is ignored: `one` still makes it suspect."""
    rows = told.query(f"{EFFECT} WHERE advisory_id = '{advisory}' AND level = 'model'")

    assert rows == [effect]
    assert told.query(f"SELECT subject FROM advisory_effects WHERE advisory_id = '{advisory}' AND level = 'model'") == [
        (model,)
    ]


def test_what_concerns_no_evidence_makes_no_difference(told: Scored) -> None:
    """`one` alone would let nothing in, since `other` concerns the same values; `elsewhere` concerns no checkpoint."""
    assert told.query("SELECT DISTINCT advisory_id FROM advisory_effects ORDER BY ALL") == [
        ("bad",), ("control",), ("informs",), ("other",),
    ]  # fmt: skip


def test_a_control_says_nothing_across(told: Scored) -> None:
    across = "SELECT DISTINCT advisory_id FROM advisory_effects WHERE level = 'across' ORDER BY ALL"
    assert told.query(across) == [("bad",), ("informs",), ("other",)]


def test_what_stands_is_the_verdict_now(told: Scored) -> None:
    stands = (
        "SELECT count(*) FROM advisory_effects AS a JOIN current_verdicts AS v USING (claim_id, level, subject) "
        "WHERE v.verdict <> CASE WHEN a.suspect THEN a.verdict_without ELSE a.verdict_with END"
    )
    assert told.query(stands) == [(0,)]
    assert told.query("SELECT verdict FROM current_verdicts WHERE level = 'model' AND subject = 'plain'") == [
        ("mixed",)
    ]
