"""How often a trend is claimed that is not there, and found where it is: the trend rule beside a regression over runs.

Sizes and the number of runs are those of the published data (Trott 2025); runs scatter by .05, as the logarithm of the
onset does there. The regression sees 36 points where there are four models, and calls p < .05 a trend.
"""

from __future__ import annotations

import numpy as np
from scipy import stats

from assets.claims.statistics.trends import Group, trend
from tests.validation.tables import Table, share

LOG_PARAMS = np.log10([14_067_712, 70_426_624, 162_322_944, 405_334_016])
RUNS, RUN_SCATTER = 9, 0.05
SIMULATIONS = 1000


def main() -> None:
    table = Table("models scatter by", "slope per tenfold size", "regression over 36 runs: a rise", "trend rule: holds")
    for scatter, slope in ((0.05, 0.0), (0.2, 0.0), (0.05, 0.1), (0.05, 0.5)):
        table.row(scatter, slope, *(share(rate, SIMULATIONS) for rate in rates(scatter, slope)))
    table.print(f"Share of {SIMULATIONS} families of four models in which a rise is claimed")


def rates(model_scatter: float, slope: float) -> tuple[float, float]:
    """Share of families in which a rise is claimed: by a regression over all runs, and by the trend rule."""
    rng = np.random.default_rng(11)
    every_run = np.repeat(LOG_PARAMS, RUNS)
    naive = rule = 0
    for _ in range(SIMULATIONS):
        means = slope * LOG_PARAMS + rng.normal(0, model_scatter, LOG_PARAMS.size)
        runs = means[:, None] + rng.normal(0, RUN_SCATTER, (LOG_PARAMS.size, RUNS))
        line = stats.linregress(every_run, runs.ravel())
        naive += line.pvalue < 0.05 and line.slope > 0
        groups = [Group(str(x), float(x), tuple(values)) for x, values in zip(LOG_PARAMS, runs.tolist(), strict=True)]
        rule += trend(groups, 1).verdict == "holds"
    return naive / SIMULATIONS, rule / SIMULATIONS
