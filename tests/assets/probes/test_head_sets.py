from __future__ import annotations

from itertools import combinations, product

import pytest

from assets.probes.head_sets import control_sets, count_of
from catalog.errors import UserError


@pytest.mark.parametrize(
    ("name", "n_heads", "count"),
    [("top1", 8, 1), ("top3", 8, 3), ("top3", 2, 2), ("top2%", 8, 1), ("top2%", 270, 5), ("top5%", 270, 14)],
)
def test_count(name: str, n_heads: int, count: int) -> None:
    assert count_of(name, n_heads) == count


@pytest.mark.parametrize("name", ["", "top", "top0", "top-1", "top1.5", "best2", "top%"])
def test_names_of_no_set(name: str) -> None:
    with pytest.raises(UserError, match="names no set"):
        count_of(name, 8)


def test_all_control_sets_where_they_are_few() -> None:
    chosen = frozenset({(0, 1), (2, 0), (2, 3)})

    found = control_sets(chosen, {0: 4, 1: 4, 2: 4}, limit=50, sample_seed=0)

    expected = {frozenset({(0, h), (2, 1), (2, 2)}) for h in (0, 2, 3)}
    assert set(found) == expected
    assert len(found) == 3


def test_drawn_control_sets_match_layers_and_counts() -> None:
    chosen = frozenset({(0, 1), (1, 0), (1, 3)})

    found = control_sets(chosen, {0: 12, 1: 12}, limit=50, sample_seed=0)

    others = [[(layer, h) for h in range(12) if (layer, h) not in chosen] for layer in (0, 1)]
    possible = {frozenset({low, *high}) for low, high in product(others[0], combinations(others[1], 2))}
    assert len(set(found)) == len(found) == 50
    assert set(found) < possible
    assert found == control_sets(chosen, {0: 12, 1: 12}, limit=50, sample_seed=0)
    assert found != control_sets(chosen, {0: 12, 1: 12}, limit=50, sample_seed=1)


def test_no_control_sets_where_a_layer_has_too_few_other_heads() -> None:
    assert control_sets(frozenset({(0, 0), (0, 1), (0, 2)}), {0: 4}, limit=50, sample_seed=0) == []
