"""What the family file of Pythia states, against transformers' own count and the published files."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from assets.published import ImportedCheckpoint
from assets.study import ModelSpec, load_family

FAMILY = load_family("pythia")
MODELS = {model.model_id: model for model in FAMILY.models}


@pytest.mark.parametrize("model_id", MODELS)
def test_the_design_makes_a_model_of_the_stated_size(model_id: str) -> None:
    import torch
    from transformers import AutoModelForCausalLM, GPTNeoXConfig

    design = MODELS[model_id].design
    config = GPTNeoXConfig(
        vocab_size=design["vocab_size"],
        hidden_size=design["d_model"],
        intermediate_size=4 * design["d_model"],
        num_hidden_layers=design["n_layers"],
        num_attention_heads=design["n_heads"],
        max_position_embeddings=design["context_length"],
        tie_word_embeddings=design["tied_embeddings"],
    )

    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)

    embeddings = (model.get_input_embeddings(), model.get_output_embeddings())
    n_params = sum(p.numel() for p in model.parameters())
    assert n_params == design["n_params"]
    assert n_params - sum(e.weight.numel() for e in embeddings) == design["n_params_non_embedding"]
    assert design["d_head"] == config.hidden_size // config.num_attention_heads
    assert design["architecture"] == config.model_type
    assert design["activation"] == config.hidden_act
    assert design["parallel_blocks"] == config.use_parallel_residual


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_each_statement_has_its_source(model: ModelSpec) -> None:
    sourced = {name for key in model.facts for name in key.split(", ")}

    stated = {
        *(["released_on"] if model.released_on else []),
        "training_tokens",
        "batch_size",
        "sequence_length",
        "training_data",
        "licence",
        "n_params",
        "n_layers",
        "precision",
    }
    assert stated <= sourced
    assert model.runs is None
    assert model.training_tokens == 143_000 * 2_097_152
    assert (model.batch_size or 0) * (model.sequence_length or 0) == 2_097_152


@pytest.mark.reference
def test_the_published_files_have_the_same_models(trott2025: list[ImportedCheckpoint], trott2025_folder: Path) -> None:
    published = [model for name, model in MODELS.items() if name != "pythia-31m"]
    files = [
        next(trott2025_folder.rglob(next(c.file for c in trott2025 if c.model_id == m.model_id))) for m in published
    ]
    stated = {(f"EleutherAI/{m.model_id}", m.design["n_params"], m.design["n_layers"]) for m in published}

    found = set(pl.read_csv(files).select("mpath", "n_params", "n_layers").iter_rows())
    heads = {(c.model_id, len(c.measurements) // 2) for c in trott2025}

    assert found == stated
    assert heads == {(m.model_id, m.design["n_layers"] * m.design["n_heads"]) for m in published}


@pytest.mark.reference
def test_the_first_step_changed_nothing_as_the_advisory_says(trott2025: list[ImportedCheckpoint]) -> None:
    values = {(c.run_id, c.step): [m.value for m in c.measurements] for c in trott2025}
    runs = {c.run_id for c in trott2025}

    assert all(values[run, 0] == values[run, 1] for run in runs)
    assert not any(values[run, 1] == values[run, 2] for run in runs)


def test_advisories_inform_and_leave_nothing_out() -> None:
    scopes = {advisory.advisory_id: advisory.scope for advisory in FAMILY.advisories}

    assert scopes["pythia-410m-outlier-seeds"]["runs"] == ["pythia-410m-seed3", "pythia-410m-seed4"]
    assert len(scopes["pythia-410m-no-weights"]["checkpoints"]) == 3
    assert all(scope["suspect"] is False for scope in scopes.values())
