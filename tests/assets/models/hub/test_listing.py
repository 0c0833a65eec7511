"""Refs and trees of repositories, as real huggingface_hub has them from a hub on loopback."""

from __future__ import annotations

import hashlib

import pytest

from assets.models.hub import client
from assets.models.hub.client import HubUnreachable
from assets.models.hub.listing import known_tree, refs, refs_of, tree, trees_of
from catalog.errors import UserError
from catalog.home import Home
from tests.loopback_hub import LoopbackHub, git_oid, offline, point_at

FILES = {"config.json": b"{}", "model.safetensors": b"weights", "onnx/model.onnx": b"other"}


def test_refs_are_asked_for_anew_each_time(hub: LoopbackHub, home: Home) -> None:
    first = hub.add("org/tiny", FILES)
    pull = hub.add("org/tiny", FILES, "refs/pr/1")
    before = refs("org/tiny", home)
    new = hub.add("org/tiny", FILES, "step1")
    tagged = hub.add("org/tiny", FILES, "v1", tag=True)

    assert before == {"main": first, "refs/pr/1": pull}
    assert refs("org/tiny", home) == before | {"step1": new, "v1": tagged}


def test_files_are_listed_once_with_size_and_sha256_of_what_stands_in_large_file_storage(
    hub: LoopbackHub, home: Home
) -> None:
    commit = hub.add("org/tiny", FILES)

    config, weights, other = tree("org/tiny", commit, home)
    again = tree("org/tiny", commit, home)

    assert (config.path, config.size, config.sha256, config.git_oid) == ("config.json", 2, None, git_oid(b"{}"))
    assert (weights.size, weights.sha256) == (7, hashlib.sha256(b"weights").hexdigest())
    assert other.path == "onnx/model.onnx"
    assert again == (config, weights, other) == known_tree("org/tiny", commit, home)
    assert len(hub.asked("tree")) == 1
    assert known_tree("org/tiny", "0" * 40, home) is None


def test_offline_what_was_answered_last_is_given_without_a_request(
    hub: LoopbackHub, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = hub.add("org/tiny", FILES)
    online = refs("org/tiny", home), tree("org/tiny", commit, home)
    hub.forget()
    offline(monkeypatch)

    assert (refs("org/tiny", home), tree("org/tiny", commit, home)) == online
    with pytest.raises(HubUnreachable, match="Not in the cache") as told:
        refs("org/other", home)
    assert told.value.where == "org/other"
    assert not hub.asked()


def test_many_are_asked_for_at_once_and_each_fault_stands_by_itself(hub: LoopbackHub, home: Home) -> None:
    commits = {f"org/tiny-{n}": hub.add(f"org/tiny-{n}", FILES) for n in range(20)}

    found = refs_of([*commits, "org/nothing"], home)
    trees = trees_of([(name, found[name]["main"]) for name in commits], home)  # type: ignore[index]

    assert {name: found[name] for name in commits} == {name: {"main": commit} for name, commit in commits.items()}
    assert "no such repository" in str(found["org/nothing"])
    assert all(len(files) == 3 for files in trees.values())  # type: ignore[arg-type]


@pytest.mark.parametrize(("status", "retry_after", "wait"), [(429, 7, 7), (503, None, 1), (500, 0, 0)])
def test_a_passing_fault_is_waited_for_as_long_as_the_hub_wants(
    hub: LoopbackHub, home: Home, waited: list[float], status: int, retry_after: int | None, wait: int
) -> None:
    commit = hub.add("org/tiny", FILES)
    hub.fail("refs", status=status, retry_after=retry_after)

    assert refs("org/tiny", home) == {"main": commit}
    assert waited == [wait]


def test_patience_ends(hub: LoopbackHub, home: Home, waited: list[float]) -> None:
    hub.add("org/tiny", FILES)
    hub.fail("refs", status=429, times=client.TRIES)

    with pytest.raises(UserError, match="fewer requests") as told:
        refs("org/tiny", home)

    assert not told.value.lasting
    assert waited == [1, 2, 4, 8]
    hub.fail("refs", status=429, retry_after=client.LONGEST_WAIT_S + 1)
    with pytest.raises(UserError, match="fewer requests"):
        refs("org/tiny", home)
    assert len(waited) == 4


def test_a_hub_out_of_reach_is_told_at_once(home: Home, waited: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    point_at("http://127.0.0.1:1", monkeypatch)

    with pytest.raises(HubUnreachable, match="can't be reached") as told:
        refs("org/tiny", home)

    assert "HF_HUB_OFFLINE=1" in told.value.mend
    assert "HF_ENDPOINT" in told.value.mend
    assert waited == []


def test_a_token_that_is_not_accepted_is_told_and_not_repeated(
    hub: LoopbackHub, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.add("org/secret", FILES, private=True, readers={"hf_good"})
    monkeypatch.setenv("HF_TOKEN", "hf_expired")

    with pytest.raises(UserError, match="does not accept the token") as told:
        refs("org/secret", home)

    assert "hf_expired" not in str(told.value)
