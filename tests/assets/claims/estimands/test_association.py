from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy import stats

from assets.claims.estimands.association import rank_correlation

if TYPE_CHECKING:
    from tests.assets.claims.conftest import Library, World


def test_nine_unrelated_runs_have_a_half_width_of_two_thirds() -> None:
    """At rho = 0 the interval is tanh(1.96/sqrt(6)) = .66 on either side."""
    x = [1, 2, 3, 4, 5, 6, 7, 8, 9]
    y = [5, 9, 1, 6, 4, 3, 8, 2, 7]

    found = rank_correlation(x, y)

    assert found.estimate == pytest.approx(float(stats.spearmanr(x, y).statistic))
    assert ((found.high or 0) - (found.low or 0)) / 2 == pytest.approx(math.tanh(1.959964 / math.sqrt(6)), abs=0.01)


@pytest.mark.parametrize(
    ("x", "y", "told"),
    [
        ([1, 2, 3], [1, 2, 3], "fewer than four"),
        ([1, 1, 1, 1], [1, 2, 3, 4], "the same in every run"),
        ([1, 2, 3, 4, 5], [2, 3, 4, 5, 6], "agree fully"),
    ],
)
def test_where_there_is_no_interval_the_reason_is_told(x: list[float], y: list[float], told: str) -> None:
    found = rank_correlation(x, y)

    assert found.low is None
    assert told in found.reason


def test_a_strong_association_over_many_runs_holds(world: World, library: Library) -> None:
    rng = np.random.default_rng(2)
    world.model("m")
    for i in range(20):
        strength = 0.4 + 0.02 * i
        run = f"r{i:02}"
        world.run(run, "m").measure(run, "prefix_matching", {(1, 0): strength})
        world.measure(run, "prefix_matching_placebo", {(1, 0): 0.0})
        world.measure(run, "repeat_recall", strength + rng.normal(0, 0.03))
    world.run("unmeasured", "m").measure("unmeasured", "prefix_matching", {(1, 0): 0.9})
    world.measure("unmeasured", "prefix_matching_placebo", {(1, 0): 0.0})

    decided = world.decide(library.plain("prefix-matching-predicts-recall"))

    model = decided("model", "m")
    assert (model["verdict"], model["n_runs"]) == ("holds", 20)
    assert decided.runs("model", "m")["unmeasured"]["reason"] == "no measurement of repeat_recall"


def test_runs_are_read_as_they_were_compared(world: World, library: Library) -> None:
    """Most runs have three checkpoints, most of those with both quantities four: peaks are those at the three."""
    own = library.claim("prefix-matching-predicts-recall").estimand.model_dump(mode="json")
    first = {"metrics": ["previous_token"], "scale": "value", "quantity": "peak"}
    claim = library.plain("prefix-matching-predicts-recall", estimand={**own, "first": first})
    world.model("m")
    peaks, recalls = [0.3, 0.4, 0.5, 0.6, 0.7], [0.1, 0.3, 0.2, 0.4, 0.6]
    for i, peak in enumerate([*peaks, 0.2, 0.2, 0.2, 0.2]):
        finer = {50: 0.9} if i in (2, 3, 4) else {}
        world.run(f"r{i}", "m").curve(f"r{i}", "previous_token", {0: 0.0, **finer, 100: peak, 200: 0.1})
        if i < len(recalls):
            world.measure(f"r{i}", "repeat_recall", recalls[i], step=200)

    model = world.decide(claim)("model", "m")

    assert model["n_runs"] == 5
    assert model["estimate"] == pytest.approx(float(stats.spearmanr(peaks, recalls).statistic))
