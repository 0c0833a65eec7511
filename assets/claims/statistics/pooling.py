"""Estimates pooled over units: shares, means, random effects, equivalence, agreement.

Units are training runs, models or families; a unit enters once. Every function gives an interval with the method that
made it, or, where the number of units does not allow one, the reason in words and never NaN.

Here: numbers in, intervals out. Not here: how a run comes by its number (reading/summaries.py), trends over models
(trends.py), which interval decides which claim (the verdicts).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

CONFIDENCE = 0.95
KNOWN_VARIANCE_SHARE = 0.05
"""Sampling variances below this share of the variance between units are left out of the pooling."""

DRAWS = 20_000
"""Of chance agreement: the error of a probability of .025 is .001."""

Floats = NDArray[np.float64]
Side = Literal["both", "lower", "upper"]
Decision = Literal["holds", "fails", "inconclusive"]


@dataclass(frozen=True)
class Interval:
    """An estimate and its interval; ends are None where the units do not allow one, and `reason` says why.

    A one-sided interval has the bound of the estimate's range at its open end. `reason` also warns of an interval that
    exists but says little, such as one of no width because all units are equal.
    """

    estimate: float | None
    low: float | None
    high: float | None
    n: int
    method: str
    confidence: float = CONFIDENCE
    reason: str = ""

    def above(self, threshold: float) -> bool:
        """Whether all of the interval lies above the threshold; False where there is no interval."""
        return self.low is not None and self.low > threshold

    def below(self, threshold: float) -> bool:
        """Whether all of the interval lies below the threshold; False where there is no interval."""
        return self.high is not None and self.high < threshold

    def inside(self, low: float, high: float) -> bool:
        """Whether all of the interval lies strictly between two values; False where there is no interval."""
        return self.above(low) and self.below(high)


def standard_error(interval: Interval, df: int) -> float | None:
    """That of an estimate with a t interval of so many degrees of freedom; None without an interval."""
    if interval.low is None or interval.high is None:
        return None
    return (interval.high - interval.low) / 2 / float(stats.t.ppf((1 + interval.confidence) / 2, df))


@dataclass(frozen=True)
class Pooled:
    """A mean over units with its confidence and prediction intervals.

    Attributes:
        mean: the confidence interval of the mean.
        prediction: the interval for one new unit, k - 1 degrees of freedom.
        tau: standard deviation between units.
        weights: share of each unit in the mean, in the order given, summing to 1.
        q: Cochran's Q, None where sampling variances were not used.
    """

    mean: Interval
    prediction: Interval
    tau: float | None
    weights: tuple[float, ...]
    q: float | None = None


@dataclass(frozen=True)
class Equivalence:
    """Whether an estimate is as good as zero: the two intervals looked at and what follows."""

    decision: Decision
    narrow: Interval
    """90 %: inside +-delta means equivalent (two one-sided tests at 5 %)."""
    wide: Interval
    """95 %: outside of +-delta means different."""


@cache
def share_interval(successes: int, n: int, confidence: float = CONFIDENCE, side: Side = "both") -> Interval:
    """Exact interval of a share (Clopper and Pearson 1934); `side` lower or upper puts all the error on that side."""
    if not 0 <= successes <= n:
        raise ValueError(f"{successes} successes of {n}")
    method = f"Clopper-Pearson, {side if side != 'both' else 'two-sided'}"
    if n == 0:
        return Interval(None, None, None, 0, method, confidence, "no units")
    alternative = {"both": "two-sided", "lower": "greater", "upper": "less"}[side]
    exact = stats.binomtest(successes, n, alternative=alternative).proportion_ci(confidence, method="exact")
    return Interval(successes / n, float(exact.low), float(exact.high), n, method, confidence)


def mean_interval(values: Sequence[float], confidence: float = CONFIDENCE) -> Interval:
    """Mean over units, plus and minus t(n-1) s/sqrt(n)."""
    return _student(values, confidence, "t interval over units", lambda n: 1 / n)


def prediction_interval(values: Sequence[float], confidence: float = CONFIDENCE) -> Interval:
    """Where one new unit is expected: mean, plus and minus t(n-1) s sqrt(1 + 1/n)."""
    return _student(values, confidence, "prediction interval", lambda n: 1 + 1 / n)


def _student(values: Sequence[float], confidence: float, method: str, share: Callable[[int], float]) -> Interval:
    y = finite(values)
    if y.size == 0:
        return Interval(None, None, None, 0, method, confidence, "no units")
    mean = float(y.mean())
    if y.size == 1:
        return Interval(mean, None, None, 1, method, confidence, "one unit shows no spread")
    spread = float(y.std(ddof=1))
    half = float(stats.t.ppf((1 + confidence) / 2, y.size - 1)) * spread * math.sqrt(share(y.size))
    reason = f"all {y.size} units are equal: no width" if spread == 0 else ""
    return Interval(mean, mean - half, mean + half, y.size, method, confidence, reason)


def pool(values: Sequence[float], variances: Sequence[float] | None = None, confidence: float = CONFIDENCE) -> Pooled:
    """The mean over units, by random effects where sampling variances matter and by the t interval where they do not.

    Args:
        values: one estimate per unit.
        variances: their sampling variances (squared standard errors); None where one of them is unknown.
    """
    y = finite(values)
    if variances is not None and y.size > 1:
        between = float(y.var(ddof=1))
        if float(np.mean(variances)) > KNOWN_VARIANCE_SHARE * between:
            return random_effects(values, variances, confidence)
    tau = float(y.std(ddof=1)) if y.size > 1 else None
    weights = (1 / y.size,) * y.size if y.size else ()
    return Pooled(mean_interval(values, confidence), prediction_interval(values, confidence), tau, weights)


def random_effects(values: Sequence[float], variances: Sequence[float], confidence: float = CONFIDENCE) -> Pooled:
    """Random-effects mean: tau^2 by REML, interval by Hartung and Knapp (2001) with k - 1 degrees of freedom.

    Where Cochran's Q is below k - 1 the interval is not shorter than the fixed-effect one. The prediction interval is
    mean +- t(k-1) sqrt(tau^2 + se^2), and not shorter than the confidence interval.
    """
    y, v = finite(values), finite(variances)
    if y.size != v.size or (v <= 0).any():
        raise ValueError("random effects need one positive sampling variance per unit")
    method = "random effects (REML, Hartung-Knapp)"
    k = y.size
    if k < 2:
        undefined = Interval(float(y[0]) if k else None, None, None, k, method, confidence, "fewer than two units")
        return Pooled(undefined, undefined, None, (1.0,) * k)
    tau2 = _reml(y, v)
    w = 1 / (v + tau2)
    mean = float(w @ y / w.sum())
    se = math.sqrt(float(w @ (y - mean) ** 2) / ((k - 1) * float(w.sum())))
    t = float(stats.t.ppf((1 + confidence) / 2, k - 1))
    half, reason = t * se, ""
    q = cochran_q(y, v)
    fixed = float(stats.norm.ppf((1 + confidence) / 2)) / math.sqrt(float((1 / v).sum()))
    if q < k - 1 and fixed > half:
        half, reason = fixed, "units differ less than their standard errors: fixed-effect width"
    reach = max(t * math.sqrt(tau2 + se**2), half)
    return Pooled(
        Interval(mean, mean - half, mean + half, k, method, confidence, reason),
        Interval(mean, mean - reach, mean + reach, k, f"prediction interval, {method}", confidence),
        math.sqrt(tau2),
        tuple(float(share) for share in w / w.sum()),
        q,
    )


def cochran_q(values: Floats, variances: Floats) -> float:
    """Sum of the squared distances from the fixed-effect mean, in sampling variances."""
    w = 1 / variances
    return float(w @ (values - w @ values / w.sum()) ** 2)


def _reml(y: Floats, v: Floats) -> float:
    """The tau^2 >= 0 of the highest restricted likelihood: a grid over tau, then a bounded search around its best."""

    def loss(tau: float) -> float:
        w = 1 / (v + tau**2)
        mean = w @ y / w.sum()
        return float(0.5 * (-np.log(w).sum() + math.log(w.sum()) + w @ (y - mean) ** 2))

    upper = 2 * float(np.ptp(y)) + 1e-12
    grid = np.linspace(0, upper, 201)
    best = int(np.argmin([loss(tau) for tau in grid]))
    bounds = (grid[max(best - 1, 0)], grid[min(best + 1, 200)])
    tau = float(optimize.minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": upper * 1e-10}).x)
    return 0.0 if loss(0.0) <= loss(tau) else tau**2


def equivalence(interval_at: Callable[[float], Interval], delta: float) -> Equivalence:
    """Two one-sided tests (Schuirmann 1987) around zero, on any estimate that gives an interval at a confidence.

    Args:
        interval_at: `lambda confidence: mean_interval(values, confidence)` or the like.
        delta: the smallest effect of interest; holds if the 90 % interval is inside +-delta, fails if the 95 % interval
            is outside.
    """
    narrow, wide = interval_at(0.90), interval_at(0.95)
    decision: Decision = "inconclusive"
    if narrow.inside(-delta, delta):
        decision = "holds"
    elif wide.above(delta) or wide.below(-delta):
        decision = "fails"
    return Equivalence(decision, narrow, wide)


def jackknife(statistic: Callable[[NDArray[np.intp]], float], n: int, confidence: float = CONFIDENCE) -> Interval:
    """Interval of any statistic over n units, from its pseudo-values with one unit left out in turn (Tukey 1958).

    Args:
        statistic: takes the indices of the units kept and gives the statistic on them; called n + 1 times.
    """
    method = "jackknife over units"
    every = np.arange(n)
    if n < 3:
        estimate = statistic(every) if n == 2 else None
        return Interval(estimate, None, None, n, method, confidence, "the jackknife needs three units")
    estimate = statistic(every)
    left_out = np.array([statistic(np.delete(every, i)) for i in every])
    pseudo = n * estimate - (n - 1) * left_out
    spread = float(pseudo.std(ddof=1))
    half = float(stats.t.ppf((1 + confidence) / 2, n - 1)) * spread / math.sqrt(n)
    reason = "leaving out any one unit changes nothing: no width" if spread == 0 else ""
    return Interval(estimate, estimate - half, estimate + half, n, method, confidence, reason)


def jackknife_of_two(
    statistic: Callable[[NDArray[np.intp], NDArray[np.intp]], float], n_a: int, n_b: int, confidence: float = CONFIDENCE
) -> Interval:
    """Interval of any statistic of two samples, leaving out one unit of either in turn (Arvesen 1969, Annals of
    Mathematical Statistics 40), with Welch's degrees of freedom: for a difference of means it is Welch's interval.

    Args:
        statistic: takes the indices of the units kept of either sample.
    """
    method, n = "jackknife over units of both", n_a + n_b
    every_a, every_b = np.arange(n_a), np.arange(n_b)
    estimate = statistic(every_a, every_b) if n_a and n_b else None
    if estimate is None or min(n_a, n_b) < 3:
        return Interval(estimate, None, None, n, method, confidence, "the jackknife needs three units of each")
    without_a = np.array([statistic(np.delete(every_a, i), every_b) for i in every_a])
    without_b = np.array([statistic(every_a, np.delete(every_b, i)) for i in every_b])
    of_a, of_b = (float(each.var()) * (each.size - 1) for each in (without_a, without_b))
    if of_a + of_b == 0:
        reason = "leaving out any one unit changes nothing: no width"
        return Interval(estimate, estimate, estimate, n, method, confidence, reason)
    freedom = (of_a + of_b) ** 2 / (of_a**2 / (n_a - 1) + of_b**2 / (n_b - 1))
    half = float(stats.t.ppf((1 + confidence) / 2, freedom)) * math.sqrt(of_a + of_b)
    return Interval(estimate, estimate - half, estimate + half, n, method, confidence)


def agreement(choices: Sequence[int], categories: int, tolerance: int = 0, confidence: float = CONFIDENCE) -> Interval:
    """Agreement of runs in one choice (the layer of the top head), corrected for chance: 0 = chance, 1 = all agree.

    (share of pairs that agree - chance) / (1 - chance), chance being that of independent uniform draws; jackknife over
    runs, since in a bootstrap duplicates agree with themselves.

    Args:
        choices: one per run, 0 ... categories - 1.
        tolerance: the difference up to which two choices count as the same.
    """
    drawn = np.asarray(choices, dtype=np.int64)
    if drawn.size and not (drawn.min() >= 0 and drawn.max() < categories):
        raise ValueError(f"choices outside 0..{categories - 1}")
    chance = chance_agreement(categories, tolerance)
    if chance >= 1:
        reason = f"{categories} categories with tolerance {tolerance} always agree"
        return Interval(None, None, None, drawn.size, "jackknife over units", confidence, reason)

    def corrected(kept: NDArray[np.intp]) -> float:
        return (pairs_agreeing(drawn[kept], tolerance) - chance) / (1 - chance)

    found = jackknife(corrected, drawn.size, confidence)
    if drawn.size > 1 and pairs_agreeing(drawn, tolerance) == 0:
        return replace(found, low=None, high=None, reason="no two units agree: the jackknife shows no spread")
    return found


def agreement_by_chance(choices: Sequence[int], categories: int, tolerance: int = 0) -> float:
    """Probability that independent uniform draws agree in at least as many pairs: by DRAWS of them, seed fixed.

    Uniform draws agree least of all (sum of p^2 >= 1/categories), so that agreement above chance is the alternative to
    this one null hypothesis, and needs no interval. Where draws agree no more than by chance, and with few units, the
    jackknife's says little: 6 of 9 runs in one of 12 layers, and two of the others in the next, give -.13 to .92.
    """
    found = pairs_agreeing(np.asarray(choices, dtype=np.int64), tolerance)
    shares = _agreement_of_draws(len(choices), categories, tolerance)
    return float((1 + (shares >= found - 1e-9).sum()) / (1 + shares.size))


@cache
def _agreement_of_draws(n: int, categories: int, tolerance: int) -> Floats:
    """(DRAWS,) share of agreeing pairs among n independent uniform draws, over and over."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(DRAWS // 2000):
        counts = rng.multinomial(n, np.full(categories, 1 / categories), 2000)
        alike = (counts * counts).sum(axis=1) - n
        for distance in range(1, tolerance + 1):
            alike += 2 * (counts[:, distance:] * counts[:, :-distance]).sum(axis=1)
        found.append(alike / (n * (n - 1)))
    return np.concatenate(found)


def chance_agreement(categories: int, tolerance: int = 0) -> float:
    """Probability that two independent uniform draws from ordered categories differ by at most `tolerance`."""
    beside = sum(categories - distance for distance in range(1, min(tolerance, categories - 1) + 1))
    return (categories + 2 * beside) / categories**2


def pairs_agreeing(choices: NDArray[np.int64], tolerance: int = 0) -> float:
    """Share of the pairs of units whose choices differ by at most `tolerance`."""
    n = choices.size
    alike = np.abs(choices[:, None] - choices[None, :]) <= tolerance
    return float((alike.sum() - n) / (n * (n - 1)))


def finite(values: Sequence[float] | Floats) -> Floats:
    """The values as an array; a value that is not finite is a fault of the caller."""
    array = np.asarray(values, dtype=np.float64)
    if not np.isfinite(array).all():
        raise ValueError("a pooled value is not finite")
    return array
