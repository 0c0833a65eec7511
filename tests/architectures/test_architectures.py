"""Every decoder class of transformers: measured as its own eager attention says, or refused with a reason.

One survey of a class serves its own test and the table's; a minute and a half for all.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
import torch

from assets.models.engine import attend
from assets.models.engine.head_weights import HeadReader, LayerWeights
from tests.architectures import heads
from tests.architectures.document import PATH, comparable, page, versions
from tests.architectures.survey import survey
from tests.architectures.tiny import model_types, tiny_config

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("model_type", model_types())
def test_class_is_measured_exactly_or_refused(model_type: str) -> None:
    row = survey(model_type)

    assert row.faults == ()
    assert row.reason or row.coverage in {"measured", "falls back"}
    if row.coverage == "not built":
        assert model_type in NOT_BUILT


NOT_BUILT = {"gemma3n", "gemma4_assistant", "gemma4_unified_assistant"}
"""They need packages for images, or the model whose tokens they draft."""


def test_table_is_what_was_found() -> None:
    committed, found = PATH.read_text(encoding="utf-8"), page(map(survey, model_types()))
    if versions(committed) != versions(found):
        # Other versions of the libraries carry other classes: the table is of the locked ones.
        pytest.skip(f"the table was found with {versions(committed)}, here is {versions(found)}")

    assert comparable(committed) == comparable(found), "run `make architectures`"


def test_every_class_stands_once_with_its_own_type() -> None:
    chosen = model_types()

    assert len(chosen) == len(set(chosen)) > 150
    assert {"gpt2", "llama", "gemma3_text", "qwen3_5_text", "bloom"} <= set(chosen)
    assert not {"gpt-sw3", "internlm3", "qwen3_5"} & set(chosen)


def test_sizes_are_small_in_nested_configurations_too() -> None:
    text = tiny_config("gemma3").get_text_config()

    assert (text.hidden_size, text.num_hidden_layers, text.sliding_window) == (64, 2, 6)
    assert text.layer_types == ["sliding_attention", "full_attention"]


Change = Callable[[Any], Any]


def scaled(path: Callable[..., Any]) -> Callable[..., Any]:
    """The same with logits one per cent too large."""
    return lambda query, key, value, scale, *rest, **named: path(query, key, value, 1.01 * scale, *rest, **named)


@pytest.mark.parametrize(("model_type", "path"), [("llama", "by_kernel"), ("gemma2", "by_blocks")])
def test_a_wrong_scale_is_found(model_type: str, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attend, path, scaled(getattr(attend, path)))

    faults = " ".join(survey.__wrapped__(model_type).faults)

    assert "differs from eager attention" in faults
    assert "the output changes" in faults


def test_a_missing_window_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def without_window(module: torch.nn.Module, *tensors: torch.Tensor | None, **named: Any) -> Any:
        return attend.attend(module, *tensors[:3], None, **named)

    monkeypatch.setitem(attend.AttentionInterface._global_mapping, attend.IMPLEMENTATION, without_window)

    faults = " ".join(survey.__wrapped__("mistral").faults)

    assert "differs from eager attention" in faults


def test_a_wrong_ablation_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    true = heads.nothing
    monkeypatch.setattr(heads, "nothing", lambda *given: {layer: 0.01 + z for layer, z in true(*given).items()})

    faults = survey.__wrapped__("llama").faults

    assert "ablating heads [1] of layer 0 is not zeroing their output projection" in faults


@pytest.mark.parametrize(
    ("part", "fault"), [("value", "what its heads write"), ("output", "what its attention yields")]
)
def test_wrong_weights_are_found(part: str, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    true = HeadReader.read

    def wrong(reader: HeadReader, layer: int) -> LayerWeights:
        found = true(reader, layer)
        return dataclasses.replace(found, **{part: getattr(found, part).flip(0)})

    monkeypatch.setattr(HeadReader, "read", wrong)

    assert fault in " ".join(survey.__wrapped__("llama").faults)
