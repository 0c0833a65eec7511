"""Verdicts on onsets known only as intervals, by the grid of checkpoints: how often wrong, and how often none at all.

Four models a tenfold size apart, runs scattering by .05 in log10 steps around their model. `alike` asks whether all
models are within a factor of 2; its truth at the edge has the smallest and the largest model that far apart.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import polars as pl

from assets.claims.estimands.base import OverFamily, Placed
from assets.claims.estimands.onset_alike import OnsetAlike
from assets.claims.estimands.onset_trend import OnsetTrend
from assets.claims.outcomes import RunOutcome
from assets.claims.reading.evidence import Evidence
from tests.assets.claims.conftest import EVIDENCE
from tests.validation.tables import Table, share

SIMULATIONS = 400
RUNS = (5, 9)
SPREAD = 0.05
FACTOR = 2.0
GRIDS = {
    "5 % apart": np.unique(np.r_[0, np.geomspace(1, 143_000, 250).astype(int)]),
    "Pythia's": np.unique(np.r_[0, 2 ** np.arange(10), np.arange(1000, 144_000, 1000)]),
}
NOTHING = Evidence(pl.DataFrame(schema=EVIDENCE), {}, {})


def main() -> None:
    event = {"of": {"metrics": ["prefix_matching"]}, "passes": 0.3}
    trend = OnsetTrend.model_validate({"kind": "onset_trend", "of": event, "over": "n_params", "direction": "falls"})
    alike = OnsetAlike.model_validate({"kind": "onset_alike", "of": event, "factor": FACTOR})
    edge = math.log10(FACTOR) / 3
    cases: list[tuple[str, OverFamily, str, float]] = [
        ("falls with size", trend, "no trend", 0.0),
        ("falls with size", trend, "falls, half per tenfold", -math.log10(2)),
        ("alike", alike, "at the edge", -edge),
        ("alike", alike, "all the same", 0.0),
        ("alike", alike, "a factor of 4", -2 * edge),
    ]
    table = Table("claim", "truth", "grid", "runs", "holds", "fails")
    for claim, estimand, truth, slope in cases:
        for grid, steps in GRIDS.items():
            for n in RUNS:
                rng = np.random.default_rng(n)
                words = [_verdict(rng, estimand, slope, steps, n) for _ in range(SIMULATIONS)]
                rates = (words.count(word) / SIMULATIONS for word in ("holds", "fails"))
                table.row(claim, truth, grid, n, *(share(rate, SIMULATIONS) for rate in rates))
    table.print(f"Share of {SIMULATIONS} simulated families each with these verdicts")


def _verdict(rng: np.random.Generator, estimand: OverFamily, slope: float, grid: np.ndarray, n: int) -> str:
    units: Mapping[str, Placed] = {
        f"m{i}": Placed(10.0 ** (7 + i), tuple(_seen(onset, grid) for onset in 10 ** rng.normal(mean, SPREAD, n)))
        for i, mean in enumerate(math.log10(700) + slope * (np.arange(4) - 1.5))
    }
    return estimand.over_models(NOTHING, units, None).verdict


def _seen(onset: float, grid: np.ndarray) -> RunOutcome:
    """The interval between the last checkpoint before the onset, of which it is at least a step away, and the next."""
    after = int(np.searchsorted(grid, onset))
    low, high = math.log10(grid[after - 1] + 1), math.log10(grid[after])
    return RunOutcome("r", "decided", low=low, high=high)
