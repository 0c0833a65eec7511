"""Checkpoints held one after the other, the next fetched meanwhile, from a hub on loopback."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from assets.models.ahead import hold_each
from assets.models.hub import cache
from assets.models.sources import Pinned, Refused, TrainingRun, source_named
from catalog.home import Home
from tests.assets.models.conftest import RECIPE, MakeRuns
from tests.assets.models.hub.conftest import N_BYTES, checkpoint
from tests.end_to_end.conftest import wait_until
from tests.loopback_hub import LoopbackHub


@pytest.fixture
def run(hub: LoopbackHub, runs_of: MakeRuns) -> TrainingRun:
    for step in range(3):
        hub.add("org/tiny", checkpoint(step), f"step{step}")
    return runs_of({"hub": "org/tiny", "revisions": "step{step}"})[0]


def begin(run: TrainingRun, home: Home) -> Iterator[Pinned | Refused]:
    return hold_each(run, source_named("hub", "").plan(run, home), home, print)


def test_the_next_is_fetched_while_one_is_measured_and_no_further(
    hub: LoopbackHub, run: TrainingRun, home: Home
) -> None:
    each = begin(run, home)
    first = next(each)

    wait_until(lambda: hub.bodies("safetensors") == 2)
    assert isinstance(first, Pinned)
    assert (first.folder / "model.safetensors").read_bytes() == checkpoint(0)["model.safetensors"]

    assert [had.planned.label for had in each] == ["step1", "step2"]
    assert hub.bodies("safetensors") == 3


def test_a_fault_ahead_is_told_at_its_turn_alone(hub: LoopbackHub, run: TrainingRun, home: Home) -> None:
    commit = hub.repositories["org/tiny"].refs["step1"]
    hub.corrupt(f"{commit}/model.safetensors", times=3)  # the first reads the header

    first, second, third = begin(run, home)

    assert isinstance(first, Pinned)
    assert isinstance(second, Refused)
    assert "other bytes than it lists" in second.reason
    assert not second.lasting
    assert isinstance(third, Pinned)


def test_what_can_not_be_pinned_is_refused_and_the_others_go_on(hub: LoopbackHub, run: TrainingRun, home: Home) -> None:
    hub.add("org/tiny", {"config.json": b"{}", "pytorch_model.bin": b"a pickle"}, "step1")

    first, second, third = begin(run, home)

    assert isinstance(second, Refused)
    assert second.lasting
    assert isinstance(first, Pinned)
    assert isinstance(third, Pinned)


def test_without_room_for_two_one_follows_the_other(
    hub: LoopbackHub, run: TrainingRun, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(cache.VARIABLE, str(1.5 * N_BYTES / 1e9))

    for step, had in enumerate(begin(run, home)):
        assert isinstance(had, Pinned)
        assert (had.folder / "model.safetensors").read_bytes() == checkpoint(step)["model.safetensors"]

    assert hub.bodies("safetensors") == 3


def test_who_stops_early_does_not_wait_and_leaves_nothing_held(
    hub: LoopbackHub, run: TrainingRun, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = hub.repositories["org/tiny"].refs["step1"]
    let_go = hub.hold(f"{commit}/model.safetensors", after=1000)
    each = begin(run, home)
    next(each)
    wait_until(lambda: hub.bodies("safetensors") == 2)

    each.close()  # type: ignore[attr-defined]

    let_go.set()
    leases = list(home.weights.rglob("lease"))
    assert len(leases) == 2
    wait_until(lambda: not any(cache._is_leased(lease) for lease in leases))


def test_weights_on_disk_are_given_as_they_stand(runs_of: MakeRuns, home: Home) -> None:
    (run,) = runs_of({"calibration": RECIPE})
    planned = source_named("calibration", "").plan(run, home)

    folders = [had.folder for had in hold_each(run, planned, home, print) if isinstance(had, Pinned)]

    assert [folder.name for folder in folders] == ["step0", "step1", "step3"]
