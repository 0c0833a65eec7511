from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from tests.assets.claims.estimands.developing import BATCH, DOUBLING, LENGTH, develop

if TYPE_CHECKING:
    from tests.assets.claims.conftest import Library, World

CLAIM = "onset-by-batch-and-context"
PREDICTED = 10**5.7 * math.sqrt(BATCH * LENGTH) / (BATCH * LENGTH)
"""Steps: 5538."""


@pytest.mark.parametrize(
    ("onset", "verdict", "told"),
    [
        (PREDICTED, "holds", "within a factor of 2 of the predicted 4.54e+07"),
        (PREDICTED * 1.7, "holds", "within a factor of 2"),
        (PREDICTED / 1.7, "holds", "within a factor of 2"),
        (PREDICTED / 2.5, "fails", "not within a factor of 2"),
        (math.inf, "inconclusive", "8.19e+07 to ... tokens, perhaps within a factor of 2"),
    ],
)
def test_an_onset_against_the_law(world: World, library: Library, onset: float, verdict: str, told: str) -> None:
    run = develop(world, {"m": [onset]}).decide(library.plain(CLAIM))("run", "natural-m-seed0")

    assert run["verdict"] == verdict
    assert told in run["reason"]


def test_not_seen_by_more_than_twice_the_prediction_fails(world: World, library: Library) -> None:
    develop(world, {"m": [math.inf]}, grid=(0, 5000, 12_000))

    run = world.decide(library.plain(CLAIM))("run", "natural-m-seed0")

    assert run["verdict"] == "fails"
    assert "never passed 0.3 to stay" in run["reason"]


def test_there_before_the_first_checkpoint_is_too_early_where_that_one_is(world: World, library: Library) -> None:
    develop(world, {"m": [60.0]}, grid=(1000, 2000, 12_000), family="early")
    develop(world, {"m": [60.0]}, grid=(4000, 8000, 12_000), family="late")

    decided = world.decide(library.plain(CLAIM))

    assert (decided.word("run", "early-m-seed0"), decided.word("run", "late-m-seed0")) == ("fails", "inconclusive")
    assert "was past 0.3 at the first checkpoint already; ... to 8.19e+06" in decided("run", "early-m-seed0")["reason"]


def test_a_wide_interval_around_the_prediction_is_undecided(world: World, library: Library) -> None:
    run = develop(world, {"m": [PREDICTED]}, DOUBLING).decide(library.plain(CLAIM))("run", "natural-m-seed0")

    assert run["verdict"] == "inconclusive"  # steps (4096, 8192]: the last checkpoint, which none confirms


def test_the_estimate_is_the_log_of_onset_over_prediction(world: World, library: Library) -> None:
    run = develop(world, {"m": [PREDICTED * 1.5]}).decide(library.plain(CLAIM))("run", "natural-m-seed0")

    assert run["estimate"] == pytest.approx(math.log10(1.5), abs=0.02)
    assert run["ci_low"] < math.log10(1.5) < run["ci_high"]


def test_without_a_known_batch_there_is_no_prediction(world: World, library: Library) -> None:
    run = develop(world, {"m": [PREDICTED]}, batch_size=None).decide(library.plain(CLAIM))("run", "natural-m-seed0")

    assert run["verdict"] == "insufficient"
    assert "batch_size of the model not known" in run["reason"]


def test_the_model_says_when_its_runs_had_it(world: World, library: Library) -> None:
    """On a grid with few cells: all in one, told as it is; in three, by their median."""
    grid = (0, 1000, 3000, 4000, 6000, 8000, 12_000, 20_000)
    develop(world, {"s": [5500.0] * 5, "m": [5500.0] * 3 + [3500.0, 7000.0]}, grid)

    decided = world.decide(library.plain(CLAIM))

    assert decided.word("model", "natural-s") == "holds"
    assert decided("model", "natural-s")["reason"].endswith("Seen at steps (4000, 6000] in each.")
    assert decided("model", "natural-m")["reason"].endswith("Seen at the median in steps (4000, 6000] (Turnbull).")


def test_the_whole_family_whatever_the_size(world: World, library: Library) -> None:
    """Four sizes at the prediction hold; with one at a third of it, mixed."""
    develop(world, {size: [PREDICTED] * 5 for size in ("xs", "s", "m", "l")}, family="lawful")
    develop(world, {"xs": [PREDICTED] * 5, "l": [PREDICTED / 3] * 5}, family="unlawful")

    decided = world.decide(library.plain(CLAIM))

    assert (decided.word("family", "lawful"), decided.word("family", "unlawful")) == ("holds", "mixed")


def test_models_trained_on_no_language_are_outside(world: World, library: Library) -> None:
    world.family("ours", "calibration")
    run = develop(world, {"m": [60.0]}, family="ours").decide(library.plain(CLAIM))("run", "ours-m-seed0")

    assert run["verdict"] == "not_applicable"
