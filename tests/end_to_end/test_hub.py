"""Studies of repositories on a hub, as a user runs them, with the hub on loopback."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from tests.end_to_end.conftest import Command, WriteStudy, family
from tests.loopback_hub import LoopbackHub

pytestmark = pytest.mark.end_to_end
TOKEN = "hf_of_the_user"
RUNS = {"hub": "org/tiny", "revisions": "step{step}", "tokens_per_step": 100}


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, bytes]]:
    """Files of three checkpoints of a small Llama."""
    found = []
    for step in range(3):
        torch.manual_seed(step)
        config = LlamaConfig(
            vocab_size=64,
            hidden_size=32,
            intermediate_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            max_position_embeddings=128,
        )
        folder = tmp_path_factory.mktemp(f"step{step}")
        LlamaForCausalLM(config).save_pretrained(folder)
        found.append({path.name: path.read_bytes() for path in folder.iterdir()})
    return found


@pytest.fixture
def at_hub(command: Command, hub: LoopbackHub, tmp_path: Path) -> Command:
    command.environment |= hub.environment(tmp_path / "hf")
    return command


def test_a_study_of_a_hub_runs_once_and_then_only_what_is_new(
    at_hub: Command, hub: LoopbackHub, steps: list[dict[str, bytes]], write_study: WriteStudy
) -> None:
    for step in (0, 1):
        hub.add("org/tiny", steps[step], f"step{step}")
    study = write_study(family("tiny", RUNS))

    first = at_hub("run", study)
    assert first.returncode == 0, first.stdout + first.stderr
    assert at_hub.query("SELECT DISTINCT status, probe FROM probe_runs ORDER BY ALL") == [
        ("ok", "attention"),
        ("ok", "repeats"),
    ]
    assert hub.bodies("safetensors") == 2, "each checkpoint once, whatever the number of probes"

    hub.forget()
    again = at_hub("run", study)
    assert "Nothing is due" in again.stdout
    assert [str(asked) for asked in hub.asked()] == ["GET /api/models/org/tiny/refs"]

    hub.add("org/tiny", steps[2], "step2")
    third = at_hub("run", study)
    assert third.returncode == 0, third.stdout + third.stderr
    assert hub.bodies("safetensors") == 1
    assert at_hub.query("SELECT count(DISTINCT checkpoint_id) FROM evidence") == [(3,)]


def test_offline_another_probe_is_measured_with_what_is_cached(
    at_hub: Command, hub: LoopbackHub, steps: list[dict[str, bytes]], write_study: WriteStudy
) -> None:
    hub.add("org/tiny", steps[0], "step0")
    runs = family("tiny", RUNS)
    assert at_hub("run", write_study(runs, probes=["attention"])).returncode == 0
    hub.forget()
    at_hub.environment["HF_HUB_OFFLINE"] = "1"

    offline = at_hub("run", write_study(runs, probes=["attention", "repeats"]))

    assert offline.returncode == 0, offline.stdout + offline.stderr
    assert not hub.asked()
    assert at_hub.query("SELECT DISTINCT probe FROM probe_runs ORDER BY ALL") == [("attention",), ("repeats",)]


def test_a_gated_repository_is_measured_with_the_users_token_which_is_told_nowhere(
    at_hub: Command, hub: LoopbackHub, steps: list[dict[str, bytes]], write_study: WriteStudy
) -> None:
    hub.add("org/tiny", steps[0], "step0", gated="manual", readers={TOKEN})
    study = write_study(family("tiny", RUNS))

    refused = at_hub("run", study)
    at_hub.environment["HF_TOKEN"] = TOKEN
    granted = at_hub("run", study)

    assert refused.returncode == 1
    assert "licence to be accepted" in refused.stderr
    assert granted.returncode == 0, granted.stdout + granted.stderr
    said = refused.stdout + refused.stderr + granted.stdout + granted.stderr
    assert TOKEN not in said
    holding = [path for path in at_hub.home.rglob("*") if path.is_file() and TOKEN.encode() in path.read_bytes()]
    assert holding == []
