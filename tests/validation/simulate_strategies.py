"""Trees or the tree: how often one strategy is called better where both err alike, and where one is truly better.

Models of families develop by `end = early + what is added`, with shares of the variance between families, a common
drift, and noise of their own. Where the two strategies err alike on average is found by bisection (on the drift, or on
the share between families), with draws of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from assets.analyses.strategies import STRATEGIES, Model, comparisons, predictions
from assets.claims.statistics.pooling import Floats
from tests.validation.tables import Table, share

REPEATS = 600
FAMILIES = (6, 8, 12)
PER_FAMILY = 3
ROUNDS = 7
BOTH, EARLY, POOLED, FAMILY, ALL = STRATEGIES


@dataclass(frozen=True)
class Truth:
    """Standard deviation 1 between models early on, of which a share `alike` lies between families; what is added later
    has standard deviation `noise` around `drift`, of which a share `alike_later` does."""

    n_families: int
    per_family: int = PER_FAMILY
    alike: float = 0.3
    alike_later: float = 0.0
    drift: float = 0.0
    noise: float = 0.5

    def draws(self, repeats: int, seed: int) -> Iterator[list[Model]]:
        rng = np.random.default_rng(seed)
        for _ in range(repeats):
            early = self._scattered(rng, self.alike)
            final = early + self.drift + self.noise * self._scattered(rng, self.alike_later)
            yield [
                Model(f"m{i}", f"f{i // self.per_family}", f"m{i}", None, float(final[i]), float(early[i]))
                for i in range(early.size)
            ]

    def _scattered(self, rng: np.random.Generator, alike: float) -> Floats:
        families = np.repeat(rng.normal(size=self.n_families), self.per_family)
        return np.sqrt(alike) * families + np.sqrt(1 - alike) * rng.normal(size=families.size)


def compared(models: list[Model], pair: tuple[str, str]) -> dict[str, Any]:
    guesses = {model.model_id: predictions(model, models) for model in models}
    return next(row for row in comparisons(models, guesses) if (row["strategy_a"], row["strategy_b"]) == pair)


def mean_difference(truth: Truth, pair: tuple[str, str], repeats: int, seed: int) -> float:
    return float(np.mean([compared(models, pair)["difference"] for models in truth.draws(repeats, seed)]))


def where_alike(of: Callable[[float], Truth], low: float, high: float, pair: tuple[str, str]) -> Truth:
    """The truth in which both err alike: where the difference of errors changes sign between low and high."""
    rising = mean_difference(of(high), pair, REPEATS // 4, 1) > 0
    for _ in range(ROUNDS):
        middle = (low + high) / 2
        above = mean_difference(of(middle), pair, REPEATS // 4, 1) > 0
        low, high = (low, middle) if above == rising else (middle, high)
    return of((low + high) / 2)


def verdicts(truth: Truth, pair: tuple[str, str], seed: int = 2) -> list[str]:
    """Mean difference of the errors, and the shares of a_better and b_better."""
    found = [compared(models, pair) for models in truth.draws(REPEATS, seed)]
    words = [row["verdict"] for row in found]
    shares = [share(words.count(word) / REPEATS, REPEATS) for word in ("a_better", "b_better")]
    return [f"{np.mean([row['difference'] for row in found]):+.3f}", *shares]


def main() -> None:
    table = Table("a against b", "families x models", "truth", "mean error a - b", "a better", "b better")
    for base in (Truth(1, 12), *(Truth(n) for n in FAMILIES)):
        for pair, told, truth in cases(base):
            shape = f"{base.n_families} x {base.per_family}"
            table.row(" / ".join(pair), shape, told, *verdicts(truth, pair))
    table.print(f"{REPEATS} simulated collections of models; nominal .025 for each word where both err alike")


def cases(base: Truth) -> Iterator[tuple[tuple[str, str], str, Truth]]:
    yield (BOTH, EARLY), "alike", where_alike(lambda value: replace(base, drift=value), 0.0, 1.0, (BOTH, EARLY))
    yield (BOTH, EARLY), "a better: all drift by 1.5", replace(base, drift=1.5)
    yield (BOTH, EARLY), "b better: no drift", base
    yield (BOTH, POOLED), "a better: the early value tells", replace(base, noise=0.3)
    if base.n_families > 1:
        shift = replace(base, alike_later=0.5)
        yield (
            (BOTH, EARLY),
            "alike, families drift",
            where_alike(lambda value: replace(shift, alike_later=value), 0.0, 0.5, (BOTH, EARLY)),
        )
        families = where_alike(lambda value: replace(base, alike=value, alike_later=value), 0.0, 0.95, (FAMILY, ALL))
        yield (FAMILY, ALL), "alike", families
        yield (FAMILY, ALL), "a better: families far apart", replace(base, alike=0.95, alike_later=0.95)
