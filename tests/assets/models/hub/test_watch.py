"""What a look at a hub on loopback finds new, told once, and how it takes a hub that does not answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from assets.models.facts import put_run
from assets.models.hub import watch
from assets.models.hub.watch import Look, Remembered, look
from assets.study import Study, with_added
from catalog.home import Home
from tests.loopback_hub import LoopbackHub, point_at

TINY = {"model_id": "tiny", "runs": {"hub": "org/tiny-seed{seed}", "seeds": [1, 2], "revisions": "step{step}"}}
FILES = {"config.json": b"{}", "model.safetensors": b"weights"}


def study_of(*models: dict[str, Any], **more: Any) -> Study:
    family = {"family_id": "tinies", "role": "natural", "description": "-", "models": list(models)}
    return Study.model_validate({"name": "test", "families": [family], "probes": ["attention"], **more})


def again(study: Study, home: Home, before: Look, **options: Any) -> Look:
    """The next look, with what the one before left in a cursor."""
    cursor = before.remembered.model_dump_json(exclude_defaults=True)
    return look(with_added(study, home.models / study.name), home, Remembered.read(cursor), **options)


@pytest.fixture
def seeds(hub: LoopbackHub) -> LoopbackHub:
    for seed in (1, 2):
        hub.add(f"org/tiny-seed{seed}", FILES, "step10")
    return hub


def test_a_new_revision_is_told_once(seeds: LoopbackHub, home: Home) -> None:
    study = study_of(TINY)
    first = look(study, home, Remembered())
    second = again(study, home, first)
    seeds.add("org/tiny-seed2", FILES, "step20")
    third = again(study, home, second)
    fourth = again(study, home, third)

    assert [[new.run_id for new in each.new] for each in (first, second, third, fourth)] == [
        ["tiny-seed1", "tiny-seed2"],
        [],
        ["tiny-seed2"],
        [],
    ]
    assert third.new[0].key not in {new.key for new in first.new}


def test_a_branch_that_moves_to_another_commit_is_new(hub: LoopbackHub, home: Home) -> None:
    study = study_of({"model_id": "tiny", "runs": {"hub": "org/tiny"}})
    hub.add("org/tiny", FILES)
    first = look(study, home, Remembered())
    hub.add("org/tiny", FILES | {"model.safetensors": b"other weights"})

    assert [new.run_id for new in again(study, home, first).new] == ["tiny"]


def test_what_the_record_holds_is_not_new(hub: LoopbackHub, home: Home, llama_folder: Path) -> None:
    study = study_of({"model_id": "tiny", "runs": {"hub": "org/tiny", "revisions": "step{step}"}})
    files = {path.name: path.read_bytes() for path in llama_folder.iterdir()}
    hub.add("org/tiny", files, "step0")
    put_run(study, "tiny", home, lambda line: None)

    first = look(study, home, Remembered())
    hub.add("org/tiny", files, "step10")

    assert first.new == []
    assert [new.run_id for new in again(study, home, first).new] == ["tiny"]


def test_a_look_is_bounded_and_the_next_one_goes_on(seeds: LoopbackHub, home: Home) -> None:
    first = look(study_of(TINY), home, Remembered(), most=1)
    asked = len(seeds.asked())
    second = again(study_of(TINY), home, first, most=1)

    assert asked == 1
    assert [[new.run_id for new in each.new] for each in (first, second)] == [["tiny-seed1"], ["tiny-seed2"]]


@pytest.mark.parametrize("headers", [{"Retry-After": "120"}, {"RateLimit": '"api";r=0;t=120'}])
def test_a_hub_that_is_asked_too_much_is_left_alone_as_long_as_it_says(
    seeds: LoopbackHub, home: Home, headers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1_800_000_000.0
    monkeypatch.setattr(watch.time, "time", lambda: now)
    seeds.fail("seed2/refs", status=429)
    seeds._faults[-1].headers |= headers

    first = look(study_of(TINY), home, Remembered())
    n_asked = len(seeds.asked())
    waiting = again(study_of(TINY), home, first)

    assert first.remembered.wait_until == now + 120
    assert "Waiting until 2027-01-15 08:02:00 UTC" in str(first.stopped)
    assert "waiting until 2027-01-15 08:02:00 UTC" in str(waiting.stopped)
    assert len(seeds.asked()) == n_asked
    monkeypatch.setattr(watch.time, "time", lambda: now + 121)
    assert [[new.run_id for new in each.new] for each in (first, again(study_of(TINY), home, waiting))] == [
        ["tiny-seed1"],
        ["tiny-seed2"],
    ]


def test_a_hub_out_of_reach_is_left_alone_longer_each_time(
    seeds: LoopbackHub, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1_800_000_000.0
    monkeypatch.setattr(watch.time, "time", lambda: now)
    address = seeds.address
    point_at("http://127.0.0.1:1", monkeypatch)
    found = look(study_of(TINY), home, Remembered())
    waits = [found.remembered.wait_until - now]
    for _ in range(8):
        now = found.remembered.wait_until
        found = again(study_of(TINY), home, found)
        waits.append(found.remembered.wait_until - now)

    assert waits == [300, 600, 1200, 2400, 4800, 9600, 19200, 21600, 21600]
    assert "can't be reached" in str(found.stopped)
    point_at(address, monkeypatch)
    now = found.remembered.wait_until
    recovered = again(study_of(TINY), home, found)
    assert len(recovered.new) == 2
    assert recovered.remembered.failed == 0


def test_a_repository_that_is_gone_does_not_hide_the_others(seeds: LoopbackHub, home: Home) -> None:
    del seeds.repositories["org/tiny-seed1"]

    found = look(study_of(TINY), home, Remembered())

    assert [new.run_id for new in found.new] == ["tiny-seed2"]
    assert found.notes == ["tiny-seed1: The hub has no such repository, or it is private."]


WATCH = [{"organisation": "org", "names": "tiny-*", "family": "tinies"}]


def test_a_new_repository_is_added_once_and_older_ones_are_not(hub: LoopbackHub, home: Home) -> None:
    study = study_of(watch=WATCH)
    hub.add("org/tiny-old", FILES, created_at="2026-01-01T00:00:00.000Z")
    first = look(study, home, Remembered())
    hub.add("org/tiny-new", FILES, created_at="2026-02-01T00:00:00.000Z")
    hub.add("org/other-new", FILES, created_at="2026-02-01T00:00:00.000Z")
    hub.add("elsewhere/tiny-new", FILES, created_at="2026-02-01T00:00:00.000Z")
    second = again(study, home, first)
    third = again(study, home, second)

    assert [each.added for each in (first, second, third)] == [[], ["org/tiny-new"], []]
    assert [[new.run_id for new in each.new] for each in (first, second, third)] == [[], ["tiny-new"], []]
    [family] = with_added(study, home.models / "test").families
    assert not isinstance(family, str)
    assert [(model.model_id, model.added) for model in family.models] == [("tiny-new", True)]


def test_a_repository_without_weights_is_looked_at_again_when_it_changes(hub: LoopbackHub, home: Home) -> None:
    study = study_of(watch=WATCH)
    empty = look(study, home, Remembered())
    hub.add("org/tiny-new", {"README.md": b"soon"})
    waiting = again(study, home, empty)
    n_asked = len(hub.asked("models/org/tiny-new"))
    still = again(study, home, waiting)
    unchanged = len(hub.asked("models/org/tiny-new"))
    hub.add("org/tiny-new", FILES, last_modified="2026-03-01T00:00:00.000Z")

    assert waiting.notes == ["org/tiny-new: The repository holds no safetensors."]
    assert (still.notes, n_asked, unchanged) == ([], 1, 1)
    assert again(study, home, still).added == ["org/tiny-new"]


@pytest.mark.parametrize(
    ("names", "repository", "is_added"),
    [
        ("tiny-*", "org/tiny-1b-GGUF", False),
        ("tiny-*", "org/tiny-1b-4bit", False),
        ("tiny-*", "org/tiny-lora", False),
        ("tiny-*", "org/tiny-explora", True),
        ("tiny-*-4bit", "org/tiny-1b-4bit", True),
    ],
)
def test_quantised_weights_and_adapters_are_left_out_unless_named(
    hub: LoopbackHub, home: Home, names: str, repository: str, is_added: bool
) -> None:
    study = study_of(watch=[{"organisation": "org", "names": names}])
    first = look(study, home, Remembered())
    hub.add(repository, FILES)

    assert again(study, home, first).added == [repository] * is_added


def test_a_cursor_of_another_version_is_as_good_as_none() -> None:
    assert Remembered.read('{"seen": {}}') == Remembered.read(None) == Remembered()
