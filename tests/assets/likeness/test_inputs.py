"""What measures are given, read from a record made by hand: induction over training is less its placebo."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from assets.likeness.inputs import Inputs
from assets.probes.registry import Measurement, Metric, variant_id
from assets.probes.rows import put_definitions
from catalog.read import open_catalog
from tests.assets.likeness.by_hand import INPUTS
from tests.assets.likeness.conftest import STEPS, HandMade

PLACEBO = Metric(
    "prefix_matching_placebo", "induction", "attention", "head", "probability", "...", "...", lower=0.0, upper=1.0
)


def placebo(values: np.ndarray, **changed: object) -> list[Measurement]:
    inputs = {**INPUTS, "input": "distinct", **changed}
    places = [(layer, head) for layer in (0, 1) for head in (0, 1, 2)]
    return [
        Measurement("prefix_matching_placebo", inputs, float(value), layer=layer, head=head)
        for (layer, head), value in zip(places, values, strict=True)
    ]


def courses(made: HandMade) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Those of prefix_matching, and the scores of its heads."""
    made.publish_uncompared()
    with open_catalog(made.home) as connection:
        found = Inputs(connection, made.record).courses.filter(metric_id="prefix_matching")
        scores = connection.sql("SELECT * FROM head_scores WHERE metric_id = 'prefix_matching' ORDER BY ALL").pl()
    return found, scores


@pytest.fixture
def made(recorded: HandMade, tmp_path: Path) -> HandMade:
    return recorded.copied_to(tmp_path)


def test_the_best_head_over_training_is_that_less_its_placebo(made: HandMade) -> None:
    put_definitions(made.record, [PLACEBO], [])
    measured = {step: np.random.default_rng(step).random(6) for step in STEPS}
    for step, values in measured.items():
        made.put_probe_run(f"small-seed0@step{step}", "placebo", placebo(values), {})

    found, scores = courses(made)

    own = found.filter(run_id="small-seed0").sort("step")
    final = scores.filter(run_id="small-seed0").sort("step", "layer", "head")["value"].to_numpy().reshape(-1, 6)
    assert own["best"].to_list() == pytest.approx(list((final - np.array(list(measured.values()))).max(1)))
    assert own["less_placebo"].all()
    assert "small-seed1" not in found["run_id"]  # its model has a placebo, it has none
    others = found.filter(model_id="large")
    assert (len(others), others["less_placebo"].any()) == (2 * len(STEPS), False)


def test_prefix_matching_on_tokens_drawn_otherwise_than_the_placebos_has_no_course(made: HandMade) -> None:
    put_definitions(made.record, [PLACEBO], [])
    other = [Measurement("prefix_matching", {**INPUTS, "tokens": "all"}, 0.5, layer=0, head=head) for head in (0, 1, 2)]
    made.put_probe_run("alone-seed0@step0", "placebo", [*placebo(np.zeros(6)), *other], {})

    found, _ = courses(made)

    assert set(found.filter(model_id="alone")["variant_id"]) == {variant_id("prefix_matching", INPUTS)}
    assert found.filter(model_id="alone")["step"].to_list() == [0]
