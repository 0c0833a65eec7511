"""Maps, repeats, forests and sizes: what is drawn, what is said, and the sentence where there is nothing."""

from __future__ import annotations

import polars as pl

from reports.charts import forest, head_maps, overlays, repeats, sizes, trajectories
from reports.charts.theme import bottom, filled, spec, step_axis, table, top
from reports.query import Query
from reports.words import NONE

NO_QUERY = Query("SELECT 1")


def rows_of(figure, name: str, panel: int = 0):
    return figure.panels[panel].spec["datasets"][name]


def test_a_map_shows_one_run_at_a_time_and_outlines_its_top_head(catalog):
    frame = head_maps.query("calibration-neox").frame(catalog)

    figure = head_maps.figures(frame, "calibration-neox")[0]

    assert figure.choice.options == tuple(f"calibration-neox-2l-seed{i}" for i in range(6))
    assert [panel.title for panel in figure.panels] == ["Prefix matching minus placebo", "Previous token"]
    tops = [(cell["r"], cell["l"], cell["h"]) for cell in rows_of(figure, "cells") if cell["t"]]
    assert tops == [(run, 1, 1) for run in figure.choice.options]
    assert "the top head sits in layer 1 in 6 of 6 runs, at one place (layer, head)." in figure.caption


def test_maps_of_many_runs_keep_to_their_budget(catalog, monkeypatch):
    monkeypatch.setattr(head_maps, "CELLS", 40)
    frame = head_maps.query("calibration-neox").frame(catalog)

    figure = head_maps.figures(frame, "calibration-neox")[0]

    assert len(figure.choice.options) == 2
    assert "2 of 6 runs can be chosen here." in figure.caption


def test_the_offset_profile_says_where_the_attention_lies(catalog):
    figure = head_maps.profile_figure(head_maps.profile_query("calibration-neox").frame(catalog), "calibration-neox")

    assert "in 6 of 6 runs: offset 0, the target itself, in 6." in figure.caption


def test_the_offset_profile_names_a_model_that_is_one_position_off():
    rows = [
        {"model_id": "m", "run_id": "r", "variant_id": "v", "offset": o, "value": 0.8 if o == -1 else 0.1}
        for o in range(-3, 4)
    ]

    figure = head_maps.profile_figure(pl.DataFrame(rows), "f")

    assert "in 1 of 1 run: offset -1 in 1." in figure.caption


def test_recall_is_said_beside_its_null(catalog):
    recall, loss = repeats.figures(repeats.query("control-one-layer").frame(catalog), "control-one-layer")

    assert "guessing among the tokens of the context gives 0.157" in recall.caption
    assert "No run ends more than 0.05 above that." in recall.caption
    assert rows_of(recall, "nulls") == [{"y": 0.157}]
    assert "4.3 nats per token on the first copy and at 3.4 on the second" in loss.caption


def test_a_single_checkpoint_gives_a_sentence_and_no_curve(catalog):
    frame = repeats.query("smollm2").frame(catalog)

    assert repeats.figures(frame, "smollm2") == []
    assert "recall on repeats 0.97 (null 0.157)" in repeats.final_sentence(frame)


def estimate(label: str, value: float | None, verdict: str, group: str = "f") -> dict[str, object]:
    low, high = (None, None) if value is None else (value - 0.1, value + 0.1)
    return {"group": group, "label": label, "row": label, "estimate": value, "ci_low": low, "ci_high": high} | {
        "verdict": verdict,
        "unit": "excess",
    }


def test_a_forest_counts_its_verdicts_and_says_what_is_missing():
    rows = [estimate("m-seed1", 0.9, "holds"), estimate("m-seed2", 0.2, "fails"), estimate("m-seed3", None, "holds")]

    figure = forest.figure("x", "X", rows, NO_QUERY, "training run", [0.3])

    assert f"2 training runs, estimates 0.2{NONE}0.9: 1 holds and 1 fails." in figure.caption
    assert "1 more has no estimate" in figure.caption
    assert [point["row"] for point in rows_of(figure, "points")] == ["seed1", "seed2"]
    assert rows_of(figure, "lines") == [{"x": 0.3}]


def test_an_interval_on_too_few_units_does_not_squeeze_the_others():
    wide = {**estimate("b", 0.5, "insufficient"), "ci_low": -40.0, "ci_high": 41.0}

    figure = forest.figure("x", "X", [estimate("a", 0.9, "holds"), wide], NO_QUERY, "model")

    assert max(point["high"] for point in rows_of(figure, "points")) < 1.2
    assert "1 interval on too few units reaches beyond the axis." in figure.caption


def test_estimates_without_a_verdict_of_their_own_get_none():
    figure = forest.figure("x", "X", [{**estimate("a", 3.0, ""), "verdict": None}], NO_QUERY, "training run")

    assert [point["verdict"] for point in rows_of(figure, "points")] == ["undecided"]
    assert figure.legend == ()


def test_a_forest_of_many_runs_has_a_row_a_model():
    rows = [{**estimate(f"m-seed{i}", 0.5, "holds"), "row": "m"} for i in range(forest.ROWS + 1)]

    figure = forest.figure("x", "X", rows, NO_QUERY, "training run")

    assert {point["row"] for point in rows_of(figure, "points")} == {"m"}


def test_a_forest_without_estimates_is_a_sentence():
    figure = forest.figure("x", "X", [estimate("r", None, "holds")], NO_QUERY, "training run")

    assert not figure.panels
    assert figure.caption == "No training run has an estimate of its own to show."


def beside(catalog, family: str):
    best, behaviour = trajectories.query(family).frame(catalog), repeats.query(family).frame(catalog)
    return overlays.recall_figure(best, behaviour, family)


def test_recall_comes_with_the_induction_heads(catalog):
    figure = beside(catalog, "calibration-neox")

    assert "In 6 of 6 runs the best head's score and recall both rise." in figure.caption
    assert "or at neighbouring ones in 6 of these, between steps" in figure.caption
    assert {point["metric"] for point in rows_of(figure, "points")} == {
        "Prefix matching minus placebo",
        "Recall on repeats",
    }


def test_where_nothing_rises_the_caption_says_so(catalog):
    assert (
        "In none of 6 runs do both rise: the best head stays at or below"
        in beside(catalog, "control-one-layer").caption
    )


def test_without_both_there_is_no_such_figure(catalog):
    assert beside(catalog, "pythia") is None
    assert beside(catalog, "smollm2") is None


def run(model: str, size: int, value: float) -> dict[str, object]:
    return {"group": "pythia", "model": model, "run": f"{model}-seed{value}", "x": size, "estimate": value}


def test_sizes_are_told_from_small_to_large():
    rows = [run("b", 70, 2.0), run("a", 14, 3.0), run("a", 14, 2.8), run("c", 160, 2.5)]

    figure = sizes.figure(rows, "n_params", True, "Onset", NO_QUERY)

    assert "from small to large, are a 2.9, b 2 and c 2.5; they rise at 1 and fall at 1 of 2 steps" in figure.caption
    assert figure.title == "Onset, by parameters"
    assert [mean["model"] for mean in rows_of(figure, "means")] == ["a", "b", "c"]


def test_sizes_need_two_models():
    figure = sizes.figure([run("a", 14, 3.0)], "n_params", True, "Onset", NO_QUERY)

    assert not figure.panels
    assert "No family has two models" in figure.caption


def test_axes_begin_at_zero_unless_values_are_clearly_negative():
    assert bottom([0.1, -0.001]) == 0
    assert bottom([-0.13]) == -0.2
    assert top([0.4]) == 1
    assert top([4.31]) == 5


def test_long_runs_get_a_logarithmic_axis_with_a_place_for_step_0():
    assert step_axis(143_000).to_dict()["scale"]["type"] == "symlog"
    assert "type" not in step_axis(500).to_dict()["scale"]


def test_specs_carry_rounded_rows_and_no_address():
    chart = filled(spec(table("points").mark_point().encode(x="v:Q")), points=[{"v": 1 / 3}])

    assert chart["datasets"] == {"points": [{"v": 0.3333}]}
    assert "$schema" not in chart
    assert "config" not in chart
