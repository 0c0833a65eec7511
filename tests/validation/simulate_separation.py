"""Two groups told apart by the likeness of their members: how often the interval misses the truth, and on which side.

Members are numbers, normal around their group's mean; likeness is the distance with its sign turned. The interval that
is used adds the variance of permuted labels to the jackknife's; beside it stands the jackknife alone.
"""

from __future__ import annotations

import math

import numpy as np
from scipy import stats

from assets.claims.statistics.pooling import Interval
from assets.claims.statistics.separating import grouped_jackknife, separation
from tests.validation.tables import Table, share

SIMULATIONS = 2000
MEMBERS = (5, 9)
APART = (0.0, 0.5, 1.0, 2.0)


def main() -> None:
    table = Table(
        "members", "groups apart by", "interval below", "interval above", "jackknife alone: below", "alone: above"
    )
    for k in MEMBERS:
        for apart in APART:
            table.row(f"{k} + {k}", f"{apart} sd", *misses(k, apart))
    table.print(
        f"Share of {SIMULATIONS} simulations in which the 95 % interval misses the truth; nominal .025 each side"
    )


def misses(k: int, apart: float) -> list[str]:
    rng = np.random.default_rng(k)
    truth = mean_distance(apart) - mean_distance(0.0)
    used: list[Interval] = []
    alone: list[Interval] = []
    for _ in range(SIMULATIONS):
        members = rng.normal(np.repeat([0.0, apart], k), 1.0)
        found = separation(-np.abs(members[:, None] - members[None, :]), k)
        used.append(found.interval)
        alone.append(grouped_jackknife(found.interval.estimate or 0.0, [found.left_out[:k], found.left_out[k:]]))
    counts = [
        sum(missed)
        for each in (used, alone)
        for missed in ([i.below(truth) for i in each], [i.above(truth) for i in each])
    ]
    return [share(count / SIMULATIONS, SIMULATIONS) for count in counts]


def mean_distance(apart: float) -> float:
    """Of two independent normal numbers of deviation 1 whose means are this far apart (a folded normal)."""
    return float(stats.foldnorm.mean(apart / math.sqrt(2), scale=math.sqrt(2)))
