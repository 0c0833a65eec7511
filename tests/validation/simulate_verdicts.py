"""Error rate of each kind of verdict at 3, 5, 9 and 20 units: `holds` and `fails` where the truth is at the very edge.

Each rule is asked alone, without the gate that lets no model speak on fewer than five runs and no family vote across on
fewer than five families: figures below that show what the gate is for. A trend claims an order of all sizes: where
models differ by more than their runs, a step that goes down is real, and `fails` is the right word for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from assets.claims.estimands.association import rank_correlation
from assets.claims.statistics import pooling
from assets.claims.statistics.trends import Group, trend
from assets.claims.verdicts import by_interval, equivalence_rule, in_every, mean_rule, votes_rule
from tests.validation.tables import Table, share

UNITS = (3, 5, 9, 20)
SIMULATIONS = 2000
LAYERS = 6
Say = Callable[[np.random.Generator, int], str]
"""The verdict in one simulation."""


def main() -> None:
    table = Table("rule", "truth", "units", "holds", "fails", "")
    for rule, truth, say in cases():
        for units in UNITS:
            rng = np.random.default_rng(units)
            words = [say(rng, units) for _ in range(SIMULATIONS)]
            rates = [words.count(word) / SIMULATIONS for word in ("holds", "fails")]
            told = "above 5 %" if max(rates) > 0.05 + 2 * (0.05 * 0.95 / SIMULATIONS) ** 0.5 else ""
            table.row(rule, truth, units, *(share(rate, SIMULATIONS) for rate in rates), told)
    table.print(f"Share of {SIMULATIONS} simulations each with these verdicts, the truth being at the edge")


def cases() -> Iterator[tuple[str, str, Say]]:
    yield "in every run (level, contrast, order)", "true in half of the runs", _every
    yield "mean above a threshold", "mean at the threshold", _mean
    yield "equivalence", "mean at the margin", _equivalence
    yield "agreement above chance", "uniform draws", _agreement
    yield "association above 0", "independent", _association
    yield "trend over 4 models", "none; models are alike", _trend(0.0)
    yield "trend over 4 models", "none; models scatter like runs", _trend(0.05)
    yield "across families, by votes", "true in half of the families", _votes


def _every(rng: np.random.Generator, n: int) -> str:
    holding = int(rng.binomial(n, 0.5))
    return in_every(holding, n - holding, 0).verdict


def _votes(rng: np.random.Generator, n: int) -> str:
    return votes_rule({f"f{i}": "h" if holds else "f" for i, holds in enumerate(rng.random(n) < 0.5)}).verdict


def _mean(rng: np.random.Generator, n: int) -> str:
    return mean_rule(rng.normal(0.3, 0.05, n).tolist(), None, "above", 0.3, None, "").verdict


def _equivalence(rng: np.random.Generator, n: int) -> str:
    values = rng.normal(0.1, 0.05, n).tolist()
    found = pooling.equivalence(lambda confidence: pooling.mean_interval(values, confidence), 0.1)
    return equivalence_rule(found, 0.1, "", "").verdict


def _agreement(rng: np.random.Generator, n: int) -> str:
    found = pooling.agreement(rng.integers(0, LAYERS, n).tolist(), LAYERS)
    return by_interval(found, "above", 0.0, None, "", "").verdict


def _association(rng: np.random.Generator, n: int) -> str:
    x, y = rng.normal(0, 1, (2, n)).tolist()
    return by_interval(rank_correlation(x, y), "above", 0.0, None, "", "").verdict


def _trend(scatter: float) -> Say:
    """Runs that scatter by .05 around models that scatter by this."""

    def say(rng: np.random.Generator, n: int) -> str:
        means = rng.normal(0, scatter, 4)
        runs = means[:, None] + rng.normal(0, 0.05, (4, n))
        return trend([Group(str(i), float(i), tuple(values)) for i, values in enumerate(runs.tolist())], 1).verdict

    return say
