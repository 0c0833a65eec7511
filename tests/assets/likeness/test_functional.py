"""Profiles of scores by hand, and against the area between two distribution functions."""

from __future__ import annotations

import numpy as np
import pytest

from assets.likeness.functional import MEASURE, profile_likeness
from assets.likeness.registry import Compared
from tests.assets.likeness.by_hand import heads, one, scored


def test_the_profile_ignores_where_heads_are_and_chance_is_the_other_run_untrained() -> None:
    a = heads("a", [[0.9, 0.1], [0.1, 0.1]], first=[[0.1, 0.1], [0.1, 0.1]])
    b = heads("b", [[0.1, 0.1], [0.1, 0.5]], first=[[0.1, 0.1], [0.1, 0.3]])

    (found,) = MEASURE.compare(Compared("m", [scored(a, b)]))

    assert found.value == pytest.approx(1 - 0.4 / 4)
    assert found.chance == pytest.approx(((1 - 0.6 / 4) + (1 - 0.4 / 4)) / 2)  # a with b untrained, b with a untrained
    assert (found.checkpoint_a, found.checkpoint_b, found.n) == ("a@step9", "b@step9", 4)
    assert found.stratum == "metric=prefix_matching"


def test_distance_is_in_units_of_the_metrics_range() -> None:
    a, b = heads("a", [[-1.0, -1.0]]), heads("b", [[1.0, 1.0]])

    (wide,) = MEASURE.compare(Compared("m", [scored(a, b, span=2.0)]))

    assert wide.value == pytest.approx(0.0)
    assert wide.chance is None
    assert list(MEASURE.compare(Compared("m", [scored(a, b, span=None)]))) == []


def test_distance_is_the_area_between_the_distribution_functions() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.beta(2, 5, 40), rng.beta(5, 2, 40)
    grid = np.linspace(0, 1, 200_001)
    area = np.abs((a[:, None] <= grid).mean(0) - (b[:, None] <= grid).mean(0)).mean()

    assert profile_likeness([a], [b], 1.0)[0, 0] == pytest.approx(1 - area, abs=1e-4)  # a step of the grid a jump


def test_every_pair_is_compared_once() -> None:
    runs = [heads(name, [[0.1, 0.2]]) for name in "abcd"]

    found = list(MEASURE.compare(Compared("m", [scored(*runs)])))

    assert len({(m.checkpoint_a, m.checkpoint_b) for m in found}) == len(found) == 6
    assert one(found, "profile_likeness", checkpoint_a="a@step9", checkpoint_b="d@step9").value == 1.0
