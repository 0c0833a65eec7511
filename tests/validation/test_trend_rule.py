"""How often the trend rule claims a trend that is not there, and how often it finds one that is.

Each test is one honest limit of the rule, simulated with a fixed seed; bounds are the expected share and three standard
errors of the simulation. Sizes and the number of seeds are those of the published data; seeds scatter by .05 as the
logarithm of the onset does there.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from assets.claims.trends import Group, trend

pytestmark = pytest.mark.slow

LOG_PARAMS = np.log10([14_067_712, 70_426_624, 162_322_944, 405_334_016])
SEEDS, SEED_SCATTER = 9, 0.05
SIMULATIONS = 1000


def shares(size_scatter: float, slope: float = 0.0, seed: int = 11) -> tuple[float, float]:
    """Share of simulated families in which a rise is claimed: by a regression over 36 runs, and by the trend rule."""
    rng = np.random.default_rng(seed)
    every_run = np.repeat(LOG_PARAMS, SEEDS)
    naive = rule = 0
    for _ in range(SIMULATIONS):
        means = slope * LOG_PARAMS + rng.normal(0, size_scatter, LOG_PARAMS.size)
        runs = means[:, None] + rng.normal(0, SEED_SCATTER, (LOG_PARAMS.size, SEEDS))
        line = stats.linregress(every_run, runs.ravel())
        naive += line.pvalue < 0.05 and line.slope > 0
        groups = [
            Group(str(i), float(x), tuple(values)) for i, (x, values) in enumerate(zip(LOG_PARAMS, runs, strict=True))
        ]
        rule += trend(groups, 1).verdict == "holds"
    return naive / SIMULATIONS, rule / SIMULATIONS


def allowed(share: float) -> float:
    return 3 * (share * (1 - share) / SIMULATIONS) ** 0.5


@pytest.mark.parametrize(("size_scatter", "naive_share"), [(0.05, 0.21), (0.2, 0.32)])
def test_where_sizes_merely_differ_a_trend_is_claimed_in_one_case_of_fifty(
    size_scatter: float, naive_share: float
) -> None:
    naive, rule = shares(size_scatter)

    assert naive == pytest.approx(naive_share, abs=allowed(naive_share) + 0.005)
    assert rule == pytest.approx(0.022, abs=allowed(0.022))


def test_a_strong_trend_is_found_but_four_sizes_find_no_weak_one() -> None:
    """At a slope of .5 per decade and sizes that scatter by .05 nearly always; at .1, as of .1 log10 steps, seldom."""
    strong, weak = shares(0.05, slope=0.5)[1], shares(0.05, slope=0.1)[1]

    assert strong > 0.95
    assert weak < 0.35
