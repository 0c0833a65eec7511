"""Places of top heads against enumerated draws, and index correlation against every permutation of heads."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest

from assets.claims.statistics.pooling import chance_agreement
from assets.likeness.positional import MEASURE, index_correlation
from assets.likeness.registry import Compared, Heads, PairMeasurement
from tests.assets.likeness.by_hand import heads, one, scored


def top_in(name: str, layer: int, n_layers: int = 4) -> Heads:
    return heads(name, [[0.9 if here == layer else 0.1, 0.2] for here in range(n_layers)])


def compare(*runs: Heads) -> list[PairMeasurement]:
    return list(MEASURE.compare(Compared("m", [scored(*runs)])))


@pytest.mark.parametrize(("layer", "same", "near", "depth"), [(1, 1, 1, 1), (2, 0, 1, 2 / 3), (3, 0, 0, 1 / 3)])
def test_top_layers_that_differ_by_none_one_and_two(layer: int, same: float, near: float, depth: float) -> None:
    found = compare(top_in("a", 1), top_in("b", layer))

    by_tolerance = {m.parameters["tolerance"]: m for m in found if m.metric_id == "same_top_layer"}
    assert {tolerance: m.value for tolerance, m in by_tolerance.items()} == {0: same, 1: near}
    assert one(found, "top_depth_likeness").value == pytest.approx(depth)
    for tolerance, m in by_tolerance.items():
        assert m.chance == pytest.approx(chance_agreement(4, int(tolerance)))


@pytest.mark.parametrize("metric_id", ["same_top_layer", "top_depth_likeness"])
def test_runs_with_random_top_layers_agree_by_chance(metric_id: str) -> None:
    every = [
        m
        for i, j in product(range(4), repeat=2)
        for m in compare(top_in("a", i), top_in("b", j))
        if m.metric_id == metric_id and m.parameters.get("tolerance", 0) == 0
    ]

    assert np.mean([m.value for m in every]) == pytest.approx(every[0].chance)


def test_where_every_draw_agrees_there_is_no_agreement_to_speak_of() -> None:
    two, single = (compare(top_in("a", 0, n), top_in("b", 0, n)) for n in (2, 1))

    assert {m.parameters.get("tolerance") for m in two if m.metric_id == "same_top_layer"} == {0}
    assert {m.metric_id for m in single} == {"index_correlation"}


@pytest.mark.parametrize("tied", [[[0.0, 0.0], [0.0, 0.0]], [[1.0, 0.2], [0.3, 1.0]]])
def test_where_several_layers_share_the_highest_score_none_is_the_top(tied: list[list[float]]) -> None:
    found = compare(heads("a", tied), heads("b", tied))

    assert {m.metric_id for m in found} <= {"index_correlation"}


def test_heads_of_one_layer_that_share_the_highest_score_are_in_that_layer() -> None:
    found = compare(heads("a", [[0.1, 0.2], [0.9, 0.9]]), heads("b", [[0.1, 0.2], [0.9, 0.3]]))

    assert one(found, "top_depth_likeness").value == 1


def test_layers_without_heads_can_not_be_drawn() -> None:
    hybrid = [
        Heads(f"{name}@step9", np.array([1, 1, 5, 5]), np.array([0, 1, 0, 1]), np.array(scores), None)
        for name, scores in (("a", [0.9, 0, 0, 0]), ("b", [0, 0, 0.9, 0]))
    ]

    found = compare(*hybrid)

    assert {m.chance for m in found if m.metric_id == "same_top_layer"} == {0.5}
    assert (one(found, "top_depth_likeness").value, one(found, "top_depth_likeness").chance) == (0.0, 0.5)


def test_permuting_heads_within_layers_gives_the_stated_mean_and_deviation() -> None:
    rng = np.random.default_rng(3)
    a, b = rng.random(7), rng.random(7)
    layer = np.array([0, 0, 0, 1, 1, 1, 1])

    def centred(scores: np.ndarray) -> np.ndarray:
        return np.concatenate([scores[:3] - scores[:3].mean(), scores[3:] - scores[3:].mean()])

    every = [
        np.corrcoef(centred(a), centred(np.concatenate([b[list(p)], b[list(q)]])))[0, 1]
        for p in permutations(range(3))
        for q in permutations(range(3, 7))
    ]
    found = index_correlation(a, b, layer)

    assert found is not None
    assert found[0] == pytest.approx(every[0])
    assert np.mean(every) == pytest.approx(0, abs=1e-12)
    assert np.std(every) == pytest.approx(found[1])


def test_the_same_heads_correlate_fully_whatever_the_levels_of_layers() -> None:
    scores = [[0.1, 0.5, 0.3], [0.2, 0.9, 0.1]]
    raised = [[s / 2 for s in scores[0]], [s / 2 + 0.4 for s in scores[1]]]

    found = one(compare(heads("a", scores), heads("b", raised)), "index_correlation")

    assert found.value == pytest.approx(1)
    assert found.chance == 0


def test_layer_means_alone_are_no_correlation() -> None:
    rng = np.random.default_rng(0)
    runs = [heads(f"r{i:02}", rng.random((2, 8)) * 0.1 + [[0.0], [0.8]]) for i in range(30)]

    found = [m for m in compare(*runs) if m.metric_id == "index_correlation"]

    # 435 pairs of 30 runs, each with a deviation of 1/sqrt(14): their mean has one of .013
    assert abs(np.mean([m.value for m in found])) < 0.04
    assert np.std([m.value for m in found]) == pytest.approx(found[0].standard_error, rel=0.15)


def test_heads_that_do_not_differ_have_no_correlation() -> None:
    flat, other = heads("a", [[0.3] * 3, [0.1] * 3]), heads("b", [[0.3, 0.1, 0.2], [0.1, 0.2, 0.4]])

    assert [m for m in compare(flat, other) if m.metric_id == "index_correlation"] == []
