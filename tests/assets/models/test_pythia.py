"""What the family file of Pythia states, against transformers' own count and the published files."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from assets.models.hub.revisions import checkpoints_of
from assets.models.runs import training_runs
from assets.published import ImportedCheckpoint
from assets.study import ModelSpec, Study, load_family

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
def test_every_model_saw_143_000_steps(model: ModelSpec) -> None:
    assert model.training_tokens == 143_000 * 2_097_152
    assert (model.batch_size or 0) * (model.sequence_length or 0) == 2_097_152


@pytest.mark.reference
def test_the_published_files_have_the_same_models(trott2025: list[ImportedCheckpoint], trott2025_folder: Path) -> None:
    published = [MODELS[name] for name in sorted({checkpoint.model_id for checkpoint in trott2025})]
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


def test_advisories_leave_out_only_what_is_another_checkpoint() -> None:
    scopes = {advisory.advisory_id: advisory.scope for advisory in FAMILY.advisories}

    assert scopes["pythia-410m-outlier-seeds"]["runs"] == ["pythia-410m-seed3", "pythia-410m-seed4"]
    assert len(scopes["pythia-410m-no-weights"]["checkpoints"]) == 3
    assert [name for name, scope in scopes.items() if scope["suspect"]] == [
        "pythia-160m-weight-seeds-diverge-from-step0",
        "pythia-12b-first-shards",
    ]


STEPS = [0, *(2**power for power in range(10)), *range(1000, 144_000, 1000)]
COMMITS = {"main": "m", **{f"step{step}": f"commit of {step}" for step in STEPS}}


def test_each_run_has_154_checkpoints_and_the_last_is_step_143000() -> None:
    runs = training_runs(Study(name="test", families=["pythia"], probes=["attention"]))

    assert len(runs) == 4 * 10 + 9 + 2 * 3 + 5 + 10
    for run in runs:
        planned = checkpoints_of(run.spec, run.seed, COMMITS)
        assert [checkpoint.step for checkpoint in planned] == STEPS
        assert len(planned) == 154
        assert [checkpoint.label for checkpoint in planned if checkpoint.is_final] == ["step143000"]
        assert planned[-1].tokens_seen == run.model.training_tokens


def test_runs_are_those_of_the_hub_and_of_the_published_data() -> None:
    runs = {run.run_id: run for run in training_runs(Study(name="test", families=["pythia"], probes=["attention"]))}
    repositories = {name: run.spec.repository(run.seed) for name, run in runs.items()}

    assert all(repository == f"EleutherAI/{name}" for name, repository in repositories.items())
    assert {*runs} >= {"pythia-70m", "pythia-70m-seed3", "pythia-160m-data-seed1", "pythia-160m-weight-seed3"}
    assert "pythia-31m" not in runs
    seeds = {name: (runs[name].init_seed, runs[name].data_seed) for name in runs if "160m" in name}
    assert seeds["pythia-160m"] == (None, None)
    assert seeds["pythia-160m-seed4"] == (4, 4)
    assert seeds["pythia-160m-data-seed2"] == (None, 2)
    assert seeds["pythia-160m-weight-seed2"] == (2, None)


def test_variants_stand_under_the_model_that_they_vary() -> None:
    parents = {name: model.parent_model_id for name, model in MODELS.items() if model.parent_model_id}

    assert parents.pop("pythia-160m-data") == parents.pop("pythia-160m-weight") == "pythia-160m"
    assert parents == {f"{name}-deduped": name for name in MODELS if f"{name}-deduped" in MODELS}
    assert len(parents) == 10
