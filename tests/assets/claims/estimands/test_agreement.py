from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest

from assets.claims import pooling
from assets.claims.estimands.agreement import identical_rule
from assets.claims.exchangeable import correlation_by_index
from assets.claims.pooling import Interval

if TYPE_CHECKING:
    from tests.assets.claims.conftest import Library, World


def tops(world: World, places: list[tuple[int, int]], layers: int = 4, heads: int = 4) -> World:
    """A run per place of the top head."""
    world.model("m", n_layers=layers)
    for i, top in enumerate(places):
        scores = {(layer, head): 0.1 for layer in range(layers) for head in range(heads)} | {top: 0.9}
        world.run(f"r{i}", "m").measure(f"r{i}", "previous_token", scores)
    return world


def test_all_in_one_layer_agree(world: World, library: Library) -> None:
    decided = tops(world, [(2, i % 4) for i in range(6)]).decide(library.plain("same-layer-across-seeds"))

    model = decided("model", "m")
    assert (model["verdict"], model["estimate"]) == ("holds", pytest.approx(1.0))
    assert "in layers 2, 2, 2, 2, 2, 2" in model["reason"]
    assert {row["estimate"] for row in decided.runs("model", "m").values()} == {2.0}


def test_the_very_head_is_another_question(world: World, library: Library) -> None:
    """Six runs agree on the layer, and each pair of heads is different: (0 - 1/16)/(1 - 1/16)."""
    tops(world, [(2, i) for i in range(4)] + [(1, 0), (1, 1)])

    model = world.decide(library.about("same-layer-across-seeds", about="head"))("model", "m")

    assert model["estimate"] == pytest.approx(-1 / 15)
    assert model["verdict"] == "inconclusive"
    assert "no two units agree" in model["reason"]


def test_agreement_is_corrected_for_chance(world: World, library: Library) -> None:
    """Layers 0 0 0 1 1 2: 4 of 15 pairs agree, chance 1/4: (4/15 - 1/4)/(3/4)."""
    tops(world, [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (2, 0)])

    model = world.decide(library.plain("same-layer-across-seeds"))("model", "m")

    assert model["estimate"] == pytest.approx((4 / 15 - 1 / 4) / (3 / 4))
    assert model["verdict"] == "inconclusive"


def test_tolerance_counts_neighbouring_layers(world: World, library: Library) -> None:
    """12 of 15 pairs within one layer; chance (4 + 2 x 3)/16."""
    tops(world, [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (2, 0)])

    model = world.decide(library.about("same-layer-across-seeds", tolerance=1))("model", "m")

    assert model["estimate"] == pytest.approx((12 / 15 - 10 / 16) / (1 - 10 / 16))


@pytest.mark.parametrize(
    ("layers", "verdict"), [([2] * 5, "holds"), ([2, 2, 2, 2, 2, 1], "fails"), ([0, 1, 2, 3, 0], "fails")]
)
def test_identical_is_refuted_by_any_two_that_differ(
    world: World, library: Library, layers: list[int], verdict: str
) -> None:
    """Six runs of which five agree: beyond chance, yet not identical."""
    tops(world, [(layer, i % 4) for i, layer in enumerate(layers)])

    model = world.decide(library.about("same-layer-across-seeds", claimed="identical"))("model", "m")

    assert model["verdict"] == verdict
    assert model["estimate"] == pytest.approx(max(layers.count(layer) for layer in layers) / len(layers))
    assert model["unit"] == "share of training runs in the commonest place"


def test_four_that_agree_are_too_few_to_be_identical(world: World, library: Library) -> None:
    model = tops(world, [(2, 0)] * 4).decide(library.about("same-layer-across-seeds", claimed="identical"))(
        "model", "m"
    )

    assert model["verdict"] == "insufficient"
    assert identical_rule([2] * 4, "", "Four").verdict == "inconclusive"


def test_agreement_is_not_defined_at_the_level_run(world: World, library: Library) -> None:
    decided = tops(world, [(2, 0)] * 5).decide(library.plain("same-layer-across-seeds"))

    assert decided.subjects("run") == []


def test_runs_with_other_heads_are_left_out(world: World, library: Library) -> None:
    tops(world, [(2, 0)] * 5)
    world.run("odd", "m").measure("odd", "previous_token", {(0, 0): 0.9, (1, 0): 0.1})

    runs = world.decide(library.plain("same-layer-across-seeds")).runs("model", "m")

    assert not runs["odd"]["included"]
    assert "other heads" in runs["odd"]["reason"]


def scored(scores: np.ndarray) -> list[pl.DataFrame]:
    """Frames of (runs, layers, heads)."""
    layers, heads = scores.shape[1:]
    places = [(layer, head) for layer in range(layers) for head in range(heads)]
    return [
        pl.DataFrame({"layer": [p[0] for p in places], "head": [p[1] for p in places], "value": run.ravel()})
        for run in scores
    ]


def test_correlation_by_index_is_that_of_numpy_without_layer_means() -> None:
    rng = np.random.default_rng(3)
    scores = rng.normal(size=(6, 4, 5)) + 10 * np.arange(4)[None, :, None]
    residuals = (scores - scores.mean(axis=2, keepdims=True)).reshape(6, -1)
    expected = np.corrcoef(residuals)[np.triu_indices(6, 1)].mean()

    found = correlation_by_index(scored(scores))

    assert found.by_chance().estimate == pytest.approx(expected)
    assert found.by_runs().estimate == pytest.approx(expected)
    assert found.by_chance().inside(-1, 1)


def test_the_deviation_is_that_of_every_permutation() -> None:
    """Three runs of a layer of three heads and one of two: all 12 x 12 arrangements of two runs against the third."""
    scores = [
        pl.DataFrame({"layer": [0, 0, 0, 1, 1], "head": [0, 1, 2, 0, 1], "value": values})
        for values in ([0.1, 0.9, 0.3, 0.2, 0.7], [0.5, 0.0, 0.1, 0.3, 0.2], [0.6, 0.2, 0.9, 0.1, 0.8])
    ]
    orders = [(*first, *second) for first in permutations((0, 1, 2)) for second in permutations((3, 4))]
    found = correlation_by_index(scores)
    assert found.scores is not None
    a, b, c = found.scores
    every = [(a @ b[list(i)] + a @ c[list(j)] + b[list(i)] @ c[list(j)]) / 3 for i in orders for j in orders]

    assert np.mean(every) == pytest.approx(0, abs=1e-12)
    assert found.deviation() == pytest.approx(np.std(every), rel=1e-12)


def test_the_interval_of_chance_covers_none_as_often_as_it_says() -> None:
    """9 runs of 6 x 4 skewed scores, nothing shared, 1,500 catalogs: 2.6 standard errors of a share of .9 are .02."""
    rng = np.random.default_rng(21)
    drawn = rng.exponential(size=(1500, 9, 6, 4))
    found = [correlation_by_index(scored(scores)) for scores in drawn]
    by_chance = [each.by_chance(0.90) for each in found]

    assert np.mean([not (i.above(0) or i.below(0)) for i in by_chance]) == pytest.approx(0.90, abs=0.02)
    assert np.median([width(a.by_runs(0.90)) / width(b) for a, b in zip(found, by_chance, strict=True)]) > 1.5


def width(interval: Interval) -> float:
    return (interval.high or 0.0) - (interval.low or 0.0)


def test_a_shared_pattern_is_seldom_taken_for_none_and_a_small_one_never_for_a_difference() -> None:
    """400 catalogs each: at a planted .25 at most one in twenty is within .1; at .1 as few are outside."""
    rng = np.random.default_rng(22)

    def decided(correlation: float) -> list[str]:
        common = rng.normal(size=(400, 1, 6, 4)) * np.sqrt(correlation)
        drawn = common + rng.normal(size=(400, 9, 6, 4)) * np.sqrt(1 - correlation)
        found = [correlation_by_index(scored(scores)) for scores in drawn]
        return [pooling.equivalent(each.by_chance(0.90), each.wider(0.95), 0.1).decision for each in found]

    assert decided(0.25).count("holds") <= 20
    assert decided(0.1).count("fails") <= 20
    assert decided(0.7).count("fails") > 350


def test_shared_layers_alone_give_no_correlation_by_index() -> None:
    """Runs alike in their layers' means, and in nothing else."""
    rng = np.random.default_rng(4)
    scores = rng.normal(0, 0.01, size=(20, 12, 12)) + np.arange(12)[None, :, None]

    found = correlation_by_index(scored(scores))

    assert found.wider(0.9).inside(-0.1, 0.1)


def test_shared_heads_are_found() -> None:
    rng = np.random.default_rng(5)
    scores = rng.normal(0, 0.3, size=(9, 4, 6)) + rng.normal(size=(1, 4, 6))

    assert correlation_by_index(scored(scores)).wider().above(0.5)


def test_one_head_a_layer_says_nothing() -> None:
    found = correlation_by_index(scored(np.random.default_rng(6).normal(size=(6, 8, 1))))

    assert found.by_chance().estimate is None
    assert "fewer than three heads" in found.wider().reason


@pytest.mark.parametrize(("shared", "verdict"), [(0.0, "holds"), (3.0, "fails")])
def test_head_index_is_arbitrary(world: World, library: Library, shared: float, verdict: str) -> None:
    rng = np.random.default_rng(8)
    common = shared * rng.normal(0, 0.05, (12, 12))
    world.model("m", n_layers=12)
    for i in range(9):
        noise = common + rng.normal(0, 0.05, (12, 12))
        heads = {(layer, head): 0.5 + noise[layer, head] for layer in range(12) for head in range(12)}
        world.run(f"r{i}", "m").measure(f"r{i}", "previous_token", heads)

    model = world.decide(library.plain("head-index-is-arbitrary"))("model", "m")

    assert model["verdict"] == verdict
