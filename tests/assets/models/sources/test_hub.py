"""Checkpoints from a hub on the loopback interface, fetched by real huggingface_hub."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import huggingface_hub
import pytest

from assets.models.sources.hub import SOURCE
from catalog.errors import UserError
from catalog.home import Home
from tests.assets.models.conftest import MakeRuns
from tests.loopback_hub import LoopbackHub, point_at


@pytest.fixture
def weights(llama_folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in llama_folder.iterdir()}


STEPPED = {"hub": "org/tiny-seed{seed}", "seeds": [1], "revisions": "step{step}", "tokens_per_step": 10}


def test_revisions_are_resolved_to_commits_in_order_of_steps(
    hub: LoopbackHub, runs_of: MakeRuns, weights: dict[str, bytes]
) -> None:
    commits = [hub.add("org/tiny-seed1", weights, f"step{step}") for step in (1000, 0, 512)]
    hub.add("org/tiny-seed1", weights)
    (run,) = runs_of(STEPPED)

    plan = SOURCE.plan(run)

    assert [(p.label, p.tokens_seen, p.is_final) for p in plan] == [
        ("step0", 0, False),
        ("step512", 5120, False),
        ("step1000", 10000, True),
    ]
    assert [p.revision for p in plan] == [commits[1], commits[2], commits[0]]
    assert [str(asked) for asked in hub.asked()] == ["GET /api/models/org/tiny-seed1/refs"]


def test_without_revisions_the_main_branch_is_the_checkpoint(
    hub: LoopbackHub, runs_of: MakeRuns, weights: dict[str, bytes]
) -> None:
    commit = hub.add("org/tiny", weights)
    (run,) = runs_of({"hub": "org/tiny"})

    (planned,) = SOURCE.plan(run)

    assert (planned.label, planned.step, planned.revision, planned.is_final) == ("main", None, commit, True)


def test_only_weights_configuration_and_tokenizer_are_fetched(
    hub: LoopbackHub, runs_of: MakeRuns, home: Home, weights: dict[str, bytes], said: list[str]
) -> None:
    extra = {
        "tokenizer.json": b"{}",
        "pytorch_model.bin": b"a pickle",
        "modeling_own.py": b"raise SystemExit",
        "onnx/model.safetensors": b"other weights",
        "README.md": b"# Tiny",
    }
    commit = hub.add("org/tiny", weights | extra)
    (run,) = runs_of({"hub": "org/tiny"})

    (pinned,) = SOURCE.pin(run, SOURCE.plan(run), home, said.append)

    assert sorted(path.name for path in pinned.folder.iterdir()) == sorted({*weights, "tokenizer.json"})
    assert pinned.weights_sha256 == hashlib.sha256(weights["model.safetensors"]).hexdigest()
    assert pinned.tokenizer_sha256 == hashlib.sha256(b"{}").hexdigest()
    assert (pinned.commit_sha, pinned.location, pinned.format) == (commit, "org/tiny", "safetensors")
    assert home.weights in pinned.folder.parents
    assert said == [f"org/tiny at main ({commit}): fetching {len(weights) + 1} files"]


def test_what_was_measured_is_evicted_and_other_checkpoints_stay(
    hub: LoopbackHub, runs_of: MakeRuns, home: Home, weights: dict[str, bytes]
) -> None:
    for step in (0, 1):
        hub.add("org/tiny-seed1", weights | {"README.md": str(step).encode()}, f"step{step}")
    (run,) = runs_of(STEPPED)
    first, second = SOURCE.pin(run, SOURCE.plan(run), home, print)

    SOURCE.release(first)

    assert not first.folder.exists()
    assert (second.folder / "model.safetensors").read_bytes() == weights["model.safetensors"]


def test_a_repository_of_pickles_is_refused_and_nothing_of_it_fetched(
    hub: LoopbackHub, runs_of: MakeRuns, home: Home, weights: dict[str, bytes]
) -> None:
    hub.add("org/tiny", {"config.json": weights["config.json"], "pytorch_model.bin": b"a pickle"})
    (run,) = runs_of({"hub": "org/tiny"})

    with pytest.raises(UserError, match="pickle"):
        list(SOURCE.pin(run, SOURCE.plan(run), home, print))
    assert not hub.asked("resolve")


def test_a_missing_revision_is_told_with_those_there_are(
    hub: LoopbackHub, runs_of: MakeRuns, weights: dict[str, bytes]
) -> None:
    hub.add("org/tiny-seed1", weights, "step0")
    (run,) = runs_of(STEPPED | {"steps": [0, 7]})

    with pytest.raises(UserError, match="no revision step7") as told:
        SOURCE.plan(run)
    assert "step0" in told.value.mend


def test_no_revision_of_the_form_is_told(hub: LoopbackHub, runs_of: MakeRuns, weights: dict[str, bytes]) -> None:
    hub.add("org/tiny-seed1", weights)
    (run,) = runs_of(STEPPED)

    with pytest.raises(UserError, match="no revision of the form step"):
        SOURCE.plan(run)


def test_a_missing_repository_is_told(hub: LoopbackHub, runs_of: MakeRuns) -> None:
    (run,) = runs_of({"hub": "org/nothing"})

    with pytest.raises(UserError, match="no such repository") as told:
        SOURCE.plan(run)
    assert told.value.where == "org/nothing"


@pytest.mark.usefixtures("hub")
def test_a_hub_out_of_reach_is_told(runs_of: MakeRuns, monkeypatch: pytest.MonkeyPatch) -> None:
    point_at("http://127.0.0.1:1", monkeypatch)
    (run,) = runs_of({"hub": "org/tiny"})

    with pytest.raises(UserError, match="can't be reached") as told:
        SOURCE.plan(run)
    assert "HF_ENDPOINT" in told.value.mend


def test_a_full_disk_is_told(
    hub: LoopbackHub, runs_of: MakeRuns, home: Home, weights: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.add("org/tiny", weights)
    (run,) = runs_of({"hub": "org/tiny"})

    def no_space(*args: object, **kwargs: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(huggingface_hub, "snapshot_download", no_space)

    with pytest.raises(UserError, match="disk is full"):
        list(SOURCE.pin(run, SOURCE.plan(run), home, print))


def test_steps_without_revisions_are_told(runs_of: MakeRuns) -> None:
    with pytest.raises(UserError, match="says nothing without"):
        runs_of({"hub": "org/tiny", "steps": [1]})


def test_the_endpoint_is_taken_from_the_environment(
    hub: LoopbackHub, weights: dict[str, bytes], tmp_path: Path
) -> None:
    commit = hub.add("org/tiny", weights)
    script = """
from assets.models.runs import training_runs
from assets.models.sources.hub import SOURCE
from assets.study import FamilySpec, Study
models = [{"model_id": "tiny", "runs": {"hub": "org/tiny"}}]
family = FamilySpec(family_id="family", role="natural", description="", models=models)
(run,) = training_runs(Study(name="test", families=[family], probes=["attention"]))
print(SOURCE.plan(run)[0].revision)
"""
    environment = {**os.environ, **hub.environment(tmp_path)}

    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False)

    assert done.stdout.strip() == commit, done.stderr
    shutil.rmtree(tmp_path)
