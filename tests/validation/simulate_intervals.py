"""Coverage of the intervals that verdicts rest on, at 3, 5, 9 and 20 units: how often they hold the truth.

Truths are drawn as the rules assume them, and once each as they do not (runs that scatter with a long tail, a share
near one), since the second is what readers should fear. `missed`: below the nominal level, simulation error aside.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from assets.claims.estimands.association import rank_correlation
from assets.claims.statistics import pooling, trends
from assets.claims.statistics.pooling import Interval
from tests.validation.tables import Table, against, share

UNITS = (3, 5, 9, 20)
SIMULATIONS = 2000
Draw = Callable[[np.random.Generator, int], tuple[Interval, float]]
"""One simulated interval and the truth that it should hold."""


def main() -> None:
    table = Table("interval", "truth", "units", "coverage", "nominal", "none given", "")
    for name, truth, draw in cases():
        for units in UNITS:
            table.row(name, truth, units, *coverage(draw, units))
    table.print(f"Coverage in {SIMULATIONS} simulations each, with its standard error")


def coverage(draw: Draw, units: int) -> tuple[str, float, str, str]:
    """Share of intervals that hold the truth, among those that there are; nominal level, share without, the word."""
    rng = np.random.default_rng(units)
    drawn = [draw(rng, units) for _ in range(SIMULATIONS)]
    given = [(i, truth) for i, truth in drawn if i.low is not None and i.high is not None]
    none = share(1 - len(given) / len(drawn), len(drawn)) if len(given) < len(drawn) else ""
    nominal = drawn[0][0].confidence
    if not given:
        return "", nominal, none, "no interval"
    held = float(np.mean([i.low <= truth <= i.high for i, truth in given]))  # type: ignore[operator]
    return share(held, len(given)), nominal, none, against(held, len(given), nominal)


def cases() -> Iterator[tuple[str, str, Draw]]:
    for p in (0.5, 0.9):
        yield "share (Clopper-Pearson)", f"{p}", _share(p)
    yield "mean (t)", "normal", _mean(_normal)
    yield "mean (t)", "long tail (log-normal, sigma .5)", _mean(_tailed)
    yield "prediction, one new run", "normal", _new_run(_normal)
    yield "prediction, one new run", "long tail (log-normal, sigma .5)", _new_run(_tailed)
    for tau in (0.0, 0.5, 2.0):
        yield "random effects, mean", f"tau {tau} of a standard error", _random_effects(tau, predict=False)
        yield "random effects, one new unit", f"tau {tau} of a standard error", _random_effects(tau, predict=True)
    yield "agreement (jackknife)", "uniform draws over 6 layers", _agreement(np.full(6, 1 / 6))
    yield "agreement (jackknife)", "half of runs in one of 6 layers", _agreement(np.array([0.5, *[0.1] * 5]))
    yield "rank correlation (Bonett-Wright)", "independent", _association(0.0)
    yield "rank correlation (Bonett-Wright)", "normal, rho .6", _association(0.6)
    yield "slope over models (t)", "no trend", _slope(0.0)
    yield "slope over models (t)", "trend", _slope(1.0)


def _normal(rng: np.random.Generator, n: int) -> np.ndarray:
    return rng.normal(0, 1, n)


def _tailed(rng: np.random.Generator, n: int) -> np.ndarray:
    """Log-normal, its mean taken out."""
    return rng.lognormal(0, 0.5, n) - np.exp(0.125)


def _share(p: float) -> Draw:
    return lambda rng, n: (pooling.share_interval(int(rng.binomial(n, p)), n), p)


def _mean(scatter: Callable[[np.random.Generator, int], np.ndarray]) -> Draw:
    return lambda rng, n: (pooling.mean_interval(scatter(rng, n).tolist()), 0.0)


def _new_run(scatter: Callable[[np.random.Generator, int], np.ndarray]) -> Draw:
    def draw(rng: np.random.Generator, n: int) -> tuple[Interval, float]:
        *seen, new = scatter(rng, n + 1).tolist()
        return pooling.prediction_interval(seen), new

    return draw


def _random_effects(tau: float, predict: bool) -> Draw:
    """Standard errors of the units between .5 and 1.5."""

    def draw(rng: np.random.Generator, n: int) -> tuple[Interval, float]:
        errors = rng.uniform(0.5, 1.5, n)
        *effects, new = rng.normal(0, tau, n + 1) if tau else np.zeros(n + 1)
        found = pooling.random_effects((effects + rng.normal(0, errors)).tolist(), (errors**2).tolist())
        return (found.prediction, float(new)) if predict else (found.mean, 0.0)

    return draw


def _agreement(shares: np.ndarray) -> Draw:
    chance = 1 / shares.size
    truth = (float((shares**2).sum()) - chance) / (1 - chance)
    return lambda rng, n: (pooling.agreement(rng.choice(shares.size, n, p=shares).tolist(), shares.size), truth)


def _association(rho: float) -> Draw:
    """Truth: Spearman's rho of a bivariate normal, 6/pi asin(rho/2)."""

    def draw(rng: np.random.Generator, n: int) -> tuple[Interval, float]:
        x, y = rng.multivariate_normal([0, 0], [[1, rho], [rho, 1]], n).T
        return rank_correlation(x.tolist(), y.tolist()), 6 / np.pi * float(np.arcsin(rho / 2))

    return draw


def _slope(slope: float) -> Draw:
    """As many models as units, evenly spaced on the axis."""

    def draw(rng: np.random.Generator, n: int) -> tuple[Interval, float]:
        x = np.arange(n, dtype=float)
        return trends.slope_interval(x.tolist(), (slope * x + rng.normal(0, 1, n)).tolist()), slope

    return draw
