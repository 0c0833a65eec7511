from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
import torch

from assets.models.engine.loaded import LoadedModel
from assets.models.engine.predict import predict_next


@pytest.mark.parametrize("architecture", ["gpt2", "gemma2", "mamba", "gptj"])
def test_equals_full_logits(tiny_model: Callable[..., LoadedModel], architecture: str) -> None:
    loaded = tiny_model(architecture)
    token_ids = torch.randint(1, 60, (3, 9), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        logits = loaded.model(token_ids).logits
    token_ids[0, 3], token_ids[1, 8] = logits[0, 2].argmax(), logits[1, 7].argmax()
    with torch.no_grad():
        log_probability = loaded.model(token_ids).logits.log_softmax(-1)

    prediction = predict_next(loaded, token_ids, np.array([2, 5, 7]))

    for sequence in range(3):
        for column, position in enumerate((2, 5, 7)):
            following = token_ids[sequence, position + 1]
            wanted = log_probability[sequence, position]
            assert prediction.log_probability[sequence, column] == pytest.approx(wanted[following].item(), abs=2e-5)
            assert prediction.is_top[sequence, column] == (wanted.argmax() == following)
    assert prediction.is_top[0, 0]
    assert prediction.is_top[1, 2]


def test_the_head_is_computed_at_the_wanted_positions_alone(tiny_model: Callable[..., LoadedModel]) -> None:
    loaded = tiny_model("llama")
    widths = []
    loaded.model.lm_head.register_forward_hook(lambda *call: widths.append(call[2].shape[1]))

    predict_next(loaded, torch.ones(2, 50, dtype=torch.int64), np.array([3, 4]))

    assert widths == [2]


@pytest.mark.parametrize("architecture", ["llama", "gptj"])
def test_values_do_not_depend_on_the_memory_allowed(tiny_model: Callable[..., LoadedModel], architecture: str) -> None:
    loaded = tiny_model(architecture)
    token_ids = torch.randint(1, 60, (5, 9), generator=torch.Generator().manual_seed(0))
    widths: list[int] = []
    loaded.model.base_model.register_forward_hook(lambda *call: widths.append(len(call[2].last_hidden_state)))

    whole, one_by_one = (
        predict_next(dataclasses.replace(loaded, activation_bytes=n_bytes), token_ids, np.arange(8))
        for n_bytes in (2**30, 1)
    )

    assert widths == [5, 1, 1, 1, 1, 1]
    np.testing.assert_allclose(one_by_one.log_probability, whole.log_probability, atol=1e-5)
    np.testing.assert_array_equal(one_by_one.is_top, whole.is_top)
