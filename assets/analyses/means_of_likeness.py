"""Means of likeness: over the pairs of training runs of one or two models, and over the models of one or two families.

Units are training runs, for families models; intervals leave out one unit at a time. Not here: the statistics
(assets/likeness), which subjects are compared on what (correspondences.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from statistics import fmean

import numpy as np
import polars as pl
from numpy.typing import NDArray

from assets.claims.statistics.pooling import Interval, jackknife, jackknife_of_two
from assets.likeness.between import Alike
from assets.likeness.registry import Floats

Places = NDArray[np.intp]


@dataclass(frozen=True)
class Found:
    """One statistic of two subjects: a likeness with its interval, or the reason why there is none."""

    value: float | None = None
    chance: float | None = None
    interval: tuple[float, float] | None = None
    n_pairs: int = 0
    variant: str | None = None
    reason: str | None = None


Pairs = Mapping[tuple[str, str], Found]
"""By the ids of two subjects."""


def of_two_models(alike: Alike, variant: str, with_interval: bool = True) -> Found:
    """Over all pairs of one training run of either."""
    known = ~np.isnan(alike.values)
    values = alike.values[known.any(1)][:, known.any(0)]
    few = "fewer than three training runs of one of them: no interval" if min(values.shape) < 3 else None
    return Found(
        float(np.nanmean(values)),
        alike.chance,
        _ends(jackknife_of_two(_mean_of(values), *values.shape)) if with_interval else None,
        int(known.sum()),
        variant,
        _joined(alike.limit, few),
    )


def of_own_runs(pairs: pl.DataFrame, variant: str, limit: str | None) -> Found:
    """Over the pairs of a model's training runs: rows of the view `likeness`."""
    runs = sorted({*pairs["run_a"], *pairs["run_b"]})
    at_a, at_b = ([runs.index(run_id) for run_id in pairs[column]] for column in ("run_a", "run_b"))
    values = np.full((len(runs), len(runs)), np.nan)
    values[at_a, at_b] = values[at_b, at_a] = pairs["value"].to_numpy()
    mean = _mean_of(values)
    chance = pairs["chance"].drop_nulls().to_numpy()
    few = "fewer than three training runs: no interval" if len(runs) < 3 else None
    return Found(
        float(np.nanmean(values)),
        float(chance.mean()) if chance.size else None,
        _ends(jackknife(lambda kept: mean(kept, kept), len(runs))),
        len(pairs),
        variant,
        _joined(limit, few),
    )


def of_two_families(of_a: Sequence[str], of_b: Sequence[str], between: Pairs) -> Found:
    """Over all pairs of one model of either, or of two models of a family; each pair of models counts once."""
    own = list(of_a) == list(of_b)
    if own and len(of_a) == 1:
        return Found(reason="one model of the family is measured")
    pairs = {pair: between.get(pair, between.get(pair[::-1])) for pair in product(of_a, of_b) if pair[0] != pair[1]}
    known = {pair: found for pair, found in pairs.items() if found and found.value is not None}
    if not known:
        reasons = Counter(found.reason for found in pairs.values() if found)
        return Found(reason=min(reasons, key=lambda reason: (-reasons[reason], str(reason)), default="not measured"))
    values = np.array([[known[a, b].value if (a, b) in known else np.nan for b in of_b] for a in of_a], dtype=float)
    chances = [found.chance for found in known.values() if found.chance is not None]
    variants = {found.variant for found in known.values()}
    twice = 2 if own else 1
    interval, limit = _over_models(values, own, next(iter(known.values())))
    part = None
    if len(known) < len(pairs):
        part = f"{len(known) // twice} of {len(pairs) // twice} pairs of models can be compared"
    return Found(
        float(np.nanmean(values)),
        fmean(chances) if chances else None,
        interval,
        sum(found.n_pairs for found in known.values()) // twice,
        variants.pop() if len(variants) == 1 else None,
        _joined(part, limit),
    )


def _over_models(values: Floats, own: bool, single: Found) -> tuple[tuple[float, float] | None, str | None]:
    """The interval over the models of one family or of two, and what limits it."""
    if values.shape == (1, 1):
        return single.interval, _joined(single.reason, "one model of each: the interval is over their training runs")
    if min(values.shape) < 3:
        return None, "fewer than three models of one of them: no interval"
    mean = _mean_of(values)
    return _ends(
        jackknife(lambda kept: mean(kept, kept), len(values)) if own else jackknife_of_two(mean, *values.shape)
    ), None


def against_thirds(found: Pairs) -> dict[tuple[str, str], Found]:
    """With the chance level of development: the mean likeness of either subject with every third."""
    values = {pair: each.value for pair, each in found.items() if each.value is not None}
    of_subject: dict[str, dict[str, float]] = {}
    for (a, b), value in values.items():
        of_subject.setdefault(a, {})[b] = value
        of_subject.setdefault(b, {})[a] = value

    def chance(a: str, b: str) -> float | None:
        thirds = [value for one in sorted({a, b}) for third, value in of_subject[one].items() if third not in (a, b)]
        return fmean(thirds) if thirds else None

    return {pair: replace(each, chance=chance(*pair)) if pair in values else each for pair, each in found.items()}


def _mean_of(values: Floats) -> Callable[[Places, Places], float]:
    """The mean of the known values in some rows and columns; NaN where there are none."""
    known = ~np.isnan(values)
    filled = np.where(known, values, 0)

    def mean(rows: Places, columns: Places) -> float:
        n = known[np.ix_(rows, columns)].sum()
        return float(filled[np.ix_(rows, columns)].sum() / n) if n else float("nan")

    return mean


def _ends(interval: Interval) -> tuple[float, float] | None:
    """None where there are too few units, or they are all alike: an interval without width is no certainty."""
    low, high = interval.low, interval.high
    return (low, high) if low is not None and high is not None and low < high else None


def _joined(*words: str | None) -> str | None:
    return "; ".join(each for each in words if each) or None
