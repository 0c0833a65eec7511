from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch

from assets.models.engine.mask import Mask
from assets.models.engine.readouts import Plan

N_TOKENS = 6
EVERY_PAIR = np.nonzero(np.ones((N_TOKENS, N_TOKENS)))
LOWEST = torch.finfo(torch.float32).min


def window(width: int) -> torch.Tensor:
    return torch.ones(1, 1, N_TOKENS, N_TOKENS, dtype=torch.bool).tril().triu(1 - width)


def plan_of(**readouts: tuple[list[int], list[int]]) -> Plan:
    arrays = {name: (np.array(queries), np.array(keys)) for name, (queries, keys) in readouts.items()}
    return Plan.of(arrays, N_TOKENS, torch.device("cpu"))


def test_chance_is_the_share_of_wanted_among_visible_keys() -> None:
    plan = plan_of(one=([1, 4], [0, 0]), two=([5, 5, 3], [1, 2, 0]))

    assert Mask(None, plan).chance == pytest.approx([(1 / 2 + 1 / 5) / 2, (2 / 6 + 1 / 4) / 2], abs=1e-15)
    assert Mask(window(5), plan).chance == pytest.approx([(1 / 2 + 1 / 5) / 2, (2 / 5 + 1 / 4) / 2], abs=1e-15)
    assert Mask(window(3), plan).chance == pytest.approx([(1 / 2 + 0) / 2, None])


def test_a_term_of_the_logits_is_read_like_a_boolean() -> None:
    plan = plan_of(one=([1, 4], [0, 0]), two=([5, 5, 3], [3, 2, 0]))
    term = torch.zeros(window(3).shape).masked_fill(~window(3), LOWEST)

    assert Mask(term, plan).chance == Mask(window(3), plan).chance


@pytest.mark.parametrize("given", [None, window(N_TOKENS), window(3), window(1)], ids=["causal", "6", "3", "1"])
def test_spans_hold_all_that_is_visible(given: torch.Tensor | None) -> None:
    mask, visible = Mask(given, plan_of(one=([1], [0]))), (window(N_TOKENS) if given is None else given)[0, 0]

    for start in range(N_TOKENS):
        for end in range(start + 1, N_TOKENS + 1):
            low, high = mask.span(start, end)
            columns = visible[start:end].any(0).nonzero().flatten().tolist()
            assert (low, high) == (columns[0], columns[-1] + 1)


@pytest.mark.parametrize("given", [None, window(3), torch.zeros(1, 1, 6, 6).masked_fill(~window(3), LOWEST)])
def test_hides_what_is_not_visible_and_nothing_else(given: torch.Tensor | None) -> None:
    visible = window(N_TOKENS if given is None else 3)[0, 0]
    logits = torch.randn(2, 3, 2, 4)
    before = logits.clone()

    Mask(given, plan_of(one=([1], [0]))).hide(logits, start=2, low=0)

    seen = visible[2:4, 0:4].expand_as(logits)
    assert torch.equal(logits[seen], before[seen])
    assert (logits[~seen] < LOWEST / 2).all()


@pytest.mark.parametrize("width", [2, 3, 6])
def test_entropy_weights_leave_out_queries_that_see_one_key(width: int) -> None:
    plan = dataclasses.replace(plan_of(one=([1], [0])), rows=True)

    weights = Mask(window(width), plan).entropy_weights

    n_visible = [min(i + 1, width) for i in range(N_TOKENS)]
    assert weights is not None
    assert weights.tolist() == pytest.approx([1 / math.log(n) / 5 if n > 1 else 0 for n in n_visible])
    if width == N_TOKENS:
        causal = Mask(None, plan).entropy_weights
        assert causal is not None
        assert torch.equal(causal, weights)


def test_no_entropy_weights_where_undefined_or_not_asked_for() -> None:
    plan = plan_of(one=([1], [0]))

    assert Mask(window(1), dataclasses.replace(plan, rows=True)).entropy_weights is None
    assert Mask(window(3), plan).entropy_weights is None


@pytest.mark.parametrize("future", [False, True])
def test_tells_whether_a_later_token_is_seen(future: bool) -> None:
    given = window(3)
    given[0, 0, 2, 4] = future

    assert Mask(given, plan_of(one=([1], [0]))).causal is not future


def test_tells_whether_heads_see_different_keys() -> None:
    plan, both = plan_of(one=([1], [0])), torch.cat([window(3), window(4)], dim=1)

    assert Mask(both, plan).selects
    assert not Mask(window(3).expand(2, 4, -1, -1), plan).selects
    assert not Mask(None, plan).selects
