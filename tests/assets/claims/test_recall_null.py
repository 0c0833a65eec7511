"""Recall by the bag of the context's tokens: the verdict on one-layer models must not hang on how its null is counted.

A reader who strikes off what it has seen again guesses the i-th of n tokens with probability 1/(n - i). Averaged over
the n - 1 positions that repeat_recall has, that is H_{n-1}/(n - 1); the chance that is stored counts n positions, as
METRICS does: (H_{n-1} + 1/n)/n.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from assets.probes.repeats import bag_recall, bag_recall_at

if TYPE_CHECKING:
    from tests.assets.claims.conftest import Library, World

ERROR = 0.0079
"""The largest standard error of repeat_recall in the demo's one-layer models."""


def over_positions(n: int) -> float:
    return float(np.mean([1 / (n - i) for i in range(1, n)]))


@pytest.mark.parametrize(("n", "stored", "exact"), [(24, 0.157332, 0.162361), (50, 0.089984, 0.091413)])
def test_the_two_ways_of_counting(n: int, stored: float, exact: float) -> None:
    assert bag_recall(n) == pytest.approx(stored, abs=1e-6)
    assert over_positions(n) == pytest.approx(exact, abs=1e-6)
    assert bag_recall_at(n, 2 * n) == pytest.approx(exact, abs=1e-6)


def test_a_reader_that_strikes_off_reaches_the_null_of_its_positions() -> None:
    """By drawing: 40,000 sequences of 24 tokens, each guess among those not yet seen again; standard error .0004."""
    generator = np.random.default_rng(0)
    n, draws = 24, 40_000
    left = n - np.arange(1, n)
    hits = (generator.random((draws, n - 1)) * left).astype(int) == 0

    assert hits.mean() == pytest.approx(over_positions(n), abs=0.0016)


@pytest.mark.parametrize("n", [16, 24, 50])
@pytest.mark.parametrize("null", [bag_recall, over_positions])
def test_a_reader_of_the_bag_has_no_induction_by_either_count(
    world: World, library: Library, n: int, null: object
) -> None:
    assert callable(null)
    for recall in (bag_recall(n), over_positions(n)):
        run = f"r{recall:.4f}"
        world.model(f"m{recall:.4f}", n_layers=1).run(run, f"m{recall:.4f}")
        world.measure(run, "prefix_matching", {(0, 0): 0.0}).measure(run, "prefix_matching_placebo", {(0, 0): 0.0})
        world.measure(run, "repeat_recall", recall, chance=null(n), error=ERROR)

    decided = world.decide(library.plain("no-induction-in-one-layer"))

    assert {decided.word("run", run["run_id"]) for run in world.runs} == {"holds"}
