from __future__ import annotations

import dataclasses
from collections.abc import Callable
from itertools import accumulate

import numpy as np
import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from assets.models.engine.batches import TOKENS_PER_BATCH, batches, sequence_bytes
from assets.models.engine.loaded import LoadedModel
from assets.models.engine.predict import predict_next
from assets.models.engine.read import read_attention


def test_as_many_sequences_as_fit_and_one_at_least(tiny_model: Callable[..., LoadedModel]) -> None:
    loaded = tiny_model("llama")
    token_ids = torch.arange(7 * 10).view(7, 10)
    a_sequence = sequence_bytes(loaded, 10)

    parts = {
        n_bytes: batches(dataclasses.replace(loaded, activation_bytes=n_bytes), token_ids)
        for n_bytes in (1, a_sequence, 3 * a_sequence, 4 * a_sequence - 1, 2**40)
    }

    assert [max(map(len, found)) for found in parts.values()] == [1, 1, 3, 3, 7]
    for found in parts.values():
        assert torch.equal(torch.cat(found), token_ids)


def test_no_more_than_runs_fast(tiny_model: Callable[..., LoadedModel]) -> None:
    loaded = dataclasses.replace(tiny_model("llama"), activation_bytes=2**60)

    assert len(batches(loaded, torch.zeros(500, 100, dtype=torch.int64))[0]) == TOKENS_PER_BATCH // 100


def test_matrices_and_logits_take_memory(tiny_model: Callable[..., LoadedModel]) -> None:
    loaded = tiny_model("bloom")

    body = sequence_bytes(loaded, 100)

    assert sequence_bytes(loaded, 100, n_matrices=2) - body > 4 * 2 * 4 * 100 * 100
    assert sequence_bytes(loaded, 100, n_logits=100) - body > 4 * 100 * 61


def peak_bytes(function: Callable[[], object]) -> int:
    """The most that tensors made within take at once."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        function()
    events = [event for event in profiled.profiler.kineto_results.events() if event.name() == "[memory]"]
    events.sort(key=lambda event: event.start_ns())
    return max(accumulate(event.nbytes() for event in events))


@pytest.mark.parametrize(
    ("architecture", "n_matrices"),
    [("llama", 0), ("gpt_neox", 0), ("gemma2", 0), ("gpt_oss", 0), ("bloom", 2), ("gptj", 2)],
)
def test_estimate_is_above_what_reading_takes(
    tiny_model: Callable[..., LoadedModel], architecture: str, n_matrices: int
) -> None:
    loaded, token_ids = tiny_model(architecture), torch.ones(4, 100, dtype=torch.int64)
    previous = {"previous": (np.arange(1, 100), np.arange(99))}

    peak = peak_bytes(lambda: read_attention(loaded, token_ids, previous, rows=True))

    assert 1 / 6 < peak / (4 * sequence_bytes(loaded, 100, n_matrices)) < 1


@pytest.mark.parametrize(("architecture", "n_matrices"), [("llama", 0), ("gemma2", 1), ("bloom", 1)])
def test_estimate_is_above_what_predicting_takes(
    tiny_model: Callable[..., LoadedModel], architecture: str, n_matrices: int
) -> None:
    loaded, token_ids = tiny_model(architecture), torch.ones(4, 100, dtype=torch.int64)

    peak = peak_bytes(lambda: predict_next(loaded, token_ids, np.arange(99)))

    assert 1 / 6 < peak / (4 * sequence_bytes(loaded, 100, n_matrices, n_logits=100)) < 1
