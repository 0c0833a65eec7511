from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from assets.models.engine.loaded import LoadedModel


def test_is_in_evaluation_mode(tiny_model: Callable[..., LoadedModel]) -> None:
    model = tiny_model("opt").model.train()

    loaded = LoadedModel("run@main", "natural", model, torch.arange(9))

    assert not loaded.model.training
    assert loaded.dtype == torch.float32
    assert loaded.device.type == "cpu"


def test_context_length_where_one_is_stated(tiny_model: Callable[..., LoadedModel]) -> None:
    loaded = tiny_model("bloom")
    assert loaded.context_length == 128

    del loaded.model.config.max_position_embeddings

    assert loaded.context_length is None


def test_adding_bos_needs_one(tiny_model: Callable[..., LoadedModel]) -> None:
    with pytest.raises(ValueError, match="needs its id"):
        LoadedModel("run@main", "natural", tiny_model("gpt2").model, torch.arange(9), adds_bos=True)
