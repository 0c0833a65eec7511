"""Costs follow what was measured before, by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from assets.models.sources import Planned, source_named, sources
from assets.probes.battery import Task
from assets.probes.costs import Cost, Rates, cost_of, rates, total
from assets.probes.plan import DueCheckpoint, RunPlan
from catalog.home import Home
from tests.assets.probes.test_plan import a_run
from tests.conftest import Tiny

RATES = Rates({"attention": {"small": 2.0, "big": 60.0}}, {"small": 10.0, "big": 1000.0}, {"small": 5})


def test_the_model_itself_is_asked_first_then_the_nearest_in_size() -> None:
    assert RATES.of("attention", "small", 10.0) == 2.0
    assert RATES.of("attention", "new", 20.0) == 4.0
    assert RATES.of("attention", "new", 500.0) == 30.0


def test_what_nothing_tells_is_unknown() -> None:
    assert RATES.of("attention", "new", None) is None
    assert RATES.of("repeats", "small", 10.0) is None


def plan_of(*tasks: Task) -> RunPlan:
    planned = source_named("calibration", "").plan(a_run(), Home(Path("nowhere")))
    return RunPlan(a_run(), tuple(DueCheckpoint(each, is_pinned=True, tasks=tasks) for each in planned[:2]))


def test_a_run_costs_its_tasks_and_says_what_is_not_known(tmp_path: Path) -> None:
    known = replace(RATES, seconds={"attention": {"small-model": 2.0}})

    cost = cost_of(plan_of(Task("attention"), Task("repeats")), known, Home(tmp_path))

    assert cost == Cost(4.0, 0, frozenset({"repeats", "making or fetching"}))


def test_bytes_to_fetch_are_those_of_another_checkpoint_of_the_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def to_fetch(run: object, planned: Planned, home: Home) -> int | None:
        return 0 if planned.label == "step0" else None

    monkeypatch.setattr(sources()["calibration"], "to_fetch", to_fetch, raising=False)

    cost = cost_of(plan_of(Task("attention")), replace(RATES, bytes={"small-model": 7}), Home(tmp_path))

    assert cost.bytes == 7


def test_workers_share_but_no_run_is_split() -> None:
    costs = [Cost(10.0, 1, frozenset({"a"})), Cost(2.0, 2), Cost(4.0, 3, frozenset({"b"}))]

    assert total(costs, 1) == Cost(16.0, 6, frozenset({"a", "b"}))
    assert total(costs, 8).seconds == 10.0


@pytest.mark.end_to_end
def test_a_catalog_tells_every_rate(tiny: Tiny) -> None:
    known = rates(tiny.home)

    assert known.seconds["attention"]["tiny-neox-model"] > 0
    assert known.sizes["tiny-neox-model"] > 0
    assert known.bytes["tiny-neox-model"] > 0
