"""Trees or the tree: how often one strategy is called better where both err alike, and where one is truly better.

Models of families develop by `end = early + what is added`, with shares of the variance between families, a common
drift, and noise of their own. Where the two strategies err alike on average is found by bisection (on the drift, or on
the share between families), with draws of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from assets.analyses.paired import compare
from assets.analyses.strategies import STRATEGIES, Model, predictions
from tests.validation.tables import Table, share

REPEATS = 1000
SIZES = (6, 8, 12, 20)
PER_FAMILY = 3
ROUNDS = 9
BOTH, EARLY, POOLED, FAMILY, ALL = STRATEGIES


@dataclass(frozen=True)
class Truth:
    """Standard deviation 1 between models early on; `families` is the share of it between families."""

    n_models: int
    families: float = 0.3
    drift: float = 0.0
    noise: float = 0.5

    def draws(self, repeats: int, seed: int) -> Iterator[list[Model]]:
        rng = np.random.default_rng(seed)
        for _ in range(repeats):
            family = np.arange(self.n_models) // PER_FAMILY
            early = np.sqrt(self.families) * rng.normal(size=self.n_models)[family]
            early += np.sqrt(1 - self.families) * rng.normal(size=self.n_models)
            final = early + self.drift + self.noise * rng.normal(size=self.n_models)
            yield [
                Model(f"m{i}", f"f{family[i]}", f"m{i}", None, float(final[i]), float(early[i]))
                for i in range(self.n_models)
            ]


def errors(models: list[Model], strategies: tuple[str, str]) -> tuple[list[float], list[float]]:
    """Absolute errors of both on the models that both predict."""
    guesses = [predictions(model, models) for model in models]
    found = [
        [abs((guess[s].value or 0.0) - model.final) for s in strategies]
        for guess, model in zip(guesses, models, strict=True)
        if all(guess[s].value is not None for s in strategies)
    ]
    return [a for a, _ in found], [b for _, b in found]


def mean_difference(truth: Truth, strategies: tuple[str, str], repeats: int, seed: int) -> float:
    found = [errors(models, strategies) for models in truth.draws(repeats, seed)]
    return float(np.mean([np.mean(a) - np.mean(b) for a, b in found]))


def alike(of: Callable[[float], Truth], low: float, high: float, strategies: tuple[str, str]) -> float:
    """The value at which both err alike: where the difference of errors changes sign between low and high."""
    rising = mean_difference(of(high), strategies, REPEATS // 4, 1) > 0
    for _ in range(ROUNDS):
        middle = (low + high) / 2
        above = mean_difference(of(middle), strategies, REPEATS // 4, 1) > 0
        low, high = (low, middle) if above == rising else (middle, high)
    return (low + high) / 2


def verdicts(truth: Truth, strategies: tuple[str, str], seed: int = 2) -> tuple[float, float, float]:
    """Mean difference of the errors, and the shares of a_better and b_better."""
    found = [compare(*errors(models, strategies)) for models in truth.draws(REPEATS, seed)]
    better = [comparison.better for comparison in found]
    difference = float(np.mean([comparison.difference.estimate for comparison in found]))
    return difference, better.count("a_better") / REPEATS, better.count("b_better") / REPEATS


def main() -> None:
    table = Table("a against b", "models", "truth", "mean error a - b", "a better", "b better")
    for n in SIZES:
        base = Truth(n)
        cases = [
            ((BOTH, EARLY), "alike", drifting(base)),
            ((BOTH, EARLY), "a better: all drift by 1.5", replace(base, drift=1.5)),
            ((BOTH, EARLY), "b slightly better: no drift", base),
            ((BOTH, POOLED), "a better: the early value tells", replace(base, noise=0.3)),
            ((FAMILY, ALL), "alike", clustered(base)),
            ((FAMILY, ALL), "a better: families far apart", replace(base, families=0.95, noise=0.1)),
        ]
        for strategies, told, truth in cases:
            difference, a, b = verdicts(truth, strategies)
            words = " / ".join(strategies)
            table.row(words, n, told, f"{difference:+.3f}", share(a, REPEATS), share(b, REPEATS))
    table.print(f"{REPEATS} simulated collections, {PER_FAMILY} models to a family; each word at most .025 where alike")


def drifting(base: Truth) -> Truth:
    """As much common drift as makes the two strategies err alike."""
    drift = alike(lambda value: replace(base, drift=value), 0.0, 1.5, (BOTH, EARLY))
    return replace(base, drift=drift)


def clustered(base: Truth) -> Truth:
    """Families as far apart as makes the mean of two relatives as good as that of everybody."""
    families = alike(lambda value: replace(base, families=value), 0.0, 0.95, (FAMILY, ALL))
    return replace(base, families=families)
