"""Every decoder class of transformers, tiny and with random weights.

A configuration is the class's own default with its sizes cut down, by the names that sizes usually have, and with one
layer of each kind that the default holds. Here: configurations and models. Not here: what is checked (survey.py).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
from transformers import CONFIG_MAPPING, MODEL_FOR_CAUSAL_LM_MAPPING, PreTrainedConfig, PreTrainedModel
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

WIDTH, N_HEADS, N_KEY_HEADS, D_HEAD = 64, 4, 2, 16
VOCABULARY = 64
WINDOW = 6
"""Keys that a sliding layer lets a query see, and that a selecting one selects: fewer than the input has."""
WIDE = 64
"""The same, more than the input has."""

SPREAD = 0.25
"""Standard deviation of weights: attention far from uniform, and not yet all on one key."""

OF_NAME: tuple[tuple[str, int], ...] = (
    (r"mamba_n_heads|mamba_num_heads|n_mamba_heads", 2 * WIDTH // D_HEAD),
    (r"mamba_d_ssm|attention_hidden_size", 2 * WIDTH),
    (r"(mamba_d|ssm)_state(_size)?|state_size", 16),
    (r"mamba_dt_rank|time_step_rank", 4),
    (r"n_groups|mamba_n_groups|num_codebooks", 1),
    (r"mamba_headdim", D_HEAD),
    (r"hidden_size_global", WIDTH),
    (r"(hidden|input_embedding|output_embedding|embedding|expert_hidden)_size|lru_width", WIDTH),
    (r"d_model|n_embd|emb_dim|embedding_dim|word_embed_proj_dim|pronunciation_embed_dim|shape_embed_dim", WIDTH),
    (r"(num|n)_((hidden|encoder|decoder|blocks)_?)*(layers?|blocks)|(en|de)coder_layers", 2),
    (r"(\w+_)?(num|n)_(attention_|attn_|encoder_attention_|decoder_attention_)?heads?", N_HEADS),
    (r"attention_heads|(en|de)coder_attention_heads", N_HEADS),
    (r"num_(key_value|kv)_heads|\w+_num_key_value_heads|num_global_key_value_heads|multi_query_group_num", N_KEY_HEADS),
    (r"qk_head_dim", 2 * D_HEAD),
    (r"head_dim|d_head|d_kv|dim_head|kv_channels|attention_head_size|\w*v_head_dim|qk_nope_head_dim", D_HEAD),
    (r"\w*(head_dim|d_head)", D_HEAD),
    (r"rotary_dim", D_HEAD // 2),
    (r"\w*lora_rank", 24),
    (
        r"(\w+_)?(intermediate|ffn_hidden|inner)_(size|dim)(_mlp)?|\w*shared_experts?_intermediate_size|\w*ffn_dim|d_ff|dff|dim_ff|d_inner|n_inner",
        48,
    ),
    (r"(num|n)_(local_|routed_)?experts|moe_num_experts|zero_expert_num", 4),
    (r"num_experts_per_tok(en)?|moe_k|moe_topk|num_selected_experts|top_k_experts|moe_router_topk", 2),
    (r"n_shared_experts|num_shared_experts|moe_num_shared_experts|n_group|num_expert_group|topk_group", 1),
    (r"first_k_dense_replace|num_dense_layers|moe_layer_start_index", 1),
    (r"max_position_embeddings|n_positions|n_ctx|max_seq_len|max_sequence_length|context_length", 128),
    (r"max_target_positions|max_source_positions", 128),
    (r"\w*vocab_size\w*|type_vocab_size", VOCABULARY),
    (r"sliding_window|attention_window_size|window_size|local_attention|attention_chunk_size", WINDOW),
    (r"keep_window_size|index_topk|index_topk_blocks|indexer_budget", WINDOW),
    (r"query_pre_attn_scalar", 1),
)
"""By the full name of a field of whole numbers."""

NOT_SIZES = {"pretraining_tp", "type_vocab_size", "num_kv_shared_layers", "num_nextn_predict_layers"}

OF_CLASSIFIERS = {"id2label", "label2id"}

SMALL_WHERE_NONE = {
    "clip_qkv": 8.0,
    "head_dim": D_HEAD,
    "indexer_budget": WINDOW,
    "n_routed_experts": 4,
    "n_shared_experts": 1,
    "num_experts_per_tok": 2,
    "num_key_value_heads": N_KEY_HEADS,
    "sliding_window": WINDOW,
}
"""Fields whose default is derived from sizes that are no longer there, or leaves out what is to be tested."""

TO_BUILD_DEFAULT: dict[str, dict[str, Any]] = {
    "gemma4_assistant": {"text_config": {"model_type": "gemma4_text", "hidden_size_per_layer_input": 0}},
}
"""What a class needs even for its default configuration."""

ROTARY = {"rope_type": "default", "rope_theta": 10000.0}
SLIDING_AND_FULL = ["sliding_attention", "full_attention"]
MIXED = {"use_sliding_window": True, "layer_types": SLIDING_AND_FULL}
"""Sliding layers, for classes whose default has none."""

OF_CLASS: dict[str, dict[str, Any]] = {
    "cohere_compass_text": {
        "rope_parameters": dict.fromkeys(SLIDING_AND_FULL, ROTARY),
        "layer_types": SLIDING_AND_FULL,
    },
    "bamba": {"attn_layer_indices": [1]},
    "big_bird": {"attention_type": "original_full"},
    "blt": {"encoder_hash_byte_group_vocab": VOCABULARY},
    "dbrx": {"attn_config": {"clip_qkv": 8.0, "kv_n_heads": N_KEY_HEADS, "rope_theta": 10000.0}},
    "doge": {"sliding_window": None},
    "gemma3n_text": {"num_kv_shared_layers": 0},
    "granitemoehybrid": {"layer_types": ["linear_attention", "full_attention"]},
    "jamba": {"attn_layer_period": 2, "attn_layer_offset": 1},
    "lfm2_moe": {"layer_types": ["conv", "full_attention"]},
    "mamba2": {"num_heads": 8},
    "dots3_note_text": {"head_dim": 2 * D_HEAD},
    "minimax_m3_vl_text": {
        "layer_types": ["full_attention", "minimax_m3_sparse"],
        "index_block_size": 4,
    },
    "qwen2": MIXED,
    "qwen2_moe": MIXED,
    "qwen3": MIXED,
    "qwen3_moe": MIXED,
    "qwen4_exp_text": {
        "intermediate_size": 48,
        "indexer_n_heads": 4,
        "indexer_kv_heads": 1,
        "indexer_head_dim": D_HEAD,
        "indexer_compress_ratio": 2,
    },
    "recurrent_gemma": {"block_types": ["recurrent", "attention"]},
    "reformer": {"axial_pos_embds": False},
    "smollm3": MIXED,
    "xlm": {"causal": True},
    "xmod": {"default_language": "en_XX"},
    "zamba": {"num_hidden_layers": 3, "layers_block_type": ["linear_attention", "hybrid", "hybrid"]},
    "zamba2": {
        "num_hidden_layers": 3,
        "layers_block_type": ["linear_attention", "hybrid", "hybrid"],
        "hybrid_layer_ids": [1, 2],
    },
    "zaya": {"num_experts_per_tok": 1},
}
"""What a class needs beside, by model type."""


class UnbuiltError(Exception):
    """transformers cannot build the class from a tiny configuration; the message is its own, shortened."""


def model_types() -> list[str]:
    """One model type a class: the longest of those that its name begins with, which is that of a text model.

    By names alone: whoever asks for the list does not import every class.
    """
    of_class: dict[str, list[str]] = {}
    for model_type, name in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.items():
        of_class.setdefault(name, []).append(model_type)
    return sorted(
        max(
            found,
            key=lambda model_type: (name.lower().replace("_", "").startswith(_plain(model_type)), len(model_type)),
        )
        for name, found in of_class.items()
    )


def _plain(model_type: str) -> str:
    return model_type.removesuffix("_text").replace("-", "").replace("_", "")


def model_class(model_type: str) -> type[PreTrainedModel]:
    return MODEL_FOR_CAUSAL_LM_MAPPING[CONFIG_MAPPING[model_type]]


def tiny_config(model_type: str, window: int = WINDOW) -> PreTrainedConfig:
    """What the class is built from, with small sizes."""
    config = CONFIG_MAPPING[model_type](**TO_BUILD_DEFAULT.get(model_type, {}))
    if not isinstance(config, model_class(model_type).config_class):
        config = config.get_text_config(decoder=True)
    return type(config)(**shrunk(config.to_dict(), window) | OF_CLASS.get(model_type, {}))


def shrunk(fields: Mapping[str, Any], window: int) -> dict[str, Any]:
    """A configuration's fields, nested ones too, with small sizes."""
    n_layers = next((fields[key] for key in ("num_hidden_layers", "n_layer", "num_layers") if fields.get(key)), None)
    kept = layers_kept(fields.get("layer_types") or fields.get("layers_block_type"))
    found: dict[str, Any] = {}
    for name, value in fields.items():
        if name in OF_CLASSIFIERS:
            continue
        if name == "per_layer_config" and value:
            own = {int(layer): shrunk(overrides, window) for layer, overrides in value.items()}
            found[name] = {new: own[layer] for new, layer in enumerate(kept) if layer in own}
        elif isinstance(value, dict):
            found[name] = shrunk(value, window)
        elif isinstance(value, list) and n_layers and len(value) == n_layers:
            found[name] = [small(name, value[layer], window) for layer in kept]
        elif name == "is_decoder":
            found[name] = True
        elif name.endswith(("token_id", "token_index")) and isinstance(value, int):
            found[name] = min(value, VOCABULARY - 1)
        else:
            found[name] = small(name, SMALL_WHERE_NONE.get(name) if value is None else value, window)
    if found.get("num_hidden_layers"):
        found["num_hidden_layers"] = len(kept)
    if found.get("kv_lora_rank") and found.get("num_key_value_heads"):  # latent attention has a key a head
        found["num_key_value_heads"] = found["num_attention_heads"]
    return found


def small(name: str, value: Any, window: int) -> Any:
    """A field's small value, by its name; as it is where it is no size."""
    if isinstance(value, int) and not isinstance(value, bool) and name not in NOT_SIZES:
        for pattern, size in OF_NAME:
            if re.fullmatch(pattern, name):
                return window if size == WINDOW else size
    return value


def layers_kept(kinds: list[str] | None) -> list[int]:
    """Layers of the default configuration to keep: the first of each kind, two at least."""
    firsts = sorted({kinds.index(kind) for kind in kinds}) if kinds else [0]
    return firsts if len(firsts) > 1 else [0, 1]


def tiny_model(model_type: str, window: int = WINDOW) -> PreTrainedModel:
    """A model in evaluation mode that attends by its own eager code.

    Raises:
        UnbuiltError: transformers fails.
    """
    torch.manual_seed(0)
    try:
        config = tiny_config(model_type, window)
        model = model_class(model_type)._from_config(config, attn_implementation="eager")
    except Exception as error:
        raise UnbuiltError(short(error)) from error
    for parameter in model.parameters():
        if parameter.ndim > 1 or not parameter.any():
            torch.nn.init.normal_(parameter, std=SPREAD)
    return model.eval()


def short(error: Exception) -> str:
    """An error in a line of the table."""
    text = " ".join(f"{type(error).__name__}: {error}".split())
    return text if len(text) <= 120 else f"{text[:117]}..."
