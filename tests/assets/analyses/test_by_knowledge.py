"""What was public by a day: published values by their date, our own by that of their recording."""

from __future__ import annotations

import pytest

from catalog.home import Home
from tests.assets.analyses.by_hand import Scored

KNOWN = "SELECT CAST(known_by AS VARCHAR), sources, verdict, verdict_now, n_runs FROM verdicts_known_by WHERE "


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Scored:
    """a-1: three published runs in 2022, five more in 2024, and our own of all, which the field did not know.
    a-2: ours alone. b-1: one source, whose second version superseded the first."""
    scored = Scored(Home(tmp_path_factory.mktemp("told")))
    for model in ("a-1", "a-2", "b-1"):
        scored.family(model[0])
        scored.model(model, model[0])
    scored.runs("a-1", [0.8] * 3, source="early", known_on="2022-01-01")
    scored.runs("a-1", [0.8] * 5, first=3, source="late", known_on="2024-01-01")
    scored.runs("a-1", [0.1] * 8)
    scored.runs("a-2", [0.8] * 5)
    scored.runs("b-1", [0.7], source="early", known_on="2022-01-01")
    scored.runs("b-1", [0.5], source="early", known_on="2024-01-01", version=2)
    scored.publish()
    return scored


def test_each_source_counts_from_its_day(told: Scored) -> None:
    assert told.query(f"{KNOWN} level = 'model' AND subject = 'a-1' ORDER BY known_by") == [
        ("2022-01-01", ["early"], "insufficient", "fails", 3),
        ("2024-01-01", ["early", "late"], "holds", "fails", 8),
    ]


def test_nothing_is_said_of_what_nobody_had_measured(told: Scored) -> None:
    subjects = "SELECT DISTINCT subject FROM verdicts_known_by WHERE level = 'model' ORDER BY subject"
    assert told.query(subjects) == [("a-1",), ("b-1",)]


def test_the_version_that_stood_on_the_day_counts(told: Scored) -> None:
    best = "SELECT max(value) FROM {} WHERE model_id = 'b-1'"
    assert told.query(best.format("evidence_under(known_by := DATE '2022-06-01')")) == [(0.7,)]
    assert told.query(best.format("evidence_under(known_by := DATE '2024-06-01')")) == [(0.5,)]
    assert told.query(best.format("evidence_under(known_by := DATE '2021-06-01')")) == [(None,)]
    assert told.query(best.format("evidence")) == [(0.5,)]
