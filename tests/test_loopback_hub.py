"""The hub on loopback answers huggingface_hub as a hub does."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path

import pytest
from huggingface_hub import HfApi, hf_hub_download
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HTTPError,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import get_session

from tests.loopback_hub import LoopbackHub, git_oid

WEIGHTS = bytes(range(256)) * 40
FILES = {"config.json": b"{}", "model.safetensors": WEIGHTS, "onnx/model.safetensors": b"other"}


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What huggingface_hub would have slept."""
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    return slept


def test_models_of_an_organisation_are_listed(hub: LoopbackHub) -> None:
    hub.add("org/tiny-1", FILES, created_at="2026-02-03T00:00:00.000Z", gated="manual", licence="mit")
    hub.add("org/other", FILES)
    hub.add("org/tiny-secret", FILES, private=True, readers={"hf_it"})
    hub.add("elsewhere/tiny", FILES)

    (found,) = HfApi().list_models(author="org", search="tiny", full=True, cardData=True)

    assert (found.id, found.gated, found.private) == ("org/tiny-1", "manual", False)
    assert str(found.created_at) == "2026-02-03 00:00:00+00:00"
    assert "license:mit" in (found.tags or [])
    assert {model.id for model in HfApi(token="hf_it").list_models(author="org", search="tiny")} == {
        "org/tiny-1",
        "org/tiny-secret",
    }


def test_refs_and_trees(hub: LoopbackHub) -> None:
    commits = {name: hub.add("org/tiny", FILES, name) for name in ("main", "step1", "refs/pr/2")}
    tagged = hub.add("org/tiny", FILES, "v1", tag=True)

    refs = HfApi().list_repo_refs("org/tiny", include_pull_requests=True)
    tree = {each.path: each for each in HfApi().list_repo_tree("org/tiny", revision="refs/pr/2", recursive=True)}

    assert {ref.name: ref.target_commit for ref in refs.branches} == {n: commits[n] for n in ("main", "step1")}
    assert [(ref.name, ref.target_commit) for ref in refs.tags] == [("v1", tagged)]
    assert [ref.ref for ref in refs.pull_requests or []] == ["refs/pr/2"]
    assert sorted(tree) == ["config.json", "model.safetensors", "onnx", "onnx/model.safetensors"]
    assert (tree["config.json"].blob_id, tree["config.json"].lfs) == (git_oid(b"{}"), None)
    assert tree["model.safetensors"].lfs.sha256 == hashlib.sha256(WEIGHTS).hexdigest()
    assert HfApi().model_info("org/tiny", revision="v1").sha == tagged


def test_weights_come_from_another_origin_that_sees_no_token(hub: LoopbackHub, tmp_path: Path) -> None:
    hub.add("org/tiny", FILES, gated="auto", readers={"hf_it"})

    with pytest.raises(GatedRepoError):
        hf_hub_download("org/tiny", "model.safetensors", cache_dir=tmp_path)
    path = hf_hub_download("org/tiny", "model.safetensors", cache_dir=tmp_path, token="hf_it")

    assert Path(path).read_bytes() == WEIGHTS
    (body,) = [asked for asked in hub.asked() if asked.cdn]
    assert not body.authorised
    assert hub.bodies("model.safetensors") == 1


def test_who_has_no_right_is_refused(hub: LoopbackHub, tmp_path: Path) -> None:
    hub.add("org/secret", FILES, private=True, readers={"hf_it"})
    hub.add("org/gated", FILES, gated="auto", readers={"hf_other"})

    with pytest.raises(RepositoryNotFoundError) as private:
        HfApi().model_info("org/secret")
    with pytest.raises(GatedRepoError) as gated:
        hf_hub_download("org/gated", "config.json", cache_dir=tmp_path, token="hf_it")
    with pytest.raises(HfHubHTTPError, match="Invalid credentials"):
        HfApi().model_info("org/gated", token="hf_expired")

    assert (private.value.response.status_code, gated.value.response.status_code) == (401, 403)


def test_what_is_not_there_is_told_apart(hub: LoopbackHub, tmp_path: Path) -> None:
    hub.add("org/tiny", FILES)

    with pytest.raises(RepositoryNotFoundError):
        HfApi().model_info("org/nothing")
    with pytest.raises(RevisionNotFoundError):
        HfApi().model_info("org/tiny", revision="v9")
    with pytest.raises(RemoteEntryNotFoundError):
        hf_hub_download("org/tiny", "none.json", cache_dir=tmp_path)


def test_a_dropped_body_is_asked_for_from_where_it_broke(
    hub: LoopbackHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 100)
    hub.add("org/tiny", FILES)
    hub.drop("model.safetensors", after=1000)

    hf_hub_download("org/tiny", "model.safetensors", cache_dir=tmp_path)

    assert [asked.range for asked in hub.asked("^GET") if asked.cdn] == [None, "bytes=1000-"]


def test_a_connection_can_be_reset(hub: LoopbackHub) -> None:
    commit = hub.add("org/tiny", FILES)
    hub.drop("model.safetensors", after=1000, reset=True)

    with pytest.raises(HTTPError):
        get_session().get(f"{hub.address}/org/tiny/resolve/{commit}/model.safetensors")


def test_a_body_is_held_until_it_is_let_go(hub: LoopbackHub) -> None:
    commit = hub.add("org/tiny", FILES)
    let_go = hub.hold("config.json", after=1)
    threading.Timer(0.05, let_go.set).start()

    assert get_session().get(f"{hub.address}/org/tiny/resolve/{commit}/config.json").content == b"{}"
    assert let_go.is_set()


def test_bodies_are_cut_short_and_corrupted(hub: LoopbackHub) -> None:
    commit = hub.add("org/tiny", FILES)
    address = f"{hub.address}/org/tiny/resolve/{commit}/config.json"
    hub.truncate("config.json", to=1)
    hub.corrupt("config.json")

    assert [get_session().get(address).content for _ in range(3)] == [b"{", b"{|", b"{}"]


def test_a_planted_refusal_happens_so_often_and_is_waited_for(
    hub: LoopbackHub, tmp_path: Path, at_once: list[float]
) -> None:
    hub.add("org/tiny", FILES)
    hub.fail("resolve/.*safetensors", status=429, times=2, retry_after=7)

    hf_hub_download("org/tiny", "model.safetensors", cache_dir=tmp_path)

    assert [asked.status for asked in hub.asked("resolve")][:3] == [429, 429, 302]
    assert 8 in at_once
