"""Likeness in position: is the top head of two training runs in the same place, and do head numbers mean anything?

Not here: whether what sits there is alike in kind (functional.py, configurational.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from assets.likeness.registry import Compared, Floats, Heads, PairMeasure, PairMeasurement, Scored, pair_metric
from assets.likeness.tops import mechanisms, top

UNIFORM = (
    "Both layers drawn uniformly and independently from those in which heads were measured, by enumeration; agreement "
    "beyond chance is (value - chance)/(1 - chance). "
)
METRICS = (
    pair_metric(
        "same_top_layer",
        "positional",
        "1 where the layers of the top heads of two final checkpoints differ by no more than the tolerance, else 0.",
        UNIFORM + "Not given where it is 1, nor where heads of several layers share the highest score.",
    ),
    pair_metric(
        "top_depth_likeness",
        "positional",
        "1 - |difference of the relative depths of the top heads of two final checkpoints|; relative depth = (layer - "
        "first) / (last - first layer in which the run's heads were measured).",
        UNIFORM + "Not given where heads of several layers share the highest score.",
    ),
    pair_metric(
        "index_correlation",
        "positional",
        "Pearson's r between the scores of the heads of equal layer and number in two final checkpoints, each run's "
        "layer means taken out first; layers of a single head are left out.",
        "0, the mean over all permutations of heads within run and layer; the standard error is their exact standard "
        "deviation.",
        unit="correlation",
        lower=-1.0,
    ),
)
TOLERANCES = (0, 1)
ROUNDING = 1e-24
"""Of the sum of squared scores: what is left of less, when layer means are out, is rounding."""


class Positional(PairMeasure):
    """See assets/likeness/registry.py, PairMeasure."""

    name = "positional"
    version = 3
    metrics = METRICS
    reads = None

    def compare(self, compared: Compared) -> Iterator[PairMeasurement]:
        for scored in mechanisms(compared.scored):
            for a, b in combinations(scored.runs, 2):
                yield from _places(scored, a, b)
                yield from _indices(scored, a, b)


def _places(scored: Scored, a: Heads, b: Heads) -> Iterator[PairMeasurement]:
    if _undecided(a) or _undecided(b):
        return
    layers = np.union1d(a.layer, b.layer)
    distance = abs(top(a)[0] - top(b)[0])
    apart = np.abs(layers[:, None] - layers[None, :])

    def found(metric_id: str, value: float, chance: float, **parameters: int) -> PairMeasurement:
        return PairMeasurement(
            metric_id,
            {**scored.parameters, **parameters},
            a.checkpoint_id,
            b.checkpoint_id,
            value,
            stratum=scored.stratum,
            chance=chance,
            n=layers.size,
        )

    for tolerance in TOLERANCES:
        chance = float((apart <= tolerance).mean())
        if chance < 1:
            yield found("same_top_layer", float(distance <= tolerance), chance, tolerance=tolerance)
    depth_a, depth_b = top_depths([a, b])
    if np.isfinite(depth_a) and np.isfinite(depth_b):
        chance = expected_depth_likeness(a.layer, b.layer)
        yield found("top_depth_likeness", 1 - float(abs(depth_a - depth_b)), chance)


def _undecided(run: Heads) -> bool:
    """Whether heads of several layers share the highest score: shares of windows are often all 0, or several 1."""
    return np.unique(run.layer[run.final == run.final.max()]).size > 1


def top_depths(runs: Sequence[Heads]) -> Floats:
    """(runs,) relative depths of the top heads; NaN where a run has a single layer or no single top layer."""
    return np.array([_top_depth(run) for run in runs])


def _top_depth(run: Heads) -> float:
    if _undecided(run) or np.ptp(run.layer) == 0:
        return np.nan
    return float((top(run)[0] - run.layer.min()) / np.ptp(run.layer))


def expected_depth_likeness(a: NDArray[np.int64], b: NDArray[np.int64]) -> float:
    """Of a layer of a and one of b, each drawn uniformly from those measured; both have several."""
    of_a, of_b = ((np.unique(layers) - layers.min()) / np.ptp(layers) for layers in (a, b))
    return 1 - float(np.abs(of_a[:, None] - of_b[None, :]).mean())


def _indices(scored: Scored, a: Heads, b: Heads) -> Iterator[PairMeasurement]:
    if not (np.array_equal(a.layer, b.layer) and np.array_equal(a.head, b.head)):
        return
    correlation = index_correlation(a.final, b.final, a.layer)
    if correlation is not None:
        value, deviation = correlation
        yield PairMeasurement(
            "index_correlation",
            scored.parameters,
            a.checkpoint_id,
            b.checkpoint_id,
            value,
            stratum=scored.stratum,
            chance=0.0,
            standard_error=deviation,
            n=a.final.size,
        )


def index_correlation(a: Floats, b: Floats, layer: NDArray[np.int64]) -> tuple[float, float] | None:
    """Pearson's r of two runs' scores by head, and its standard deviation over all permutations within layers.

    With each layer's mean taken out, permuting the H_l heads of layer l gives sum x y the mean 0 and the variance
    sum x^2 sum y^2 / (H_l - 1): the r of a permutation has mean 0 and a known variance, without drawing any.

    Args:
        a, b: (heads,)
        layer: (heads,)

    Returns:
        None where a run's heads do not differ within any layer.
    """
    product, variance, squares_a, squares_b = 0.0, 0.0, 0.0, 0.0
    for number in np.unique(layer):
        x, y = (scores[layer == number] - scores[layer == number].mean() for scores in (a, b))
        if x.size > 1:
            product += float(x @ y)
            variance += float(x @ x) * float(y @ y) / (x.size - 1)
            squares_a, squares_b = squares_a + float(x @ x), squares_b + float(y @ y)
    if squares_a <= ROUNDING * (a @ a) or squares_b <= ROUNDING * (b @ b):
        return None
    norm = np.sqrt(squares_a * squares_b)
    return float(np.clip(product / norm, -1, 1)), float(np.sqrt(variance) / norm)


MEASURE = Positional()
