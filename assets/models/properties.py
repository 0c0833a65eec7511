"""A model's design properties: columns of catalog tables `models` and `layers`.

They are read from config.json and from the model that transformers builds of it on torch's meta device, which has every
parameter's shape and no bytes. What these don't say stays None: nothing is guessed from a model's name. Not here: what
only a human can state (dates, licence, training data: families/*.yaml), the precision of stored weights (sources/).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assets.models.files import read_config
from assets.models.loading import adds_bos, load_tokenizer
from catalog.errors import UserError
from catalog.record import canonical_json

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

Row = dict[str, Any]

LAYER_KINDS = {
    "full_attention": "full",
    "global": "full",
    "sliding_attention": "sliding",
    "chunked_attention": "sliding",
    "local": "sliding",
    "linear_attention": "linear",
    "mamba": "linear",
    "conv": "none",
}
"""Kind of block by transformers' name for it; GPT-Neo says global and local."""
WITHOUT_ATTENTION = {"rwkv"}
"""Architectures without heads whose configuration lists no kinds of layer."""
POSITIONS = {
    "bloom": "alibi",
    "codegen": "rotary",
    "gpt2": "learned",
    "gpt_bigcode": "learned",
    "gpt_neo": "learned",
    "gptj": "rotary",
    "jamba": "none",
    "mpt": "alibi",
    "opt": "learned",
    "xglm": "sinusoidal",
}
"""Positional encoding where the architecture decides; elsewhere the configuration has rope_parameters, or None."""
PARALLEL = dict.fromkeys(("codegen", "cohere", "cohere2", "gptj", "phi"), True) | dict.fromkeys(
    (
        *("bloom", "gemma", "gemma2", "gemma3_text", "gpt2", "gpt_bigcode", "gpt_neo", "gpt_oss", "granite", "llama"),
        *("mistral", "mixtral", "mpt", "olmo", "olmo2", "olmo3", "opt", "phi3", "qwen2", "qwen2_moe", "qwen3"),
        *("qwen3_moe", "smollm3", "starcoder2"),
    ),
    False,
)
"""Whether attention and MLP read the same input, where the architecture decides; elsewhere a flag says, or None."""
PARALLEL_FLAGS = ("use_parallel_residual", "parallel_attn")
ACTIVATIONS = ("hidden_act", "hidden_activation", "activation_function", "activation")
ACTIVATION_OF = {"bloom": "gelu_tanh", "mpt": "gelu"}
CONTEXTS = ("max_position_embeddings", "max_seq_len")
FURTHER = {
    "d_mlp": ("intermediate_size", "ffn_dim", "n_inner"),
    "n_experts": ("num_local_experts", "num_experts"),
    "attention_soft_cap": ("attn_logit_softcapping",),
    "logit_soft_cap": ("final_logit_softcapping",),
    "rope_parameters": ("rope_parameters",),
}
"""Properties without a column, by the configuration's names for them."""


@dataclass(frozen=True)
class Parameters:
    """Numbers of parameters: all (tied ones once), and those outside embeddings and an untied unembedding."""

    total: int
    non_embedding: int


def read_properties(folder: Path) -> tuple[Row, list[Row]]:
    """Properties of the model in a checkpoint folder.

    Returns:
        Columns of catalog table `models` (`properties`: a dict of what has no column) and rows of `layers`, without
        model_id.

    Raises:
        UserError: transformers itself does not know the architecture, or a file can't be read.
    """
    properties, layers = _describe(canonical_json(read_config(folder)), str(folder / "config.json"))
    tokenizer = load_tokenizer(folder)
    return {**properties, "adds_bos": adds_bos(tokenizer) if tokenizer else False}, [dict(row) for row in layers]


def read_design(folder: Path) -> Row:
    """What config.json alone says of a model: columns of `models`, as a family's file states them under `design`.

    Raises:
        UserError: as read_properties does.
    """
    return dict(_describe(canonical_json(read_config(folder)), str(folder / "config.json"))[0])


@lru_cache(maxsize=64)
def _describe(content: str, where: str) -> tuple[Row, list[Row]]:
    """By the configuration's text: the checkpoints of a training run share it."""
    from huggingface_hub.errors import StrictDataclassError
    from transformers import CONFIG_MAPPING

    stated = json.loads(content)
    try:
        return describe(CONFIG_MAPPING[stated["model_type"]].from_dict(stated))
    except (ValueError, KeyError, TypeError, StrictDataclassError) as error:
        raise UserError(
            f"The configuration fits no architecture that transformers carries: {error}",
            where=where,
            mend="Check its model_type; a model that needs code of its own is not run.",
            lasting=True,
        ) from error


def describe(config: PreTrainedConfig) -> tuple[Row, list[Row]]:
    """Properties by configuration: columns of `models` but adds_bos, and rows of `layers`, without model_id."""
    model, text = on_meta_device(config), config.get_text_config()
    layers = list(_layers(text, model))
    kinds = {row["kind"] for row in layers}
    with_heads = [row for row in layers if row["n_heads"]]
    counted = count_parameters(model)
    return {
        "n_params": counted.total,
        "n_params_non_embedding": counted.non_embedding,
        "n_layers": len(layers) or None,
        "n_heads": max((row["n_heads"] for row in with_heads), default=None),
        "n_kv_heads": max((row["n_kv_heads"] for row in with_heads), default=None),
        "d_model": _first(text, "hidden_size"),
        "d_head": _d_head(text) if with_heads else None,
        "vocab_size": model.get_input_embeddings().get_parameter("weight").shape[0],
        "context_length": _first(text, *CONTEXTS),
        "architecture": config.model_type,
        "positional_encoding": _positional_encoding(text, bool(with_heads)),
        "normalization": _normalization(model),
        "activation": ACTIVATION_OF.get(text.model_type) or _first(text, *ACTIVATIONS),
        "attention": _attention(kinds),
        "tied_embeddings": _is_tied(model),
        "parallel_blocks": _parallel_blocks(text) if with_heads else None,
        "properties": {name: found for name, keys in FURTHER.items() if (found := _first(text, *keys)) is not None},
    }, layers


def on_meta_device(config: PreTrainedConfig) -> PreTrainedModel:
    """The causal language model of a configuration, with shapes and without bytes."""
    import torch
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(config, trust_remote_code=False)


def count_parameters(model: PreTrainedModel) -> Parameters:
    """Parameters of a model; token and learned position embeddings are its modules of type torch.nn.Embedding."""
    import torch

    tables = {id(m.weight): m.weight for m in model.modules() if isinstance(m, torch.nn.Embedding)}
    unembedding = model.get_output_embeddings()
    if unembedding is not None:
        tables[id(unembedding.weight)] = unembedding.weight
    total = sum(parameter.numel() for parameter in model.parameters())
    return Parameters(total, total - sum(weight.numel() for weight in tables.values()))


def _first(config: PreTrainedConfig, *names: str) -> Any:
    """The value of the first of these keys that the configuration has a value for."""
    return next((value for name in names if (value := getattr(config, name, None)) is not None), None)


def _layers(config: PreTrainedConfig, model: PreTrainedModel) -> Iterator[Row]:
    heads, n_layers = _first(config, "num_attention_heads"), _first(config, "num_hidden_layers") or 0
    window = _first(config, "sliding_window", "window_size", "attention_chunk_size")
    names = _first(config, "layer_types", "attention_layers")
    if names is None:
        names = ["sliding_attention" if window else "full_attention"] * n_layers
        if config.model_type in WITHOUT_ATTENTION:
            names = ["linear_attention"] * n_layers
    with_sink = {name.rsplit(".self_attn.", 1)[0] for name, _ in model.named_parameters() if name.endswith(".sinks")}
    for layer, name in enumerate(names):
        kind = LAYER_KINDS.get(name, "none")
        has_heads = kind in {"full", "sliding"} and heads is not None
        yield {
            "layer": layer,
            "kind": kind,
            "n_heads": heads if has_heads else None,
            "n_kv_heads": _n_kv_heads(config, heads) if has_heads else None,
            "window": window if kind == "sliding" else None,
            "has_sink": any(block.endswith(f".{layer}") for block in with_sink),
        }


def _n_kv_heads(config: PreTrainedConfig, heads: int) -> int:
    if config.model_type == "falcon" and not config.new_decoder_architecture:
        return 1 if config.multi_query else heads
    if config.model_type == "gpt_bigcode":
        return 1 if config.multi_query else heads
    return _first(config, "num_key_value_heads", "num_kv_heads") or heads


def _d_head(config: PreTrainedConfig) -> int | None:
    width, heads = _first(config, "hidden_size"), _first(config, "num_attention_heads")
    return _first(config, "head_dim") or (width // heads if width and heads else None)


def _positional_encoding(config: PreTrainedConfig, has_heads: bool) -> str | None:
    if not has_heads:
        return "none"
    if getattr(config, "alibi", False) is True:
        return "alibi"
    return POSITIONS.get(config.model_type) or ("rotary" if _first(config, "rope_parameters") else None)


def _normalization(model: PreTrainedModel) -> str | None:
    """By the classes of the normalising modules; None where they are of both kinds."""
    found = {type(module).__name__ for module in model.modules() if "norm" in type(module).__name__.lower()}
    rms = {name for name in found if "RMSNorm" in name}
    if not found or (rms and rms != found):
        return None
    return "rmsnorm" if rms else "layernorm"


def _attention(kinds: set[str]) -> str | None:
    softmax = kinds & {"full", "sliding"}
    if not kinds:
        return None
    return "none" if not softmax else "softmax" if softmax == kinds else "hybrid"


def _is_tied(model: PreTrainedModel) -> bool | None:
    unembedding = model.get_output_embeddings()
    return None if unembedding is None else unembedding.weight is model.get_input_embeddings().weight


def _parallel_blocks(config: PreTrainedConfig) -> bool | None:
    if getattr(config, "new_decoder_architecture", False):
        return True
    flag = _first(config, *PARALLEL_FLAGS)
    return PARALLEL.get(config.model_type) if flag is None else bool(flag)
