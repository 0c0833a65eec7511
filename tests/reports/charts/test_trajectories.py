"""What captions say of trajectories follows from the numbers."""

from __future__ import annotations

import polars as pl
import pytest

from reports.charts import trajectories
from reports.charts.trajectories import Line
from reports.words import NONE

STEPS = [0, 100, 200, 300, 400]


def frame(
    values: dict[str, list[float]], metric: str = "previous_token", chance: float = 0.0, has_excess: bool = True
) -> pl.DataFrame:
    """The shape of the query's answer: a run's values at STEPS."""
    rows = [
        {"model_id": "m", "run_id": run, "metric_id": metric, "variant_id": metric, "step": step, "value": value}
        | {"layer": 0, "head": 1, "chance": chance, "provenance": "measured", "has_excess": has_excess}
        for run, found in values.items()
        for step, value in zip(STEPS, found, strict=True)
    ]
    return pl.DataFrame(rows)


def test_an_onset_must_be_confirmed_by_the_next_checkpoint():
    assert Line("r", STEPS, [0.0, 0.1, 0.5, 0.6, 0.9], 0.0).passes() == (100, 200)
    assert Line("r", STEPS, [0.0, 0.5, 0.1, 0.6, 0.9], 0.0).passes() == (200, 300)
    assert Line("r", STEPS, [0.0, 0.0, 0.0, 0.0, 0.9], 0.0).passes() is None


def test_an_onset_is_counted_from_chance():
    assert Line("r", STEPS, [0.2, 0.4, 0.4, 0.6, 0.6], 0.2).passes() == (200, 300)


def test_the_rise_is_timed_between_its_lower_and_upper_tenth():
    assert Line("r", STEPS, [0.0, 0.05, 0.5, 0.95, 1.0], 0.0).rise() == 200
    assert Line("r", STEPS, [0.5] * 5, 0.0).rise() is None


def test_the_caption_tells_start_end_and_onset():
    text = trajectories.caption(frame({"a": [0.1, 0.1, 0.2, 0.8, 0.9], "b": [0.1, 0.2, 0.8, 0.9, 0.92]}))

    assert f"Best head of 2 training runs: from 0.1 at the first checkpoint to 0.9{NONE}0.92 at the last." in text
    assert "All 2 pass 0.3 above chance, between steps 100 and 300" in text


def test_the_caption_of_flat_lines_says_that_nothing_rises():
    text = trajectories.caption(frame({"a": [0.1, 0.1, 0.12, 0.1, 0.11]}))

    assert "No run stays past 0.3 above chance; the highest value is 0.12." in text


def test_the_caption_of_a_metric_without_excess_speaks_of_no_threshold():
    text = trajectories.caption(frame({"a": [1.0, 0.9, 0.8, 0.8, 0.7]}, "attention_entropy", 1.0, has_excess=False))

    assert (
        text
        == "Best head of 1 training run: from 1 at the first checkpoint to 0.7 at the last. The highest value is 1."
    )


def behaviour(recall: float, gain: float) -> pl.DataFrame:
    """The last checkpoint's behaviour of two runs; the null of recall is .157."""
    values = {"repeat_recall": (recall, 0.157), "repeat_gain": (gain, 0.0)}
    return pl.DataFrame(
        [
            {"run_id": run, "metric_id": metric, "stratum": "", "step": 400, "value": value, "chance": chance}
            for run in ("a", "b")
            for metric, (value, chance) in values.items()
        ]
    )


RISING = {"a": [0.05, 0.1, 0.1, 0.15, 0.2], "b": [0.05, 0.1, 0.1, 0.2, 0.3]}


def test_drift_without_reward_is_named_with_its_numbers():
    text = trajectories.drift(frame(RISING), behaviour(0.1, 0.01), "control")

    assert text.startswith("Drift without reward")
    assert "in 2 of 2 runs the best head's previous-token score rises by more than 0.1, up to 0.3" in text
    assert f"it ends at 0.2{NONE}0.3" in text
    assert "recall ends at 0.1 at most, where guessing from the context gives 0.157" in text


@pytest.mark.parametrize(
    ("values", "recall", "gain", "role"),
    [
        (RISING, 0.1, 0.01, "calibration"),
        (RISING, 0.9, 0.01, "control"),
        (RISING, 0.1, 1.0, "control"),
        ({"a": [0.05] * 5}, 0.1, 0.01, "control"),
    ],
)  # fmt: skip
def test_drift_is_not_named_where_the_numbers_do_not_show_it(values, recall, gain, role):
    assert trajectories.drift(frame(values), behaviour(recall, gain), role) == ""


def test_drift_stands_on_the_control_family_s_page_alone(pages):
    named = [path for path, page in pages.items() if "Drift without reward" in page.text]

    assert named == ["families/control-no-repeats.html"]


def test_prefix_matching_is_drawn_less_its_placebo_over_chance(catalog):
    rows = trajectories.query("calibration-neox").frame(catalog)
    induction = rows.filter((pl.col("metric_id") == "induction") & (pl.col("step") == 500))

    score, placebo, chance = 0.028 + 0.004 * 0 + 0.88, 0.028, 0.028
    assert set(rows["metric_id"]) >= {"induction", "previous_token"}
    assert not set(rows["metric_id"]) & {"prefix_matching", "prefix_matching_placebo"}
    assert induction["value"].to_list() == pytest.approx([(score - placebo) / (1 - chance)] * 6, abs=1e-6)
    assert induction.select("layer", "head").unique().rows() == [(1, 1)]
