"""Correlation by head index: coverage of its interval, and verdicts of equivalence, at a planted correlation.

Runs share a pattern over the heads; scores are normal, layers have 4 heads as in Pythia-14m (6 layers), or 12 as in
Pythia-160m (12 layers). Bound: .1.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from assets.claims.statistics import pooling
from assets.claims.statistics.exchangeable import correlation_by_index
from tests.validation.tables import Table, share

CATALOGS = 1000
DELTA = 0.1
SHAPES = ((6, 4), (12, 12))
RUNS = (5, 9, 20)
PLANTED = (0.0, 0.1, 0.3)


def main() -> None:
    rng = np.random.default_rng(11)
    table = Table("heads", "runs", "planted", "coverage of 90 %", "coverage of 95 %", "holds", "fails", "")
    for shape in SHAPES:
        for k in RUNS:
            for planted in PLANTED:
                table.row(shape[0] * shape[1], k, planted, *rates(rng, k, shape, planted))
    table.print(
        f"Verdicts on a planted correlation by head index, bound {DELTA}, {CATALOGS} catalogs each: holds is wrong "
        f"from {DELTA} on, fails is wrong up to {DELTA}"
    )


def rates(rng: np.random.Generator, k: int, shape: tuple[int, int], planted: float) -> list[str]:
    found = [catalog(rng, k, shape, planted) for _ in range(CATALOGS)]
    narrow, wide = (
        float(np.mean([(low or 0.0) <= planted <= (high or 0.0) for low, high in ends]))
        for ends in (
            [(each.narrow.low, each.narrow.high) for each in found],
            [(each.wide.low, each.wide.high) for each in found],
        )
    )
    holds, fails = (sum(each.decision == word for each in found) / CATALOGS for word in ("holds", "fails"))
    wrong = (holds if planted >= DELTA else 0.0) + (fails if planted <= DELTA else 0.0)
    cells = [share(value, CATALOGS) for value in (narrow, wide, holds, fails)]
    return [*cells, "above 5 %" if wrong > 0.05 + 2 * (0.05 * 0.95 / CATALOGS) ** 0.5 else ""]


def catalog(rng: np.random.Generator, k: int, shape: tuple[int, int], planted: float) -> pooling.Equivalence:
    """k runs whose scores of a layer's heads correlate by `planted`."""
    scores = np.sqrt(planted) * rng.normal(size=shape) + np.sqrt(1 - planted) * rng.normal(size=(k, *shape))
    layer = np.repeat(np.arange(shape[0]), shape[1])
    frames = [pl.DataFrame({"layer": layer, "value": run.ravel()}) for run in scores]
    return pooling.equivalence(lambda confidence: correlation_by_index(frames, confidence), DELTA)
