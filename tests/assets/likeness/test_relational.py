"""Offsets and path effects by hand; the chance of an offset by enumeration of four layers."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from assets.likeness.registry import Compared, Edges, Heads, Linked, Scored
from assets.likeness.relational import MEASURE, expected_offset_likeness
from assets.likeness.tops import inductions, tops
from tests.assets.likeness.by_hand import INPUTS, heads, one, scored


def top_in(name: str, layer: int) -> Heads:
    return heads(name, [[0.9 if here == layer else 0.1, 0.2] for here in range(4)])


def previous(*runs: Heads) -> Scored:
    return scored(*runs, metric_id="previous_token")


@pytest.mark.parametrize(
    ("induction", "previous_token", "likeness"),
    [((2, 2), (1, 1), 1), ((3, 1), (2, 0), 1), ((2, 3), (1, 1), 5 / 6), ((3, 0), (0, 3), 0)],
)
def test_offsets(induction: tuple[int, int], previous_token: tuple[int, int], likeness: float) -> None:
    above, below = (
        [top_in(name, layer) for name, layer in zip("ab", layers, strict=True)]
        for layers in (induction, previous_token)
    )

    found = one(list(MEASURE.compare(Compared("m", [scored(*above), previous(*below)]))), "offset_likeness")

    assert found.value == pytest.approx(likeness)
    assert found.chance == pytest.approx(
        np.mean([1 - abs((i - j) - (k - m)) / 6 for i, j, k, m in product(range(4), repeat=4)])
    )


def test_the_expected_difference_is_that_of_layers_where_heads_are() -> None:
    a, b = np.array([1, 2, 2, 7]), np.array([0, 1, 2])
    every = [1 - abs((i - j) / 6 - (k - m) / 2) / 2 for i, j in product((1, 2, 7), repeat=2) for k, m in product(b, b)]

    assert expected_offset_likeness(a, b) == pytest.approx(np.mean(every))
    assert expected_offset_likeness(b, a) == pytest.approx(np.mean(every))


def test_a_positional_head_is_no_induction_head() -> None:
    matching = heads("a", [[0.9, 0.1], [0.1, 0.6]])
    placebo = heads("a", [[0.9, 0.0], [0.0, 0.1]])

    (induction,) = inductions([scored(matching), scored(placebo, metric_id="prefix_matching_placebo")])

    assert tops(scored(matching)) == {"a@step9": (0, 0)}
    assert tops(induction) == {"a@step9": (1, 1)}


def test_prefix_matching_on_tokens_drawn_otherwise_than_the_placebos_is_left_out() -> None:
    placebo = scored(heads("a", [[0.9, 0.0], [0.0, 0.1]]), metric_id="prefix_matching_placebo")
    other = replace(placebo, metric_id="prefix_matching", parameters={**placebo.parameters, "tokens": "all"})

    assert list(inductions([other, placebo])) == []
    assert list(inductions([other])) == [other]


def test_scores_on_other_inputs_are_not_put_together() -> None:
    longer = Scored("previous_token", {"input": "distinct", "n": 50, "bos": False}, 1.0, (top_in("a", 0),))

    assert list(MEASURE.compare(Compared("m", [scored(top_in("a", 0), top_in("b", 0)), longer]))) == []


def test_path_effects_are_compared_and_chance_is_the_other_runs_random_senders() -> None:
    a = Edges("a@step9", np.array([0.2, 0.9]), np.array([0.8, 0.0]))
    b = Edges("b@step9", np.array([0.7, 0.1]), np.array([0.05, 0.9]))

    (found,) = MEASURE.compare(Compared("m", linked=[Linked("path_effect", INPUTS, (a, b))]))

    assert found.metric_id == "path_effect_likeness"
    assert found.value == pytest.approx(0.8)
    assert found.chance == pytest.approx(((1 - 0.85) + (1 - 0.7)) / 2)  # of the strongest edges


def test_without_random_senders_there_is_no_chance_level() -> None:
    runs = tuple(Edges(f"{name}@step9", np.array([0.5]), np.array([np.nan])) for name in "ab")

    (found,) = MEASURE.compare(Compared("m", linked=[Linked("path_effect", INPUTS, runs)]))

    assert (found.value, found.chance) == (1.0, None)
