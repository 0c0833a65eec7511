"""Homes, studies and small checkpoint folders for tests of models."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from assets.models.runs import training_runs
from assets.models.sources import TrainingRun
from assets.study import CheckpointChoice, FamilySpec, Study
from catalog.home import Home

RECIPE: dict[str, Any] = {
    "architecture": "gpt_neox",
    "layers": 1,
    "text": {"kind": "repeats"},
    "steps": 3,
    "checkpoints": [0, 1, 3],
    "seeds": [5],
    "batch": 2,
    "warmup": 2,
    "cooldown": 1,
}
"""A training of three steps, for all that does not need a trained model."""

MakeRuns = Callable[..., list[TrainingRun]]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def said() -> list[str]:
    """Takes the lines that a source says: pass its append."""
    return []


@pytest.fixture
def runs_of() -> MakeRuns:
    """The training runs of a study with one family of one model, with these `runs`."""

    def make(runs: dict[str, Any], **choice: list[int]) -> list[TrainingRun]:
        family = FamilySpec(
            family_id="family",
            role="natural",
            description="for a test",
            models=[{"model_id": "model", "runs": runs}],
        )
        checkpoints = {"family": CheckpointChoice(**choice)} if choice else {}
        return training_runs(Study(name="test", families=[family], probes=["attention"], checkpoints=checkpoints))

    return make


@pytest.fixture(scope="session")
def llama_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small Llama checkpoint with random weights, as save_pretrained writes it; copy it before changing it."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=40,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=32,
        bos_token_id=1,
        eos_token_id=2,
    )
    folder = tmp_path_factory.mktemp("llama")
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk without free space."""
    usage = shutil.disk_usage("/")._replace(free=0)
    monkeypatch.setattr("assets.models.files.shutil.disk_usage", lambda path: usage)
