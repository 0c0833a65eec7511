"""What runs by itself, without a daemon: the sensor for new models, publishing after measuring, the daily report."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
import yaml

from assets.probes.registry import probes
from assets.resources import Workspace
from tests.loopback_hub import LoopbackHub, point_at

FILES = {"config.json": b"{}", "model.safetensors": b"weights"}
PUBLISHED = {"evidence", "likeness", "verdicts", "catalog", "report"}


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    models = [{"model_id": "tiny", "runs": {"hub": "org/tiny", "revisions": "step{step}"}}]
    family = {"family_id": "tiny", "role": "natural", "description": "-", "models": models}
    watch = [{"organisation": "org", "names": "tiny-*", "family": "tiny"}]
    path = tmp_path / "watching.yaml"
    path.write_text(yaml.safe_dump({"name": "watching", "families": [family], "probes": ["attention"], "watch": watch}))
    return Workspace(study_name=str(path))


def tick(instance: dg.DagsterInstance, workspace: Workspace, cursor: str | None) -> dg.SensorResult:
    """One tick, as the daemon does it: partitions are added, the cursor is kept."""
    from pipelines.sensors import new_models

    context = dg.build_sensor_context(instance=instance, cursor=cursor, resources={"workspace": workspace})
    result = new_models(context)
    assert isinstance(result, dg.SensorResult)
    for request in result.dynamic_partitions_requests or []:
        instance.add_dynamic_partitions(request.partitions_def_name, request.partition_keys)
    return result


def asked(result: dg.SensorResult) -> list[str | None]:
    return [request.partition_key for request in result.run_requests or []]


def test_a_new_revision_and_a_new_repository_are_asked_for_exactly_once(
    hub: LoopbackHub, instance: dg.DagsterInstance, workspace: Workspace
) -> None:
    hub.add("org/tiny", FILES, "step10")
    ticks = [tick(instance, workspace, None)]
    ticks.append(tick(instance, workspace, ticks[-1].cursor))
    hub.add("org/tiny", FILES, "step20")
    hub.add("org/tiny-2b", FILES, created_at="2026-02-01T00:00:00.000Z")
    for _ in range(3):
        ticks.append(tick(instance, workspace, ticks[-1].cursor))

    assert [asked(result) for result in ticks] == [["tiny"], [], ["tiny", "tiny-2b"], [], []]
    keys = [request.run_key for result in ticks for request in result.run_requests or []]
    assert len(set(keys)) == 3
    assert instance.get_dynamic_partitions("training_runs") == ["tiny", "tiny-2b"]
    assert "Nothing is new" in str(ticks[-1].skip_reason)


def test_without_its_cursor_it_asks_by_the_same_keys_which_dagster_runs_once(
    hub: LoopbackHub, instance: dg.DagsterInstance, workspace: Workspace
) -> None:
    hub.add("org/tiny", FILES, "step10")

    first, second = (tick(instance, workspace, None) for _ in range(2))

    assert [r.run_key for r in first.run_requests or []] == [r.run_key for r in second.run_requests or []]


def test_a_hub_out_of_reach_is_a_reason_and_no_fault(
    hub: LoopbackHub, instance: dg.DagsterInstance, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    point_at("http://127.0.0.1:1", monkeypatch)

    result = tick(instance, workspace, None)

    assert asked(result) == []
    assert "can't be reached" in str(result.skip_reason)
    assert "Waiting until" in str(result.skip_reason)


def test_everything_is_off_until_it_is_switched_on() -> None:
    from pipelines.definitions import build

    definitions = build()
    sensors = {sensor.name: sensor.default_status for sensor in definitions.sensors or []}
    schedules = {schedule.name: schedule.default_status for schedule in definitions.schedules or []}

    assert sensors == dict.fromkeys(("new_models", "publish_when_measured"), dg.DefaultSensorStatus.STOPPED)
    assert schedules == {"daily_report": dg.DefaultScheduleStatus.STOPPED}


def evaluate(
    instance: dg.DagsterInstance, before: dg.EvaluateAutomationConditionsResult | None
) -> tuple[set[str], dg.EvaluateAutomationConditionsResult]:
    """The assets asked for, and what the next evaluation goes on from."""
    from pipelines.definitions import definitions

    result = dg.evaluate_automation_conditions(definitions, instance=instance, cursor=before.cursor if before else None)
    wanted = {key for key in PUBLISHED if result.get_num_requested(dg.AssetKey(key))}
    assert not any(result.get_num_requested(dg.AssetKey(key)) for key in ("predictions", "checkpoints", *probes()))
    return wanted, result


def measured(instance: dg.DagsterInstance, run_id: str) -> None:
    instance.report_runless_asset_event(dg.AssetMaterialization("attention", partition=run_id))


def test_one_training_run_measured_publishes_though_others_are_missing(instance: dg.DagsterInstance) -> None:
    instance.add_dynamic_partitions("training_runs", ["one", "missing"])
    quiet, state = evaluate(instance, None)
    measured(instance, "one")
    after, state = evaluate(instance, state)
    again, state = evaluate(instance, state)  # asked for, and not made: as where the run failed
    measured(instance, "missing")
    later, _ = evaluate(instance, state)

    assert (quiet, after, again, later) == (set(), PUBLISHED, set(), PUBLISHED)


def test_what_was_published_is_not_published_again(instance: dg.DagsterInstance) -> None:
    instance.add_dynamic_partitions("training_runs", ["one"])
    _, state = evaluate(instance, None)
    measured(instance, "one")
    _, state = evaluate(instance, state)
    for key in ("evidence", "likeness", "verdicts", "catalog", "report"):
        instance.report_runless_asset_event(dg.AssetMaterialization(key))

    after, _ = evaluate(instance, state)

    assert after == set()
