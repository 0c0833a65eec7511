from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest
from scipy import stats

from assets.claims.estimands.agreement import identical_rule
from assets.claims.statistics import pooling
from assets.claims.statistics.exchangeable import correlation_by_index

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


def by_hand(scores: np.ndarray, without: int | None = None) -> float:
    """Mean of numpy's correlations over pairs of runs, one head of all left out, each layer's mean taken out after."""
    columns = []
    for layer in range(scores.shape[1]):
        heads = [h for h in range(scores.shape[2]) if layer * scores.shape[2] + h != without]
        part = scores[:, layer, heads]
        columns.append(part - part.mean(axis=1, keepdims=True))
    correlations = np.corrcoef(np.hstack(columns))
    return float(correlations[np.triu_indices(len(scores), 1)].mean())


def test_correlation_by_index_is_that_of_numpy_jackknifed_over_heads() -> None:
    scores = np.random.default_rng(3).normal(size=(6, 4, 5)) + 10 * np.arange(4)[None, :, None]
    left_out = np.array([by_hand(scores, without=head) for head in range(20)])
    error = np.sqrt(19 / 20 * ((left_out - left_out.mean()) ** 2).sum())

    found = correlation_by_index(scored(scores), 0.90)

    assert found.estimate == pytest.approx(by_hand(scores), rel=1e-9)
    assert found.high == pytest.approx(by_hand(scores) + stats.t.ppf(0.95, 20 - 4) * error, rel=1e-9)


@pytest.mark.parametrize("planted", [0.0, 0.3])
def test_the_interval_covers_what_is_planted(planted: float) -> None:
    """600 catalogs of 9 runs of 6 x 8 heads: three standard errors of a share of .9 are .037."""
    rng = np.random.default_rng(21)
    shared = rng.normal(size=(600, 1, 6, 8)) * np.sqrt(planted)
    drawn = shared + rng.normal(size=(600, 9, 6, 8)) * np.sqrt(1 - planted)
    found = [correlation_by_index(scored(scores), 0.90) for scores in drawn]

    assert np.mean([not (i.above(planted) or i.below(planted)) for i in found]) == pytest.approx(0.90, abs=0.037)


def test_a_shared_pattern_of_the_bound_is_seldom_taken_for_none() -> None:
    """400 catalogs of 9 runs of 12 x 12 heads that correlate by the bound: nominally one in twenty holds."""
    rng = np.random.default_rng(22)
    drawn = rng.normal(size=(400, 1, 12, 12)) * np.sqrt(0.1) + rng.normal(size=(400, 9, 12, 12)) * np.sqrt(0.9)

    def decision(scores: np.ndarray) -> str:
        frames = scored(scores)
        return pooling.equivalence(lambda confidence: correlation_by_index(frames, confidence), 0.1).decision

    found = [decision(scores) for scores in drawn]

    assert found.count("holds") <= 0.08 * 400
    assert found.count("fails") <= 0.05 * 400


def test_shared_layers_alone_give_no_correlation_by_index() -> None:
    """Runs alike in their layers' means, and in nothing else."""
    rng = np.random.default_rng(4)
    scores = rng.normal(0, 0.01, size=(20, 12, 12)) + np.arange(12)[None, :, None]

    found = correlation_by_index(scored(scores))

    assert found.inside(-0.1, 0.1)


def test_shared_heads_are_found() -> None:
    rng = np.random.default_rng(5)
    scores = rng.normal(0, 0.3, size=(9, 4, 6)) + rng.normal(size=(1, 4, 6))

    assert correlation_by_index(scored(scores)).above(0.5)


def test_one_head_a_layer_says_nothing() -> None:
    found = correlation_by_index(scored(np.random.default_rng(6).normal(size=(6, 8, 1))))

    assert found.estimate is None
    assert "fewer than three heads" in found.reason


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
