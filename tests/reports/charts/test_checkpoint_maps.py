"""Maps of a run's checkpoints: what the slider moves through, what is said, and what is left out."""

from __future__ import annotations

import pytest

from catalog.read import open_catalog
from reports.charts import checkpoint_maps
from reports.query import Query

QUERY = Query("SELECT 1")


@pytest.fixture
def maps(catalog):
    return checkpoint_maps.read(catalog, "calibration-neox", "calibration-neox-2l")["calibration-neox-2l-seed2"]


def test_the_slider_has_a_place_per_checkpoint_in_the_order_of_training(maps):
    figure = checkpoint_maps.figure(maps, QUERY)

    assert figure.slider.places[0] == "step 0 (0 tokens)"
    assert figure.slider.places[-1] == "step 500 (1.02M tokens)"
    assert len(figure.slider.places) == 13
    assert [panel.title for panel in figure.panels][:2] == ["Prefix matching minus placebo", "Previous token"]


def test_a_head_has_a_value_at_every_place(maps, catalog):
    figure = checkpoint_maps.figure(maps, QUERY)

    cells = figure.panels[1].spec["datasets"]["cells"]
    measured = catalog.sql(
        "SELECT value FROM head_scores WHERE run_id = 'calibration-neox-2l-seed2' AND metric_id = 'previous_token' "
        "AND layer = 0 AND head = 2 ORDER BY step"
    ).fetchall()
    assert len(cells) == 8
    [cell] = [cell for cell in cells if (cell["l"], cell["h"]) == (0, 2)]
    assert cell["v"] == pytest.approx([value for (value,) in measured], abs=5e-4)


def test_one_head_is_outlined_at_every_place(maps):
    best = checkpoint_maps.figure(maps, QUERY).panels[0].spec["datasets"]["best"]

    assert [row["p"] for row in best] == list(range(13))
    assert best[-1] == {"p": 12, "l": 1, "h": 1}


def test_the_caption_says_where_the_top_head_is_and_since_when(maps):
    figure = checkpoint_maps.figure(maps, QUERY)

    assert "at step 500 (1.02M tokens) the highest value is 0.905, at layer 1, head 1" in figure.caption
    assert "it has been the top head since step" in figure.caption


def test_of_more_checkpoints_than_the_page_can_hold_some_are_shown_evenly_spaced(maps, monkeypatch):
    monkeypatch.setattr(checkpoint_maps, "VALUES", 100)

    figure = checkpoint_maps.figure(maps, QUERY)

    assert figure.slider.places[0] == "step 0 (0 tokens)"
    assert figure.slider.places[-1] == "step 500 (1.02M tokens)"
    assert len(figure.slider.places) == 4
    assert "The slider shows 4 of 13 checkpoints, evenly spaced." in figure.caption


def test_a_run_of_which_no_head_was_measured_gets_a_sentence():
    figure = checkpoint_maps.figure(checkpoint_maps.NOTHING, QUERY)

    assert not figure.panels
    assert figure.slider is None
    assert "No map: none of prefix matching minus placebo" in figure.caption


def _without_a_head(tables):
    tables["measurements"] = [
        row
        for row in tables["measurements"]
        if (row["checkpoint_id"], row["layer"], row["head"]) != ("pythia-14m-seed1@step0", 0, 1)
    ]


def test_a_head_that_was_not_measured_at_a_checkpoint_has_no_value_there(home_with):
    with open_catalog(home_with(_without_a_head)) as connection:
        maps = checkpoint_maps.read(connection, "pythia", "pythia-14m")["pythia-14m-seed1"]

    cells = checkpoint_maps.figure(maps, QUERY).panels[0].spec["datasets"]["cells"]
    [cell] = [cell for cell in cells if (cell["l"], cell["h"]) == (0, 1)]
    assert cell["v"][0] is None
    assert None not in cell["v"][1:]
