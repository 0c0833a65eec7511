"""A family's sizes on one axis: median and range of runs, colours by size, when each passes the threshold."""

from __future__ import annotations

import polars as pl
import pytest

from reports.charts import aligned, trajectories


@pytest.fixture
def best(catalog):
    return trajectories.query("pythia").frame(catalog)


def test_each_model_is_a_line_of_its_median_run_between_its_lowest_and_highest(best):
    figure = aligned.figure(best, "pythia")

    points = figure.panels[0].spec["datasets"]["points"]
    runs = best.filter((pl.col("model_id") == "pythia-14m") & (pl.col("step") == 1000))
    [point] = [p for p in points if (p["model"], p["x"]) == ("pythia-14m", 1000 * 2048)]
    assert [panel.title for panel in figure.panels] == ["Previous token (all positions)"]
    assert runs.height == 5
    assert point["value"] == pytest.approx(runs["value"].median(), abs=1e-4)
    assert (point["low"], point["high"]) == pytest.approx((runs["value"].min(), runs["value"].max()), abs=1e-4)


def test_the_legend_goes_from_small_to_large(best):
    figure = aligned.figure(best, "pythia")

    assert [key.label for key in figure.legend] == ["pythia-14m", "pythia-70m", "pythia-160m"]
    assert [key.colour for key in figure.legend] == ["var(--size-0)", "var(--size-4)", "var(--size-7)"]


def test_the_caption_says_when_each_median_run_passes_the_threshold(best):
    caption = aligned.figure(best, "pythia").caption

    assert (
        "passes 0.3 above chance at 2.05M in pythia-14m, at 524k in pythia-70m and at 524k in pythia-160m." in caption
    )


def test_without_tokens_steps_are_the_clock(best):
    figure = aligned.figure(best.with_columns(tokens_seen=pl.lit(None, pl.Int64)), "pythia")

    assert "Best head by training steps" in figure.caption
    assert {point["x"] for point in figure.panels[0].spec["datasets"]["points"]} >= {0, 1000, 143000}


def test_a_family_of_one_model_has_nothing_to_align(catalog):
    assert aligned.figure(trajectories.query("calibration-neox").frame(catalog), "calibration-neox") is None
    assert aligned.figure(trajectories.query("smollm2").frame(catalog), "smollm2") is None
