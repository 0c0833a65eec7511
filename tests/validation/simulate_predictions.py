"""Frozen predictions: how often intervals cover one training run of a new model, and how well probabilities do.

Models scatter around the mean of their family, runs around their model; laws are lines over sizes. Claims hold in a run
of a model with a probability of its own, which models of a family share in part.
"""

from __future__ import annotations

import numpy as np

from assets.claims.forecasting import MODELS_FOR_A_LAW, line_forecast, probability
from assets.claims.statistics.partial_pooling import forecast
from tests.validation.tables import Table, against, share

REPEATS = 1000
RUNS = 5
NOMINAL = 0.95
BETWEEN_RUNS = 0.5
"""Standard deviation of runs around their model, in that of models."""


def main() -> None:
    table = Table("forecast", "families x models", "variance between families", "covered", "")
    for n_families, per_family in ((1, 3), (1, 9), (3, 3), (5, 2), (10, 2)):
        for alike in (0.0, 0.5, 0.9):
            covered = of_pooling(n_families, per_family, alike)
            shape = f"{n_families} x {per_family}"
            table.row("partial pooling", shape, alike, share(covered, REPEATS), against(covered, REPEATS, NOMINAL))
    for n in (MODELS_FOR_A_LAW, 4, 5, 9):
        covered = of_lines(n)
        table.row("law", f"1 x {n}", "", share(covered, REPEATS), against(covered, REPEATS, NOMINAL))
    table.print(f"One training run of a new model, {REPEATS} repeats, {RUNS} runs a model, nominal {NOMINAL}")

    table = Table("families x models", "families alike", "Brier", "base rate", "same as the last model", "truth known")
    for n_families, per_family in ((2, 2), (2, 4), (5, 4)):
        for alike in (0.0, 0.5, 1.0):
            scores = of_probabilities(n_families, per_family, alike)
            table.row(f"{n_families} x {per_family}", alike, *(f"{score:.3f}" for score in scores))
    table.print(f"Mean Brier score of one training run of a new model, {REPEATS} repeats")


def of_probabilities(n_families: int, per_family: int, alike: float) -> tuple[float, ...]:
    """Brier scores of the forecast, the base rate, the last model of the family and the true probability."""
    rng = np.random.default_rng(7)
    scores = []
    for _ in range(REPEATS):
        centres = rng.beta(0.5, 0.5, n_families)
        own = rng.beta(0.5, 0.5, (n_families, per_family + 1))
        truth = np.where(rng.random(own.shape) < alike, centres[:, None], own)
        shares = rng.binomial(RUNS, truth[:, :per_family]) / RUNS
        guess = probability(shares[0].tolist(), shares[1:].ravel().tolist())
        held = rng.random() < truth[0, -1]
        scores.append([(p - held) ** 2 for p in (guess, shares.mean(), shares[0, -1], truth[0, -1])])
    return tuple(float(score) for score in np.mean(scores, axis=0))


def of_pooling(n_families: int, per_family: int, alike: float) -> float:
    """Coverage for a model of the first family."""
    rng = np.random.default_rng(int(100 * alike) + n_families)
    families = [str(i) for i in range(n_families) for _ in range(per_family)]
    hits = 0
    for _ in range(REPEATS):
        centres = np.sqrt(alike) * rng.normal(size=n_families)
        models = np.append(np.repeat(centres, per_family), centres[0])
        models += np.sqrt(1 - alike) * rng.normal(size=models.size)
        runs = models[:, None] + BETWEEN_RUNS * rng.normal(size=(models.size, RUNS))
        within = float(runs[:-1].var(axis=1, ddof=1).mean())
        found = forecast(runs[:-1].mean(axis=1).tolist(), families, "0", within=within)
        hits += found.low is not None and found.high is not None and found.low <= runs[-1, 0] <= found.high
    return hits / REPEATS


def of_lines(n: int) -> float:
    """Coverage for the next larger model, sizes half a decade apart."""
    rng = np.random.default_rng(n)
    x = 7 + 0.5 * np.arange(n + 1)
    hits = 0
    for _ in range(REPEATS):
        models = 0.5 * x + rng.normal(size=n + 1)
        runs = models[:, None] + BETWEEN_RUNS * rng.normal(size=(n + 1, RUNS))
        within = float(runs[:-1].var(axis=1, ddof=1).mean())
        found = line_forecast(x[:-1].tolist(), runs[:-1].mean(axis=1).tolist(), float(x[-1]), within)
        hits += found.low <= runs[-1, 0] <= found.high
    return hits / REPEATS
