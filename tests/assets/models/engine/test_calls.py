from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from assets.models.engine.calls import UnknownStructureError, blocks_of, body, catch, first
from assets.models.engine.loaded import LoadedModel
from tests.assets.conftest import GROUPED


@pytest.mark.parametrize(
    ("architecture", "path"),
    [
        ("gpt2", "transformer.h"),
        ("gpt_neox", "gpt_neox.layers"),
        ("opt", "model.decoder.layers"),
        ("llama", "model.layers"),
        ("mamba", "backbone.layers"),
    ],
)
def test_blocks(tiny_model: Callable[..., LoadedModel], architecture: str, path: str) -> None:
    model = tiny_model(architecture).model

    assert blocks_of(model) is model.get_submodule(path)


def test_blocks_are_those_of_the_text_decoder() -> None:
    """A vision tower of as many layers stands in front of them."""
    vision = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = AutoConfig.for_model("gemma3", text_config=GROUPED, vision_config=vision | {"image_size": 28})
    model = AutoModelForCausalLM.from_config(config)

    assert blocks_of(model) is model.get_submodule("model.language_model.layers")


@pytest.mark.parametrize("architecture", ["gpt2", "llama", "gemma2", "opt"])
@pytest.mark.parametrize("whole", [True, False], ids=["block", "attention"])
def test_a_call_made_again_gives_the_same_and_on_other_states_what_the_module_gives(
    tiny_model: Callable[..., LoadedModel], architecture: str, whole: bool
) -> None:
    loaded = tiny_model(architecture)
    block = blocks_of(loaded.model)[1]
    module = block if whole else next(m for m in block.modules() if hasattr(m, "layer_idx") and m is not block)
    made: list[torch.Tensor] = []
    module.register_forward_hook(lambda *call: made.append(first(call[2])))

    with torch.no_grad():
        (call,) = catch(loaded, [module], n_sequences=3, n_tokens=4)
        again = call.on(call.hidden)
        shuffled = call.on(call.hidden + torch.arange(3.0)[:, None, None])

    assert call.hidden.shape == (3, 4, 32)
    torch.testing.assert_close(again, made[0])
    torch.testing.assert_close(shuffled[0], again[0])
    assert (shuffled[1] - again[1]).abs().max() > 1e-3
    assert len(made) == 3


def test_a_module_that_runs_twice_is_refused(tiny_model: Callable[..., LoadedModel]) -> None:
    loaded = tiny_model("llama")
    loaded.model.base_model.layers[1] = loaded.model.base_model.layers[0]

    with pytest.raises(UnknownStructureError, match="once"):
        catch(loaded, [loaded.model.base_model.layers[0]], n_sequences=1, n_tokens=1)


def test_hooks_are_gone_after_an_error(tiny_model: Callable[..., LoadedModel]) -> None:
    loaded = tiny_model("llama")
    loaded.model.base_model.norm.register_forward_pre_hook(lambda *_: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        catch(loaded, [loaded.model.base_model.layers[0]], n_sequences=1, n_tokens=1)

    assert not loaded.model.base_model.layers[0]._forward_pre_hooks


def test_body_leaves_out_the_head(tiny_model: Callable[..., LoadedModel]) -> None:
    loaded = tiny_model("gpt2")
    loaded.model.lm_head.register_forward_pre_hook(lambda *_: pytest.fail("the head runs"))

    assert body(loaded, torch.ones(1, 3, dtype=torch.int64)).last_hidden_state.shape == (1, 3, 32)


@pytest.mark.parametrize("made", [None, "text", (None, 1), {"hidden": torch.ones(1)}])
def test_outputs_of_other_kinds_are_refused(made: object) -> None:
    with pytest.raises(UnknownStructureError):
        first(made)
