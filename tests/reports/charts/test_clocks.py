"""Development on both clocks: what runs along each axis, and what the captions say in tokens."""

from __future__ import annotations

import polars as pl
import pytest

from reports.charts import clocks, repeats, trajectories
from reports.query import Query

QUERIES = (Query("SELECT 1"), Query("SELECT 2"))


def of_model(catalog, family: str, model: str):
    frames = trajectories.query(family).frame(catalog), repeats.query(family).frame(catalog)
    return [frame.filter(pl.col("model_id") == model) for frame in frames]


@pytest.fixture
def figures(catalog):
    made = clocks.figures(*of_model(catalog, "calibration-neox", "calibration-neox-2l"), QUERIES)
    return {figure.name: figure for figure in made}


def test_each_metric_has_a_chart_over_steps_and_one_over_tokens(figures):
    figure = figures["clocks-induction"]

    steps, tokens = (panel.spec["datasets"]["points"] for panel in figure.panels)
    assert [panel.title for panel in figure.panels] == ["over training steps", "over training tokens"]
    assert {point["x"] for point in tokens} == {point["x"] * 2048 for point in steps}
    assert len(steps) == 6 * 13
    assert figure.panels[0].spec["datasets"]["runs"][0]["run"] == "calibration-neox-2l-seed0"


def test_onsets_are_told_in_steps_and_in_tokens(figures):
    assert "All 6 pass 0.3 above chance, between steps 280 and 340" in figures["clocks-induction"].caption
    assert "In tokens: between 573k and 696k." in figures["clocks-induction"].caption


def test_whole_checkpoints_are_told_beside_their_null(figures):
    figure = figures["clocks-repeat_recall"]

    assert figure.query == QUERIES[1]
    assert figure.caption.startswith("6 training runs: from 0.02 at the first checkpoint to 0.97 at the last.")
    assert "Chance gives 0.157." in figure.caption


def test_without_tokens_there_is_one_chart_and_a_sentence(catalog):
    best, behaviour = of_model(catalog, "calibration-neox", "calibration-neox-2l")
    unknown = [frame.with_columns(tokens_seen=pl.lit(None, pl.Int64)) for frame in (best, behaviour)]

    figure = clocks.figures(*unknown, QUERIES)[0]

    assert [panel.title for panel in figure.panels] == ["over training steps"]
    assert "Tokens seen are not known here." in figure.caption


def test_charts_of_many_runs_keep_to_their_budget(catalog, monkeypatch):
    monkeypatch.setattr(clocks, "POINTS", 300)

    figure = clocks.figures(*of_model(catalog, "calibration-neox", "calibration-neox-2l"), QUERIES)[0]

    assert len(figure.panels[0].spec["datasets"]["runs"]) < 6
    assert "of 6 runs are drawn." in figure.caption


def test_a_single_checkpoint_gives_no_chart(catalog):
    assert clocks.figures(*of_model(catalog, "smollm2", "smollm2-135m-instruct-q4_1"), QUERIES) == []


def test_the_token_axis_is_logarithmic_over_long_runs_and_has_a_place_for_zero():
    long, short = clocks.token_axis(2_097_152, 300_000_000_000).to_dict(), clocks.token_axis(2048, 1_024_000).to_dict()

    assert long["scale"]["type"] == "symlog"
    assert long["axis"]["values"][:2] == [0, 10_000_000]
    assert "type" not in short["scale"]


def test_thousands_of_points_are_lines_without_a_mark_each(catalog, monkeypatch):
    frames = of_model(catalog, "calibration-neox", "calibration-neox-2l")
    few = clocks.figures(*frames, QUERIES)[0].panels[0].spec
    monkeypatch.setattr(trajectories, "DOTS", 10)

    many = clocks.figures(*frames, QUERIES)[0].panels[0].spec

    assert [layer["name"] for layer in few["layer"]] == ["at_chance", "lines", "dots"]
    assert [layer["name"] for layer in many["layer"]] == ["at_chance", "lines"]
    assert many["datasets"] == few["datasets"]
