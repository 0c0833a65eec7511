"""Are the members of two groups more alike among themselves than between the groups?

The statistic is the mean likeness of pairs within the groups minus that of pairs between them. Two things are asked of
it: is there any difference (labels permuted), and is it large enough to matter (an interval).

The interval adds two variances: the jackknife's over members, and that of permuted labels. Where groups hardly differ
the statistic is degenerate, its jackknife variance small just when the difference came out small, and the interval by
the jackknife alone lies below the truth in .04 to .14 of cases; with both in at most .075, above it in at most .03
(two groups of 5 or 9 numbers, 0 to 2 standard deviations apart; nominal .025 each; python -m tests.validation
separation).

Here: matrices in, numbers out. Not here: the likeness of two trajectories (reading/summaries.py), the rule
(estimands/).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import combinations

import numpy as np
from scipy import stats

from assets.claims.statistics.pooling import CONFIDENCE, Floats, Interval

EXACT_UP_TO = 50_000
"""Ways to part the members that are all gone through (two groups of nine have 48,620); beyond, as many are drawn."""
SAME = 1e-12
"""Relative to the likenesses: rounding, by which the same parting of members may come out twice."""
METHOD = "jackknife over units, within groups, and permuted labels"


@dataclass(frozen=True)
class Separation:
    """Two groups told apart, or not.

    Attributes:
        p: one-sided probability under permuted labels of a difference as large; exact where few enough.
        variance: of the difference under permuted labels.
        left_out: (members,) the difference without each member, in the order given.
    """

    interval: Interval
    p: float
    variance: float
    left_out: Floats


def separation(likeness: Floats, size: int, confidence: float = CONFIDENCE) -> Separation:
    """Of two groups.

    Args:
        likeness: (n, n) symmetric, finite but for its diagonal, which is ignored; higher = more alike.
        size: the first `size` members are one group, the others the other; two or more each.
    """
    alike = likeness.copy()
    np.fill_diagonal(alike, 0.0)
    n = len(alike)
    if not 2 <= size <= n - 2 or not np.isfinite(alike).all():
        raise ValueError("two groups of two members or more, all pairs compared")
    return _separated(alike.tobytes(), n, size, confidence)


@lru_cache(maxsize=1000)
def _separated(content: bytes, n: int, size: int, confidence: float) -> Separation:
    """Remembered, since leaving out a run of one pair of groups changes nothing for the others."""
    alike = np.frombuffer(content).reshape(n, n)
    labels = (np.arange(n) < size).astype(np.float64)
    found = float(_differences(alike, labels[None, :])[0])
    every = _differences(alike, _partings(n, size))
    reached = int((every >= found - SAME * float(np.abs(alike).max())).sum())
    exact = math.comb(n, size) <= EXACT_UP_TO
    p = reached / len(every) if exact else (1 + reached) / (1 + len(every))
    left_out = np.array([_without(alike, labels, i) for i in range(n)])
    variance = float((every**2).mean())
    interval = grouped_jackknife(found, [left_out[:size], left_out[size:]], confidence, variance)
    return Separation(interval, p, variance, left_out)


def _without(alike: Floats, labels: Floats, i: int) -> float:
    kept = np.delete(np.arange(labels.size), i)
    return float(_differences(alike[np.ix_(kept, kept)], labels[kept][None, :])[0])


def _differences(alike: Floats, x: Floats) -> Floats:
    """(partings,) mean within minus mean between, for (partings, n) memberships of the first group, 0 or 1.

    The sum within is the sum of all pairs - x'r + x'Sx, r being the sums of the rows.
    """
    first = x.sum(axis=1)
    second = x.shape[1] - first
    total = alike.sum() / 2
    within = total - x @ alike.sum(axis=1) + np.einsum("pi,pi->p", x @ alike, x)
    n_within = (first * (first - 1) + second * (second - 1)) / 2
    between: Floats = (total - within) / (first * second)
    return np.where(n_within > 0, within / np.maximum(n_within, 1), np.nan) - between


@cache
def _partings(n: int, size: int) -> Floats:
    """(partings, n) 1 for members of the first group: every way to choose them, or random ones, seed fixed.

    Two groups of one size may be swapped without a difference: the first member then stays where it is.
    """
    if math.comb(n, size) > EXACT_UP_TO:
        ranks = np.random.default_rng(0).random((EXACT_UP_TO, n)).argsort(axis=1)
        return (ranks < size).astype(np.float64)
    fixed = int(2 * size == n)
    chosen = np.array([(*range(fixed), *rest) for rest in combinations(range(fixed, n), size - fixed)])
    labels = np.zeros((len(chosen), n))
    np.put_along_axis(labels, chosen, 1.0, axis=1)
    return labels


def grouped_jackknife(
    estimate: float, left_out: Sequence[Floats], confidence: float = CONFIDENCE, more: float = 0.0
) -> Interval:
    """Interval of a statistic on several independent samples, from its values without each member (Arvesen 1969).

    Variance: the sum over groups of (n - 1)/n times the squared distances from the group's mean; t with as many degrees
    of freedom as members less groups.

    Args:
        left_out: by group, the statistic without each of its members.
        more: a variance to add.
    """
    n = sum(len(values) for values in left_out)
    variance = sum((v.size - 1) / v.size * float(((v - v.mean()) ** 2).sum()) for v in left_out) + more
    half = float(stats.t.ppf((1 + confidence) / 2, n - len(left_out))) * math.sqrt(variance)
    return Interval(estimate, estimate - half, estimate + half, n, METHOD, confidence)
