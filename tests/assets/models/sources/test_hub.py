"""Checkpoints from a hub on the loopback interface, fetched by real huggingface_hub."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from assets.models.hub.client import HubUnreachable
from assets.models.sources import pin_folder
from assets.models.sources.hub import SOURCE
from catalog.errors import UserError
from catalog.home import Home
from tests.assets.models.conftest import MakeRuns
from tests.loopback_hub import LoopbackHub, offline, point_at


@pytest.fixture
def weights(llama_folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in llama_folder.iterdir()}


STEPPED = {"hub": "org/tiny-seed{seed}", "seeds": [1], "revisions": "step{step}", "tokens_per_step": 10}


def test_revisions_are_resolved_to_commits_in_order_of_steps(
    hub: LoopbackHub, runs_of: MakeRuns, weights: dict[str, bytes], home: Home
) -> None:
    commits = [hub.add("org/tiny-seed1", weights, f"step{step}") for step in (1000, 0, 512)]
    hub.add("org/tiny-seed1", weights)
    (run,) = runs_of(STEPPED)

    plan = SOURCE.plan(run, home)

    assert [(p.label, p.tokens_seen, p.is_final) for p in plan] == [
        ("step0", 0, False),
        ("step512", 5120, False),
        ("step1000", 10000, True),
    ]
    assert [p.revision for p in plan] == [commits[1], commits[2], commits[0]]
    assert [str(asked) for asked in hub.asked()] == ["GET /api/models/org/tiny-seed1/refs"]


def test_without_revisions_the_main_branch_is_the_checkpoint(
    hub: LoopbackHub, runs_of: MakeRuns, weights: dict[str, bytes], home: Home
) -> None:
    commit = hub.add("org/tiny", weights)
    (run,) = runs_of({"hub": "org/tiny"})

    (planned,) = SOURCE.plan(run, home)

    assert (planned.label, planned.step, planned.revision, planned.is_final) == ("main", None, commit, True)


def test_a_checkpoint_is_pinned_by_what_is_listed_and_no_weights_are_fetched(
    hub: LoopbackHub, runs_of: MakeRuns, home: Home, weights: dict[str, bytes], llama_folder: Path
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

    (pinned,) = SOURCE.pin(run, SOURCE.plan(run, home), home, print)

    local = pin_folder(pinned.planned, llama_folder, location="org/tiny", commit_sha=commit)
    copied = replace(local, folder=pinned.folder, tokenizer_sha256=hashlib.sha256(b"{}").hexdigest())
    assert pinned == copied, "a copy on disk has the same hashes, precision and size"
    assert {path.name for path in pinned.folder.iterdir()} == {*weights, "tokenizer.json"} - {"model.safetensors"}
    assert hub.bodies("safetensors") == 0
    assert home.weights in pinned.folder.parents


def test_weights_are_fetched_when_they_are_held_and_only_what_loading_needs(
    hub: LoopbackHub, runs_of: MakeRuns, home: Home, weights: dict[str, bytes], said: list[str]
) -> None:
    commit = hub.add("org/tiny", weights | {"consolidated.safetensors": b"again", "pytorch_model.bin": b"a pickle"})
    (run,) = runs_of({"hub": "org/tiny"})
    (pinned,) = SOURCE.pin(run, SOURCE.plan(run, home), home, print)
    size = len(weights["model.safetensors"])
    assert SOURCE.to_fetch(run, pinned.planned, home) == size

    for _ in range(2):
        with SOURCE.held(run, pinned, home, said.append) as folder:
            assert {path.name: path.read_bytes() for path in folder.iterdir()} == weights

    assert hub.bodies("safetensors") == 1
    assert SOURCE.to_fetch(run, pinned.planned, home) == 0
    assert said[0] == f"org/tiny at {commit}: fetching {size / 1e6:.1f} MB"
    assert len(said) == 2


def test_what_checkpoints_share_is_fetched_once(
    hub: LoopbackHub, runs_of: MakeRuns, home: Home, weights: dict[str, bytes]
) -> None:
    for step in range(3):
        hub.add("org/tiny-seed1", weights | {"tokenizer.json": b"{}"}, f"step{step}")
    (run,) = runs_of(STEPPED)

    pinned = list(SOURCE.pin(run, SOURCE.plan(run, home), home, print))

    assert hub.bodies("config.json") == 2, "config.json and generation_config.json"
    assert hub.bodies("tokenizer.json") == 1
    assert all((each.folder / "tokenizer.json").read_bytes() == b"{}" for each in pinned)


def test_sharded_weights_are_those_of_the_index(
    hub: LoopbackHub, runs_of: MakeRuns, home: Home, weights: dict[str, bytes], tmp_path: Path
) -> None:
    shards = {f"model-0000{n}-of-00002.safetensors": save({f"w{n}": np.full(n, n, "float16")}) for n in (1, 2)}
    index = json.dumps({"weight_map": {f"w{n}": name for n, name in enumerate(shards, start=1)}}).encode()
    files = {"config.json": weights["config.json"], "model.safetensors.index.json": index, **shards}
    hub.add("org/tiny", files | {"consolidated.safetensors": b"again"})
    (run,) = runs_of({"hub": "org/tiny"})
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)

    (pinned,) = SOURCE.pin(run, SOURCE.plan(run, home), home, print)
    with SOURCE.held(run, pinned, home, print) as folder:
        held = {path.name for path in folder.iterdir()}

    local = pin_folder(pinned.planned, tmp_path, location="")
    assert (pinned.weights_sha256, pinned.precision, pinned.bytes) == (local.weights_sha256, "float16", local.bytes)
    assert held == set(files)


def test_weights_that_stand_in_git_itself_are_fetched_to_be_hashed(
    hub: LoopbackHub, runs_of: MakeRuns, home: Home, weights: dict[str, bytes]
) -> None:
    hub.add("org/tiny", weights, plain={"model.safetensors"})
    (run,) = runs_of({"hub": "org/tiny"})
    planned = SOURCE.plan(run, home)

    first, again = (next(SOURCE.pin(run, planned, home, print)) for _ in range(2))

    assert first.weights_sha256 == hashlib.sha256(weights["model.safetensors"]).hexdigest()
    assert again == first
    assert hub.bodies("safetensors") == 1


def test_a_repository_of_pickles_is_refused_and_nothing_of_it_fetched(
    hub: LoopbackHub, runs_of: MakeRuns, home: Home, weights: dict[str, bytes]
) -> None:
    hub.add("org/tiny", {"config.json": weights["config.json"], "pytorch_model.bin": b"a pickle"})
    hub.add("org/tiny", weights, "refs/pr/7")
    (run,) = runs_of({"hub": "org/tiny"})

    with pytest.raises(UserError, match="pickle") as told:
        list(SOURCE.pin(run, SOURCE.plan(run, home), home, print))

    assert told.value.lasting
    assert "name revision refs/pr/7" in told.value.mend
    assert not hub.asked("resolve")


@pytest.mark.parametrize(
    ("files", "what"),
    [
        ({"config.json": b"{}", "README.md": b"soon"}, "no weights at this revision"),
        (
            {
                "config.json": b"{}",
                "model.safetensors.index.json": b'{"weight_map": {"w": "model-2.safetensors"}}',
                "model-1.safetensors": b"",
            },
            "lacks 1 of the 1 files",
        ),
    ],
)
def test_a_repository_without_all_its_weights_is_told(
    hub: LoopbackHub, runs_of: MakeRuns, home: Home, files: dict[str, bytes], what: str
) -> None:
    hub.add("org/tiny", files)
    (run,) = runs_of({"hub": "org/tiny"})

    with pytest.raises(UserError, match=what) as told:
        list(SOURCE.pin(run, SOURCE.plan(run, home), home, print))

    assert told.value.lasting


def test_a_gated_repository_opens_to_the_users_token_which_is_kept_nowhere(
    hub: LoopbackHub,
    runs_of: MakeRuns,
    home: Home,
    weights: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
    said: list[str],
) -> None:
    hub.add("org/gated", weights, gated="manual", readers={"hf_secret"})
    (run,) = runs_of({"hub": "org/gated"})
    planned = SOURCE.plan(run, home)

    with pytest.raises(UserError, match="licence to be accepted") as told:
        list(SOURCE.pin(run, planned, home, said.append))
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    (pinned,) = SOURCE.pin(run, planned, home, said.append)
    with SOURCE.held(run, pinned, home, said.append) as folder:
        assert (folder / "model.safetensors").read_bytes() == weights["model.safetensors"]

    assert "hf auth login" in told.value.mend
    assert not told.value.lasting
    assert not [asked for asked in hub.asked() if asked.cdn and asked.authorised]
    assert not [path for path in home.root.rglob("*") if path.is_file() and b"hf_secret" in path.read_bytes()]
    assert "hf_secret" not in "".join(said)


def test_a_private_repository_is_not_there_without_a_token(
    hub: LoopbackHub, runs_of: MakeRuns, home: Home, weights: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.add("org/private", weights, private=True, readers={"hf_secret"})
    (run,) = runs_of({"hub": "org/private"})

    with pytest.raises(UserError, match="or it is private"):
        SOURCE.plan(run, home)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    (pinned,) = SOURCE.pin(run, SOURCE.plan(run, home), home, print)

    assert pinned.location == "org/private"


def test_offline_what_is_cached_is_planned_pinned_and_held_without_a_request(
    hub: LoopbackHub, runs_of: MakeRuns, home: Home, weights: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    for step in (0, 1):
        hub.add("org/tiny-seed1", weights, f"step{step}")
    (run,) = runs_of(STEPPED)
    planned = SOURCE.plan(run, home)
    first, second = SOURCE.pin(run, planned, home, print)
    with SOURCE.held(run, first, home, print):
        pass
    hub.forget()
    offline(monkeypatch)

    assert SOURCE.plan(run, home) == planned
    assert list(SOURCE.pin(run, planned, home, print)) == [first, second]
    with SOURCE.held(run, first, home, print) as folder:
        assert (folder / "model.safetensors").read_bytes() == weights["model.safetensors"]
    with pytest.raises(HubUnreachable, match="not in the cache"), SOURCE.held(run, second, home, print):
        pass
    assert not hub.asked()


def test_a_body_that_is_no_safetensors_file_is_told(
    hub: LoopbackHub, runs_of: MakeRuns, home: Home, weights: dict[str, bytes]
) -> None:
    hub.add("org/tiny", weights | {"model.safetensors": b"version https://git-lfs.github.com/spec/v1"})
    (run,) = runs_of({"hub": "org/tiny"})

    with pytest.raises(UserError, match="does not begin as a safetensors file"):
        list(SOURCE.pin(run, SOURCE.plan(run, home), home, print))


def test_a_missing_revision_is_told_with_those_there_are(
    hub: LoopbackHub, runs_of: MakeRuns, weights: dict[str, bytes], home: Home
) -> None:
    hub.add("org/tiny-seed1", weights, "step0")
    (run,) = runs_of(STEPPED | {"steps": [0, 7]})

    with pytest.raises(UserError, match="no revision step7") as told:
        SOURCE.plan(run, home)
    assert "step0" in told.value.mend


def test_no_revision_of_the_form_is_told(
    hub: LoopbackHub, runs_of: MakeRuns, weights: dict[str, bytes], home: Home
) -> None:
    hub.add("org/tiny-seed1", weights)
    (run,) = runs_of(STEPPED)

    with pytest.raises(UserError, match="no revision of the form step"):
        SOURCE.plan(run, home)


def test_a_missing_repository_is_told(hub: LoopbackHub, runs_of: MakeRuns, home: Home) -> None:
    (run,) = runs_of({"hub": "org/nothing"})

    with pytest.raises(UserError, match="no such repository") as told:
        SOURCE.plan(run, home)
    assert told.value.where == "org/nothing"


@pytest.mark.usefixtures("hub")
def test_a_hub_out_of_reach_is_told(runs_of: MakeRuns, monkeypatch: pytest.MonkeyPatch, home: Home) -> None:
    point_at("http://127.0.0.1:1", monkeypatch)
    (run,) = runs_of({"hub": "org/tiny"})

    with pytest.raises(UserError, match="can't be reached") as told:
        SOURCE.plan(run, home)
    assert "HF_ENDPOINT" in told.value.mend


def test_a_full_disk_is_told(
    hub: LoopbackHub, runs_of: MakeRuns, home: Home, weights: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.add("org/tiny", weights)
    (run,) = runs_of({"hub": "org/tiny"})

    (pinned,) = SOURCE.pin(run, SOURCE.plan(run, home), home, print)

    def no_space(*args: object, **kwargs: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr("huggingface_hub.file_download.http_get", no_space)

    with pytest.raises(UserError, match="disk is full"), SOURCE.held(run, pinned, home, print):
        pass


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
from catalog.home import Home
models = [{"model_id": "tiny", "runs": {"hub": "org/tiny"}}]
family = FamilySpec(family_id="family", role="natural", description="", models=models)
(run,) = training_runs(Study(name="test", families=[family], probes=["attention"]))
print(SOURCE.plan(run, Home.from_environment())[0].revision)
"""
    environment = {**os.environ, **hub.environment(tmp_path), "MOVING_TARGET_HOME": str(tmp_path)}

    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False)

    assert done.stdout.strip() == commit, done.stderr
    shutil.rmtree(tmp_path)
