from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from assets.models.engine.attend import IMPLEMENTATION, Recorder, UnreadableError, attend, recording, switched
from assets.models.engine.loaded import LoadedModel
from assets.models.engine.readouts import Plan

N_TOKENS = 5


@pytest.fixture
def recorder() -> Recorder:
    return Recorder(Plan.of({"previous": (np.array([1, 2]), np.array([0, 1]))}, N_TOKENS, torch.device("cpu")))


def attended(recorder: Recorder, module: Any = None, n_keys: int = N_TOKENS, **options: Any) -> torch.Tensor:
    query, key = torch.zeros(2, 3, N_TOKENS, 4), torch.zeros(2, 3, n_keys, 4)
    with recording(recorder):
        return attend(module or SimpleNamespace(layer_idx=1), query, key, key, None, **options)[0]


def test_records_the_layer_that_called(recorder: Recorder) -> None:
    output = attended(recorder)

    assert output.shape == (2, N_TOKENS, 3, 4)
    assert list(recorder.layers) == [1]
    assert recorder.layers[1].path == "kernel"
    assert recorder.layers[1].scores[:, :, 0].flatten().tolist() == pytest.approx([(1 / 2 + 1 / 3) / 2] * 6)


@pytest.mark.parametrize("option", [{"softcap": 30.0}, {"s_aux": torch.zeros(3)}])
def test_what_the_kernel_cannot_do_goes_by_blocks(recorder: Recorder, option: dict[str, Any]) -> None:
    attended(recorder, **option)

    assert recorder.layers[1].path == "blocks"


def test_known_arguments_without_effect_pass(recorder: Recorder) -> None:
    attended(recorder, dropout=0.0, sliding_window=9, position_ids=torch.arange(5), use_cache=False, unknown=None)

    assert list(recorder.layers) == [1]


@pytest.mark.parametrize("option", [{"position_bias": torch.zeros(1)}, {"indices": torch.zeros(1)}, {"gain": 2.0}])
def test_arguments_of_unknown_meaning_are_not_ignored(recorder: Recorder, option: dict[str, Any]) -> None:
    with pytest.raises(UnreadableError, match=next(iter(option))):
        attended(recorder, **option)


@pytest.mark.parametrize(
    ("module", "n_keys", "option"),
    [
        (SimpleNamespace(), N_TOKENS, {}),
        (SimpleNamespace(layer_idx=-1), N_TOKENS, {}),
        (SimpleNamespace(layer_idx=1), N_TOKENS + 1, {}),
        (SimpleNamespace(layer_idx=1, is_causal=False), N_TOKENS, {}),
        (SimpleNamespace(layer_idx=1), N_TOKENS, {"is_causal": False}),
    ],
    ids=["no layer", "a layer without number", "other keys", "not causal by module", "not causal by argument"],
)
def test_only_causal_self_attention_of_a_layer_is_read(
    recorder: Recorder, module: Any, n_keys: int, option: dict[str, Any]
) -> None:
    with pytest.raises(UnreadableError):
        attended(recorder, module, n_keys, **option)


def test_a_layer_that_attends_twice_is_not_read(recorder: Recorder) -> None:
    attended(recorder)

    with pytest.raises(UnreadableError):
        attended(recorder)


@pytest.mark.parametrize("before", ["sdpa", "eager"])
def test_switch_is_undone_even_after_an_error(tiny_model: Callable[..., LoadedModel], before: str) -> None:
    model = tiny_model("llama").model
    model.set_attn_implementation(before)

    within = []

    def fail() -> None:
        with switched(model, IMPLEMENTATION) as reached:
            within.append((reached, model.config._attn_implementation))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()

    assert within == [(True, IMPLEMENTATION)]
    assert model.config._attn_implementation == before


def test_switch_says_where_it_does_not_reach(tiny_model: Callable[..., LoadedModel]) -> None:
    with switched(tiny_model("bloom").model, IMPLEMENTATION) as reached:
        assert not reached
