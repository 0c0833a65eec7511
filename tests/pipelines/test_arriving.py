"""`models add` from a hub on loopback to scored predictions, the workers' part done in this process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from click.testing import Result
from transformers import LlamaConfig, LlamaForCausalLM
from typer.testing import CliRunner

from catalog.home import Home
from catalog.read import open_catalog
from pipelines import workers
from pipelines.workers import Finished
from tests.loopback_hub import LoopbackHub

FACTS = """
SELECT CAST(released_on AS VARCHAR), licence, n_layers, training_tokens FROM models WHERE model_id = 'tiny-3l'
"""
SCORED = """
SELECT model_id, is_frozen_before, probability < .5, outcome, brier < .25, n_scored FROM prediction_record
"""


def llama(folder: Path, layers: int) -> dict[str, bytes]:
    """The files of a small model with random weights."""
    torch.manual_seed(layers)
    config = LlamaConfig(
        vocab_size=64,
        hidden_size=16 * layers,
        intermediate_size=32,
        num_hidden_layers=layers,
        num_attention_heads=4,
        max_position_embeddings=64,
    )
    LlamaForCausalLM(config).save_pretrained(folder / str(layers))
    return {path.name: path.read_bytes() for path in (folder / str(layers)).iterdir()}


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs a command in this process, workers too."""
    from pipelines.cli import app
    from pipelines.execution import execute_measure

    def here(run_ids: list[str], study: str, probes: list[str], *_: Any, **__: Any) -> list[Finished]:
        return [Finished(run_id, execute_measure(run_id, study, probes)) for run_id in run_ids]

    monkeypatch.setattr(workers, "spread", here)
    return lambda *arguments: CliRunner().invoke(app, arguments, catch_exceptions=False)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def study(tmp_path: Path) -> str:
    """A study of two small models of one family."""
    models = [{"model_id": f"tiny-{n}l", "runs": {"hub": f"org/tiny-{n}l"}} for n in (1, 2)]
    content = {
        "name": "tinies",
        "families": [{"family_id": "tiny", "role": "natural", "description": "-", "models": models}],
        "probes": [{"attention": {"n": 24, "n_sequences": 8}}],
        "claims": ["prefix-matching-heads-exist"],
        "retest": False,
    }
    path = tmp_path / "tinies.yaml"
    path.write_text(yaml.safe_dump(content))
    return str(path)


def query(home: Home, sql: str) -> list[tuple[Any, ...]]:
    with open_catalog(home) as connection:
        return connection.execute(sql).fetchall()


def kept(home: Home) -> dict[Path, bytes]:
    """What a command that has nothing to do leaves as it is."""
    files = [*home.record.rglob("*"), *home.models.rglob("*.yaml"), home.catalog]
    return {path: path.read_bytes() for path in files if path.is_file()}


@pytest.mark.slow
def test_a_model_arrives_predicted_measured_and_scored(
    command: Callable[..., Result], hub: LoopbackHub, study: str, home: Home, tmp_path: Path
) -> None:
    for layers in (1, 2, 3):
        hub.add(f"org/tiny-{layers}l", llama(tmp_path, layers), created_at=f"2026-01-0{layers}T00:00:00.000Z")
    ran = command("run", study)
    assert ran.exit_code == 0, ran.output
    assert query(home, "SELECT count(*) FROM predictions") == [(0,)]

    arrived = command("models", "add", "org/tiny-3l", "--study", study)

    assert arrived.exit_code == 0, arrived.output
    assert "training run tiny-3l of model tiny-3l, family tiny" in arrived.output
    assert "1 predictions of tiny-3l were frozen before it was measured" in arrived.output
    assert "How the predictions of tiny-3l did" in arrived.output
    assert "decided for the first time" in arrived.output
    assert query(home, SCORED) == [("tiny-3l", True, True, 0.0, True, 1)]
    assert query(home, FACTS) == [("2026-01-03", "apache-2.0", 3, None)]

    before = kept(home)
    again = command("models", "add", "org/tiny-3l", "--study", study)

    assert again.exit_code == 0, again.output
    assert "has org/tiny-3l already" in again.output
    assert "Nothing is due" in again.output
    assert kept(home) == before


def test_without_run_it_is_added_alone(
    command: Callable[..., Result], hub: LoopbackHub, study: str, home: Home
) -> None:
    hub.add("org/tiny-3l", {"config.json": b"{}", "model.safetensors": b"weights"})

    outcome = command("models", "add", "org/tiny-3l", "--study", study, "--no-run")

    assert outcome.exit_code == 0, outcome.output
    assert f"python -m pipelines run {study}" in outcome.output
    assert (home.models / "tinies" / "tiny.yaml").exists()
    assert not home.catalog.exists()
