"""Configurations of public models, for tests of what the family files state; widths of MLPs included."""

from __future__ import annotations

from typing import Any


def _gpt2(layers: int, heads: int, width: int) -> dict[str, Any]:
    return {"model_type": "gpt2", "n_layer": layers, "n_head": heads, "n_embd": width}


def _opt(layers: int, heads: int, width: int, **other: Any) -> dict[str, Any]:
    shape = {"num_hidden_layers": layers, "num_attention_heads": heads, "hidden_size": width, "ffn_dim": 4 * width}
    return {"model_type": "opt", "vocab_size": 50272, "word_embed_proj_dim": width, **shape, **other}


def _bloom(layers: int, heads: int, width: int) -> dict[str, Any]:
    return {"model_type": "bloom", "vocab_size": 250880, "n_layer": layers, "n_head": heads, "hidden_size": width}


def _mamba(layers: int, width: int) -> dict[str, Any]:
    return {"model_type": "mamba", "vocab_size": 50280, "num_hidden_layers": layers, "hidden_size": width}


def _gated(kind: str, layers: int, heads: tuple[int, int], width: int, mlp: int, **other: Any) -> dict[str, Any]:
    shape = {"num_hidden_layers": layers, "hidden_size": width, "intermediate_size": mlp}
    grouped = {"num_attention_heads": heads[0], "num_key_value_heads": heads[1]}
    return {"model_type": kind, **shape, **grouped, **other}


def _qwen3(layers: int, heads: int, width: int, mlp: int, *, tied: bool) -> dict[str, Any]:
    other = {"vocab_size": 151936, "head_dim": 128, "max_position_embeddings": 32768, "tie_word_embeddings": tied}
    return _gated("qwen3", layers, (heads, 8), width, mlp, **other)


def _gemma3(layers: int, width: int, mlp: int) -> dict[str, Any]:
    other = {"vocab_size": 262144, "head_dim": 256, "max_position_embeddings": 32768, "sliding_window": 512}
    return _gated("gemma3_text", layers, (4, 1), width, mlp, **other)


def _llama3(layers: int, heads: int, width: int, mlp: int, context: int, *, tied: bool) -> dict[str, Any]:
    other = {"vocab_size": 128256, "max_position_embeddings": context, "tie_word_embeddings": tied}
    return _gated("llama", layers, (heads, 8), width, mlp, **other)


def _smollm2(layers: int, heads: tuple[int, int], width: int, mlp: int) -> dict[str, Any]:
    other = {"vocab_size": 49152, "max_position_embeddings": 8192, "tie_word_embeddings": True}
    return _gated("llama", layers, heads, width, mlp, **other)


def _olmo2(layers: int, heads: tuple[int, int], width: int, mlp: int) -> dict[str, Any]:
    return _gated("olmo2", layers, heads, width, mlp, vocab_size=100352, max_position_embeddings=4096)


CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "gpt2": _gpt2(12, 12, 768),
    "gpt2-medium": _gpt2(24, 16, 1024),
    "gpt2-large": _gpt2(36, 20, 1280),
    "gpt2-xl": _gpt2(48, 25, 1600),
    "opt-125m": _opt(12, 12, 768),
    "opt-350m": _opt(24, 16, 1024, word_embed_proj_dim=512, do_layer_norm_before=False),
    "opt-1.3b": _opt(24, 32, 2048),
    "opt-2.7b": _opt(32, 32, 2560),
    "opt-6.7b": _opt(32, 32, 4096),
    "bloom-560m": _bloom(24, 16, 1024),
    "bloom-1b1": _bloom(24, 16, 1536),
    "bloom-1b7": _bloom(24, 16, 2048),
    "bloom-3b": _bloom(30, 32, 2560),
    "bloom-7b1": _bloom(30, 32, 4096),
    "qwen3-0.6b-base": _qwen3(28, 16, 1024, 3072, tied=True),
    "qwen3-1.7b-base": _qwen3(28, 16, 2048, 6144, tied=True),
    "qwen3-4b-base": _qwen3(36, 32, 2560, 9728, tied=True),
    "qwen3-8b-base": _qwen3(36, 32, 4096, 12288, tied=False),
    "gemma-3-270m": _gemma3(18, 640, 2048),
    "gemma-3-1b": _gemma3(26, 1152, 6912),
    "llama-2-7b": _gated("llama", 32, (32, 32), 4096, 11008, vocab_size=32000, max_position_embeddings=4096),
    "llama-3.2-1b": _llama3(16, 32, 2048, 8192, 131072, tied=True),
    "llama-3.2-3b": _llama3(28, 24, 3072, 8192, 131072, tied=True),
    "llama-3-8b": _llama3(32, 32, 4096, 14336, 8192, tied=False),
    "llama-3.1-8b": _llama3(32, 32, 4096, 14336, 131072, tied=False),
    "smollm2-135m": _smollm2(30, (9, 3), 576, 1536),
    "smollm2-360m": _smollm2(32, (15, 5), 960, 2560),
    "smollm2-1.7b": _smollm2(24, (32, 32), 2048, 8192),
    "mistral-7b-v0.1": _gated("mistral", 32, (32, 8), 4096, 14336, vocab_size=32000, max_position_embeddings=32768),
    "mamba-130m": _mamba(24, 768),
    "mamba-370m": _mamba(48, 1024),
    "mamba-790m": _mamba(48, 1536),
    "mamba-1.4b": _mamba(48, 2048),
    "mamba-2.8b": _mamba(64, 2560),
    "olmo-2-1b-stage1": _olmo2(16, (16, 16), 2048, 8192),
    "olmo-2-7b-stage1": _olmo2(32, (32, 32), 4096, 11008),
    "olmo-2-13b-stage1": _olmo2(40, (40, 40), 5120, 13824),
    "olmo-2-32b-stage1": _olmo2(64, (40, 8), 5120, 27648),
}
"""By model_id; Pythia's stand in test_pythia.py."""
