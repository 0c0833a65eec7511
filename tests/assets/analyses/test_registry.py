"""What makes another situation, so that claims and analyses are gone through again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from assets.analyses.registry import situation_digest
from catalog.read import open_catalog

if TYPE_CHECKING:
    from tests.assets.analyses.by_hand import Scored

CHECKPOINT = {"checkpoint_id": "m-seed0@step3", "run_id": "m-seed0", "label": "step3", "step": 3, "is_final": False}


def digest(scored: Scored) -> str:
    scored.publish()
    with open_catalog(scored.home) as connection:
        return situation_digest(connection, [])


@pytest.mark.parametrize("change", [{"availability": "available"}, {"availability": "missing", "step": 4}])
def test_a_checkpoint_that_nobody_measured_is_another_situation(scored: Scored, change: dict[str, Any]) -> None:
    """What conflicts between claims would cost to settle, and how early a checkpoint is, hang on it."""
    scored.family("f")
    scored.model("m", "f")
    scored.runs("m", [0.8])
    before = digest(scored)
    assert digest(scored) == before

    scored.record.put("checkpoints", "m-seed0@step3", {"checkpoints": [{**CHECKPOINT, **change}]})

    assert digest(scored) != before


def test_other_bounds_of_a_metric_are_another_situation(scored: Scored) -> None:
    """They bound predictions and scale likeness."""
    scored.family("f")
    scored.model("m", "f")
    scored.runs("m", [0.8])
    before = digest(scored)

    metric = scored.record.latest("metrics", "prefix_matching")
    assert metric is not None
    scored.record.put("metrics", "prefix_matching", {"metrics": [{**metric["metrics"][0], "upper": 2.0}]})

    assert digest(scored) != before
