"""Small models with random weights, of real architectures, for tests of measuring."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

    from assets.models.engine.loaded import LoadedModel

SIZES = {
    "vocab_size": 61,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 128,
    "initializer_range": 0.5,
    "bos_token_id": 0,
    "eos_token_id": 0,
    "pad_token_id": 0,
}
GROUPED = SIZES | {"num_key_value_heads": 2, "head_dim": 8}
SLIDING = GROUPED | {"sliding_window": 8, "layer_types": ["sliding_attention", "full_attention"]}
LOCAL = {"window_size": 8, "attention_types": [[["local", "global"], 1]]}
OF_ARCHITECTURE = {
    "gpt2": SIZES,
    "gpt_neox": SIZES,
    "opt": SIZES | {"ffn_dim": 48, "word_embed_proj_dim": 32},
    "llama": GROUPED,
    "mistral": GROUPED | {"sliding_window": 8},
    "qwen3": GROUPED,
    "gemma2": SLIDING | {"attn_logit_softcapping": 2.0, "query_pre_attn_scalar": 1},
    "gemma3_text": SLIDING | {"sliding_window": 4, "query_pre_attn_scalar": 1},
    "gpt_oss": SLIDING | {"num_local_experts": 2, "num_experts_per_tok": 1},
    "lfm2": GROUPED | {"layer_types": ["conv", "full_attention"]},
    "bloom": SIZES | {"n_layer": 2, "n_head": 4},
    "gptj": SIZES | {"rotary_dim": 4},
    "gpt_neo": SIZES | LOCAL | {"num_layers": 2, "num_heads": 4},
    "mamba": SIZES,
}


def config_of(architecture: str) -> PreTrainedConfig:
    from transformers import AutoConfig

    return AutoConfig.for_model(architecture, **OF_ARCHITECTURE[architecture])


@pytest.fixture(scope="session")
def tiny_model() -> Callable[..., LoadedModel]:
    """Makes a loaded model of an architecture: random weights wide enough that attention is far from uniform."""
    import torch
    from transformers import AutoModelForCausalLM

    from assets.models.engine.loaded import LoadedModel

    def make(architecture: str, adds_bos: bool = False, role: str = "natural") -> LoadedModel:
        torch.manual_seed(7)
        model = AutoModelForCausalLM.from_config(config_of(architecture))
        for name, parameter in model.named_parameters():
            if name.endswith("sinks"):
                torch.nn.init.normal_(parameter)
        return LoadedModel(f"tiny-{architecture}@main", role, model, torch.arange(1, 61), 0, adds_bos)

    return make
