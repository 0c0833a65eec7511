"""Design properties against published figures, transformers' own masks, and the bytes of saved weights."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedConfig

from assets.models import files
from assets.models.properties import describe, read_properties
from catalog.errors import UserError

NEOX = {"vocab_size": 50304, "max_position_embeddings": 2048}


def neox(d_model: int, n_layers: int, n_heads: int) -> dict[str, Any]:
    sizes = {"hidden_size": d_model, "num_hidden_layers": n_layers, "num_attention_heads": n_heads}
    return NEOX | sizes | {"intermediate_size": 4 * d_model}


PUBLISHED: dict[str, tuple[str, dict[str, Any], int]] = {
    # figures of Biderman et al. 2023 (table 1) and van der Wal et al. 2025, embeddings included
    "pythia-14m": ("gpt_neox", neox(128, 6, 4), 14_067_712),
    "pythia-70m": ("gpt_neox", neox(512, 6, 8), 70_426_624),
    "pythia-160m": ("gpt_neox", neox(768, 12, 12), 162_322_944),
    "pythia-410m": ("gpt_neox", neox(1024, 24, 16), 405_334_016),
    # figures that the model hub shows for the safetensors files
    "gpt2": ("gpt2", {}, 124_439_808),
    "opt-125m": ("opt", {}, 125_239_296),
    "llama-2-7b": ("llama", {}, 6_738_415_616),
    "mistral-7b-v0.1": ("mistral", {}, 7_241_732_096),
    "qwen3-0.6b": (
        "qwen3",
        {
            "hidden_size": 1024,
            "intermediate_size": 3072,
            "num_hidden_layers": 28,
            "num_attention_heads": 16,
            "num_key_value_heads": 8,
            "head_dim": 128,
            "tie_word_embeddings": True,
        },
        596_049_920,
    ),
    "gemma-2-2b": ("gemma2", {}, 2_614_341_888),
    "gemma-3-1b": (
        "gemma3_text",
        {
            "vocab_size": 262_144,
            "hidden_size": 1152,
            "intermediate_size": 6912,
            "num_hidden_layers": 26,
            "num_attention_heads": 4,
            "num_key_value_heads": 1,
            "head_dim": 256,
        },
        999_885_952,
    ),
    "gpt-oss-20b": ("gpt_oss", {"num_hidden_layers": 24, "num_local_experts": 32}, 20_914_757_184),
    "bloom-560m": ("bloom", {"hidden_size": 1024, "n_layer": 24, "n_head": 16}, 559_214_592),
    "gpt-j-6b": ("gptj", {}, 6_050_882_784),
    "mamba-130m": ("mamba", {"num_hidden_layers": 24}, 129_135_360),
    "falcon-7b": ("falcon", {}, 6_921_720_704),
}


@pytest.mark.parametrize("model_id", PUBLISHED)
def test_the_number_of_parameters_is_the_published_one(model_id: str) -> None:
    architecture, options, expected = PUBLISHED[model_id]

    properties, _ = describe(AutoConfig.for_model(architecture, **options))

    assert properties["n_params"] == expected


@pytest.mark.parametrize(
    ("model_id", "expected"),
    [
        # n_params - 2 x 50304 x 128
        ("pythia-14m", 1_189_888),
        # Biderman et al. 2023, table 1, non-embedding parameters
        ("pythia-70m", 18_915_328),
        ("pythia-160m", 85_056_000),
        ("pythia-410m", 302_311_424),
        # GPT-2 small has the shapes of Pythia-160m, and a table of positions
        ("gpt2", 85_056_000),
    ],
)
def test_embeddings_are_left_out_of_the_second_number(model_id: str, expected: int) -> None:
    architecture, options, _ = PUBLISHED[model_id]

    properties, _ = describe(AutoConfig.for_model(architecture, **options))

    assert properties["n_params_non_embedding"] == expected


SIZES: dict[str, Any] = {
    "vocab_size": 61,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 128,
    "bos_token_id": 0,
    "eos_token_id": 0,
    "pad_token_id": 0,
}
GROUPED = SIZES | {"num_key_value_heads": 2, "head_dim": 8}
SLIDING = GROUPED | {"sliding_window": 6, "layer_types": ["sliding_attention", "full_attention"]}
OF_ARCHITECTURE: dict[str, dict[str, Any]] = {
    "gpt2": SIZES,
    "gpt_neox": SIZES,
    "opt": SIZES | {"ffn_dim": 48, "word_embed_proj_dim": 32},
    "llama": GROUPED,
    "mistral": GROUPED | {"sliding_window": 6},
    "qwen3": GROUPED,
    "gemma2": SLIDING,
    "gemma3_text": SLIDING,
    "gpt_oss": SLIDING | {"num_local_experts": 2, "num_experts_per_tok": 1},
    "bloom": SIZES | {"n_layer": 2, "n_head": 4},
    "gptj": SIZES | {"rotary_dim": 4},
    "gpt_neo": SIZES
    | {"num_layers": 2, "num_heads": 4, "window_size": 6, "attention_types": [[["local", "global"], 1]]},
    "mamba": SIZES,
    "lfm2": GROUPED | {"layer_types": ["conv", "full_attention"]},
}


def config_of(architecture: str, **changes: Any) -> PreTrainedConfig:
    return AutoConfig.for_model(architecture, **OF_ARCHITECTURE[architecture] | changes)


# positional encoding, normalization, activation, attention, tied, parallel, key and value heads: from the papers
EXPECTED = {
    "gpt2": ("learned", "layernorm", "gelu_new", "softmax", True, False, 4),
    "gpt_neox": ("rotary", "layernorm", "gelu", "softmax", False, True, 4),
    "opt": ("learned", "layernorm", "relu", "softmax", True, False, 4),
    "llama": ("rotary", "rmsnorm", "silu", "softmax", False, False, 2),
    "mistral": ("rotary", "rmsnorm", "silu", "softmax", False, False, 2),
    "qwen3": ("rotary", "rmsnorm", "silu", "softmax", False, False, 2),
    "gemma2": ("rotary", "rmsnorm", "gelu_pytorch_tanh", "softmax", True, False, 2),
    "gemma3_text": ("rotary", "rmsnorm", "gelu_pytorch_tanh", "softmax", True, False, 2),
    "gpt_oss": ("rotary", "rmsnorm", "silu", "softmax", False, False, 2),
    "bloom": ("alibi", "layernorm", "gelu_tanh", "softmax", True, False, 4),
    "gptj": ("rotary", "layernorm", "gelu_new", "softmax", False, True, 4),
    "gpt_neo": ("learned", "layernorm", "gelu_new", "softmax", True, False, 4),
    "mamba": ("none", "rmsnorm", "silu", "none", True, None, None),
    "lfm2": ("rotary", "rmsnorm", None, "hybrid", True, None, 2),
}
COLUMNS = (
    "positional_encoding",
    "normalization",
    "activation",
    "attention",
    "tied_embeddings",
    "parallel_blocks",
    "n_kv_heads",
)


@pytest.mark.parametrize("architecture", EXPECTED)
def test_design_columns_of_the_usual_architectures(architecture: str) -> None:
    properties, layers = describe(config_of(architecture))

    has_heads = architecture != "mamba"
    assert tuple(properties[column] for column in COLUMNS) == EXPECTED[architecture]
    assert properties["architecture"] == architecture
    assert (properties["n_layers"], properties["d_model"], properties["vocab_size"]) == (2, 32, 61)
    assert (properties["n_heads"], properties["d_head"]) == ((4, 8) if has_heads else (None, None))
    assert [row["layer"] for row in layers] == [0, 1]


@pytest.mark.parametrize(
    ("architecture", "kinds"),
    [
        ("llama", ["full", "full"]),
        ("mistral", ["sliding", "sliding"]),
        ("gemma2", ["sliding", "full"]),
        ("gpt_neo", ["sliding", "full"]),
        ("mamba", ["linear", "linear"]),
        ("lfm2", ["none", "full"]),
    ],
)
def test_kinds_of_layers(architecture: str, kinds: list[str]) -> None:
    assert [row["kind"] for row in describe(config_of(architecture))[1]] == kinds


@pytest.mark.parametrize("architecture", ["mistral", "gemma2", "gemma3_text", "gpt_oss", "gpt_neo"])
def test_a_window_counts_the_keys_that_eager_attention_lets_a_query_see(architecture: str) -> None:
    config = config_of(architecture)
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
    with torch.no_grad():
        attentions = model(torch.arange(1, 21)[None], output_attentions=True).attentions

    seen = [int((matrix[0, 0, -1] > 0).sum()) for matrix in attentions]

    assert [row["window"] or 20 for row in describe(config)[1]] == seen
    assert 6 in seen


def test_only_learned_sinks_are_sinks() -> None:
    sinks = {a: [row["has_sink"] for row in describe(config_of(a))[1]] for a in ("gpt_oss", "gemma3_text", "mamba")}

    assert sinks == {"gpt_oss": [True, True], "gemma3_text": [False, False], "mamba": [False, False]}


def test_layers_without_heads_have_none() -> None:
    conv, full = describe(config_of("lfm2"))[1]

    assert (conv["n_heads"], conv["n_kv_heads"], conv["window"]) == (None, None, None)
    assert (full["n_heads"], full["n_kv_heads"]) == (4, 2)


def test_a_flag_of_the_configuration_decides_where_there_is_one() -> None:
    assert describe(config_of("gpt_neox", use_parallel_residual=False))[0]["parallel_blocks"] is False
    assert describe(config_of("llama", tie_word_embeddings=True))[0]["tied_embeddings"] is True


def test_one_key_head_for_all_in_falcon() -> None:
    sizes = SIZES | {"num_hidden_layers": 2}

    one, _ = describe(AutoConfig.for_model("falcon", **sizes, multi_query=True))
    all_alibi, _ = describe(AutoConfig.for_model("falcon", **sizes, multi_query=False, alibi=True))

    assert (one["n_kv_heads"], one["positional_encoding"], one["parallel_blocks"]) == (1, "rotary", True)
    assert (all_alibi["n_kv_heads"], all_alibi["positional_encoding"]) == (4, "alibi")


def test_what_is_not_known_stays_none() -> None:
    unlisted, _ = describe(AutoConfig.for_model("glm", **GROUPED))

    assert unlisted["parallel_blocks"] is None
    assert describe(AutoConfig.for_model("bloom"))[0]["context_length"] is None


def test_further_properties_come_with_their_values() -> None:
    assert describe(config_of("gemma2"))[0]["properties"]["attention_soft_cap"] == 50
    assert describe(config_of("gpt_oss"))[0]["properties"]["n_experts"] == 2
    assert "attention_soft_cap" not in describe(config_of("gemma3_text"))[0]["properties"]
    assert describe(config_of("gpt_neox"))[0]["properties"]["rope_parameters"]["partial_rotary_factor"] == 0.25


# Folders


@pytest.mark.parametrize("architecture", ["gpt2", "gpt_neox", "llama", "gemma2", "gpt_oss", "bloom", "mamba"])
def test_what_is_counted_is_what_is_saved(architecture: str, tmp_path: Path) -> None:
    AutoModelForCausalLM.from_config(config_of(architecture)).save_pretrained(tmp_path)

    properties, layers = read_properties(tmp_path)

    stored = files.shapes(tmp_path.glob("*.safetensors"))
    assert properties["n_params"] == sum(math.prod(shape) for shape, _ in stored.values())
    assert len(layers) == 2
    assert properties["adds_bos"] is False


def test_rows_of_one_folder_do_not_reach_into_another(llama_folder: Path) -> None:
    _, first = read_properties(llama_folder)
    first[0]["model_id"] = "mine"

    assert "model_id" not in read_properties(llama_folder)[1][0]


@pytest.mark.parametrize("changes", [{"model_type": "perceptron"}, {"model_type": None}, {"hidden_size": "wide"}])
def test_a_configuration_that_fits_no_architecture_is_told(
    llama_folder: Path, tmp_path: Path, changes: dict[str, Any]
) -> None:
    folder = Path(shutil.copytree(llama_folder, tmp_path / "changed"))
    stated = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(stated | changes))

    with pytest.raises(UserError, match="fits no architecture") as told:
        read_properties(folder)
    assert told.value.where.endswith("config.json")
