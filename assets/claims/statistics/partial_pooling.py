"""What is expected of a new unit from others that come in groups: partial pooling, with the unknowns averaged over.

The units (models) of a group (family) resemble each other to an unknown degree. Were the degree known, the prediction
would be that of a linear mixed model with a random intercept of the group, as lme4 gives it (pinned in
tests/validation). With a handful of units that estimate sits on its boundary half of the time, so the prediction is
averaged over all degrees, each weighted by its restricted likelihood (Harville 1974): the posterior mean under a
uniform prior on the intraclass correlation and the usual vague ones on mean and variance.

Here: numbers in, forecasts out. Not here: intervals of means (pooling.py), what is forecast (assets/analyses).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import optimize, stats

from assets.claims.statistics.pooling import CONFIDENCE, Floats, finite

CORRELATIONS: Floats = (np.arange(20) + 0.5) / 20
"""Intraclass correlations averaged over: the share of the variance between units that lies between groups."""
SLOPES: Floats = np.linspace(0, 1, 21)
"""How much of a unit's early value may carry over, averaged over likewise: 0 = nothing, 1 = what is still to come is
the same wherever one starts."""
NEGLIGIBLE = 1e-12
"""A residual sum of squares below this share of the values' variance counts as this: units that are all alike."""


@dataclass(frozen=True)
class Covariate:
    """What is known of every unit: of the others, in their order, and of the new one."""

    others: Sequence[float]
    new: float


@dataclass(frozen=True)
class Forecast:
    """Where a new unit is expected.

    Attributes:
        low, high: prediction interval for one new unit; None where the units leave no degree of freedom.
        n: units that it rests on.
    """

    mean: float
    low: float | None
    high: float | None
    n: int


@dataclass(frozen=True)
class Mixture:
    """Student distributions of common degrees of freedom, one per point of the grid of unknowns.

    Attributes:
        weight, mean, scale: (G,), weights summing to 1.
        log_likelihood: (G,) restricted, up to a constant.
    """

    weight: Floats
    mean: Floats
    scale: Floats
    log_likelihood: Floats
    df: int

    @property
    def expected(self) -> float:
        return float(self.weight @ self.mean)

    def forecast(self, n: int, within: float = 0.0, confidence: float = CONFIDENCE) -> Forecast:
        """Mean and central interval; `within` is a variance that a new observation has on top."""
        if self.df < 1:
            return Forecast(self.expected, None, None, n)
        scale = np.sqrt(self.scale**2 + within)
        ends = [self._quantile(share, scale) for share in ((1 - confidence) / 2, (1 + confidence) / 2)]
        return Forecast(self.expected, ends[0], ends[1], n)

    def _quantile(self, share: float, scale: Floats) -> float:
        each = self.mean + stats.t.ppf(share, self.df) * scale

        def below(x: float) -> float:
            return float(self.weight @ stats.t.cdf((x - self.mean) / scale, self.df)) - share

        room = float(scale.max())
        return float(optimize.brentq(below, each.min() - room, each.max() + room))


def forecast(
    values: Sequence[float],
    groups: Sequence[str],
    new_group: str,
    size: Covariate | None = None,
    early: Covariate | None = None,
    within: float = 0.0,
) -> Forecast:
    """A new unit's value by partial pooling of the others, with its 95 % prediction interval.

    Args:
        values: one per unit, at least one.
        groups: of each unit.
        new_group: of the new unit; it need not occur among the others.
        size: a property that the value may depend on linearly, of the others and of the new unit.
        early: the values early on, of which a share between 0 and 1 carries over.
        within: a variance that the new observation has on top of the units' own: one training run of a model.
    """
    return mixture(values, groups, new_group, size, early).forecast(len(values), within)


def mixture(
    values: Sequence[float],
    groups: Sequence[str],
    new_group: str,
    size: Covariate | None = None,
    early: Covariate | None = None,
    correlations: Floats = CORRELATIONS,
    slopes: Floats = SLOPES,
) -> Mixture:
    """The predictive distribution behind a forecast.

    At a correlation r, V = (1 - r) I + r ZZ' is the units' covariance up to its scale, and mean and variance of the
    prediction are those of generalised least squares (Goldberger 1962); integrating the scale out leaves Student's t.
    """
    y = finite(values)
    unit = float(y.std()) or 1.0
    x = np.ones((y.size, 1)) if size is None else np.column_stack([np.ones(y.size), finite(size.others)])
    x_new = np.array([1.0] if size is None else [1.0, size.new])
    p, df = x.shape[1], y.size - x.shape[1]
    if df < 0:
        raise ValueError(f"{y.size} units can't determine {p} coefficients")
    before = np.zeros(y.size) if early is None else finite(early.others)
    share = np.zeros(1) if early is None else slopes
    columns = np.column_stack([x, y / unit, before / unit])

    names = sorted(set(groups))
    z = np.array([[group == name for name in names] for group in groups], dtype=np.float64)
    kin = z @ np.array([name == new_group for name in names], dtype=np.float64)
    r = correlations[:, None, None]
    counts = z.sum(axis=0)
    solved = (columns - z @ ((r / (1 - r + r * counts[:, None])) * (z.T @ columns))) / (1 - r)
    log_det = (counts - 1).sum() * np.log1p(-correlations) + np.log(1 - r[..., 0] + r[..., 0] * counts).sum(axis=1)

    gram = columns.T @ solved
    inverse = np.linalg.inv(gram[:, :p, :p])
    fitted = inverse @ gram[:, :p, p:]
    rest = gram[:, p:, p:] - gram[:, p:, :p] @ fitted
    near = correlations[:, None] * (kin @ solved)
    off = x_new - near[:, :p]
    mean = near[:, p:] + np.einsum("rp,rpk->rk", off, fitted)
    own = correlations**2 * kin.sum() / (1 - correlations + correlations * kin.sum())
    spread = 1 - own + np.einsum("rp,rpq,rq->r", off, inverse, off)

    squares = rest[:, 0, 0, None] - 2 * share * rest[:, 0, 1, None] + share**2 * rest[:, 1, 1, None]
    squares = np.maximum(squares, NEGLIGIBLE)
    log = -0.5 * (log_det + np.linalg.slogdet(gram[:, :p, :p])[1])[:, None] - 0.5 * df * np.log(squares)
    weight = np.exp(log - log.max())
    carried = share * (0.0 if early is None else early.new)
    return Mixture(
        (weight / weight.sum()).ravel(),
        (carried + unit * (mean[:, 0, None] - share * mean[:, 1, None])).ravel(),
        (unit * np.sqrt(squares / max(df, 1) * spread[:, None])).ravel(),
        log.ravel(),
        df,
    )
