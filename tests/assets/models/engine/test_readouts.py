from __future__ import annotations

import numpy as np
import pytest
import torch

from assets.models.engine.readouts import Plan

READOUTS = {
    "mean": (np.array([3, 1]), np.array([2, 0])),
    "sum": (np.array([3, 3, 2, 3]), np.array([2, 0, 1, 3])),
}


@pytest.fixture
def plan() -> Plan:
    return Plan.of(READOUTS, n_tokens=4, device=torch.device("cpu"))


def test_shared_pairs_stand_once_in_order_of_queries(plan: Plan) -> None:
    pairs = list(zip(plan.queries.tolist(), plan.keys.tolist(), strict=True))

    assert pairs == [(1, 0), (2, 1), (3, 0), (3, 2), (3, 3)]


def test_scores_sum_over_keys_and_average_over_queries(plan: Plan) -> None:
    matrix = torch.rand(4, 4)

    scores = matrix[plan.queries, plan.keys] @ plan.weights

    mean = (matrix[3, 2] + matrix[1, 0]) / 2
    both = (matrix[3, 2] + matrix[3, 0] + matrix[3, 3] + matrix[2, 1]) / 2
    assert scores.tolist() == pytest.approx([mean.item(), both.item()])
    assert plan.names == ("mean", "sum")


def test_pairs_of_rows(plan: Plan) -> None:
    assert plan.of_rows(0, 1) == slice(0, 0)
    assert plan.of_rows(1, 3) == slice(0, 2)
    assert plan.of_rows(3, 4) == slice(2, 5)


def test_parts_make_the_whole(plan: Plan) -> None:
    parts = list(plan.split(2))

    assert [len(queries) for queries, _, _ in parts] == [2, 2, 1]
    assert torch.equal(torch.cat([keys for _, keys, _ in parts]), plan.keys)


def test_later_keys_count_as_queries_and_add_nothing() -> None:
    plan = Plan.of({"both": (np.array([1, 2]), np.array([0, 3]))}, n_tokens=4, device=torch.device("cpu"))

    assert (plan.queries.tolist(), plan.keys.tolist()) == ([1], [0])
    assert plan.weights.tolist() == [[0.5]]
