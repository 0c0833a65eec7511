"""Two ways compared on the same units: a sign-flip permutation of their differences, and what follows.

Here: the test and its verdict. Not here: what is compared (strategies.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from assets.claims.statistics.pooling import Interval, finite, mean_interval

ALPHA = 0.05
EXACT_UP_TO = 14
"""Units of which all sign changes are gone through; of more, DRAWS are drawn."""
DRAWS = 9_999
LEAST_UNITS = 6
"""With fewer, no two-sided sign-flip p is below ALPHA: 2/2^5 = .0625."""
ROUNDING = 1e-9
"""Errors, and sums of differences, that differ by less than this share are equal."""

Better = Literal["a_better", "b_better", "cannot_tell"]


@dataclass(frozen=True)
class Comparison:
    """Errors of a less errors of b, over units.

    Attributes:
        difference: the mean with its 95 % t interval over units.
        p: two-sided; None without a unit.
    """

    difference: Interval
    p: float | None
    better: Better


def sign_flip_p(differences: Sequence[float]) -> float | None:
    """Two-sided p of a mean difference of 0, were each unit's difference as likely of the other sign (Fisher 1935).

    Exact over all 2^n sign changes up to EXACT_UP_TO units; above, DRAWS seeded ones and the observed one (Phipson and
    Smyth 2010).
    """
    d = finite(differences)
    if d.size == 0:
        return None
    if d.size <= EXACT_UP_TO:
        codes = np.arange(2**d.size)[:, None]
        signs = 1.0 - 2.0 * ((codes >> np.arange(d.size)) & 1)
    else:
        rng = np.random.default_rng(0)
        signs = np.vstack([np.ones(d.size), rng.choice([-1.0, 1.0], (DRAWS, d.size))])
    sums = np.abs(signs @ d)
    return float(np.mean(sums >= abs(d.sum()) - ROUNDING * np.abs(d).sum()))


def compare(errors_a: Sequence[float], errors_b: Sequence[float]) -> Comparison:
    """Which of two has the smaller errors, paired over units; better only at p <= ALPHA."""
    a, b = finite(errors_a), finite(errors_b)
    d = np.where(np.isclose(a, b, rtol=ROUNDING, atol=0), 0.0, a - b)
    p, mean = sign_flip_p(list(d)), mean_interval(list(d))
    better: Better = "cannot_tell"
    if p is not None and p <= ALPHA and mean.estimate:
        better = "a_better" if mean.estimate < 0 else "b_better"
    return Comparison(mean, p, better)
