"""The jobs executed by Dagster itself: one training run measured, then published, with an ephemeral instance."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from dagster import AssetKey, DagsterInstance, Definitions, ExecuteInProcessResult

from assets.models.sources import source_named
from assets.probes.registry import probe_named
from assets.publish.checks import CHECKS
from assets.resources import Workspace
from catalog.errors import UserError
from catalog.home import Home
from catalog.read import open_catalog
from catalog.record import Record

RUN, OTHER = "tiny-neox-model-seed0", "tiny-neox-model-seed1"


@pytest.fixture
def definitions(tiny_study: str) -> Definitions:
    from pipelines.definitions import build

    return build({"workspace": Workspace(study_name=tiny_study)})


@pytest.fixture
def instance() -> Iterator[DagsterInstance]:
    with DagsterInstance.ephemeral() as made:
        made.add_dynamic_partitions("training_runs", [RUN, OTHER])
        yield made


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def execute(definitions: Definitions, instance: DagsterInstance, job: str, **options: Any) -> ExecuteInProcessResult:
    return definitions.resolve_job_def(job).execute_in_process(instance=instance, raise_on_error=False, **options)


def test_one_training_run_is_measured_and_published(
    definitions: Definitions, instance: DagsterInstance, home: Home
) -> None:
    measured = execute(definitions, instance, "measure", partition_key=RUN)
    published = execute(definitions, instance, "publish")

    assert measured.success
    assert published.success
    by_asset = {m.asset_key.to_user_string(): m for m in events(measured)}
    assert set(by_asset) == {"predictions", "checkpoints", "attention", "repeats"}
    assert all(m.partition == RUN for m in by_asset.values())
    assert by_asset["checkpoints"].metadata["dagster/row_count"].value == 3
    n_rows = sum(by_asset[probe].metadata["dagster/row_count"].value for probe in ("attention", "repeats"))
    assert n_rows == pl.read_parquet(home.measurements / "*.parquet").height
    assert "step20" in str(by_asset["attention"].metadata["highest_value"].value)
    checks = {check.check_name: check.passed for check in published.get_asset_check_evaluations()}
    assert checks == {check.name: True for check in CHECKS}
    with open_catalog(home) as connection:
        assert connection.execute("SELECT DISTINCT run_id FROM evidence").fetchall() == [(RUN,)]
        runs = connection.execute("SELECT DISTINCT dagster_run_id FROM probe_runs").fetchall()
    assert runs == [(measured.run_id,)]
    assert (home.reports / "index.html").exists()


def test_two_parts_measure_a_training_run_between_them(
    definitions: Definitions, instance: DagsterInstance, home: Home
) -> None:
    halves = [
        execute(definitions, instance, "measure", partition_key=RUN, tags={"part": part}) for part in ("1/2", "2/2")
    ]

    assert all(half.success for half in halves)
    rows = [
        {m.asset_key.to_user_string(): m.metadata["dagster/row_count"].value for m in events(half)}["checkpoints"]
        for half in halves
    ]
    assert rows == [2, 1]
    assert len(Record(home).finished()) == len(list((home.ledger / "probe_runs").iterdir())) == 8


def events(result: ExecuteInProcessResult) -> list[Any]:
    return [
        event.step_materialization_data.materialization
        for event in result.filter_events(lambda e: e.is_step_materialization)
    ]


def test_a_probe_that_fails_fails_the_step_and_loses_nothing(
    definitions: Definitions, instance: DagsterInstance, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    repeats = type(probe_named("repeats"))
    whole = repeats.measure

    def broken(probe: Any, model: Any, setting: Any) -> Any:
        if model.checkpoint_id.endswith("@step10"):
            raise TimeoutError("the bulb burnt out")
        return whole(probe, model, setting)

    with monkeypatch.context() as patched:
        patched.setattr(repeats, "measure", broken)
        first = execute(definitions, instance, "measure", partition_key=RUN)
    execute(definitions, instance, "publish")

    assert not first.success
    assert {m.asset_key.to_user_string() for m in events(first)} == {"predictions", "checkpoints", "attention"}
    (failure,) = [e for e in first.all_events if e.is_step_failure]
    assert f"{RUN}@step10 repeats: TimeoutError: the bulb burnt out" in str(failure.step_failure_data.user_failure_data)
    assert len(Record(home).finished()) == 7
    with open_catalog(home) as connection:
        told = connection.execute(
            "SELECT checkpoint_id, probe, reason FROM probe_runs WHERE status = 'failed'"
        ).fetchall()
    assert told == [(f"{RUN}@step10", "repeats", "TimeoutError: the bulb burnt out")]

    again = execute(definitions, instance, "measure", partition_key=RUN)

    assert again.success
    assert len(Record(home).finished()) == 8
    found = {
        m.asset_key.to_user_string(): m.metadata["probe_runs"].value
        for m in events(again)
        if "probe_runs" in m.metadata
    }
    assert found == {"attention": 0, "repeats": 1}


def test_one_probe_can_be_asked_for_alone(definitions: Definitions, instance: DagsterInstance, home: Home) -> None:
    selection = [AssetKey("checkpoints"), AssetKey("repeats")]

    result = execute(definitions, instance, "measure", partition_key=RUN, asset_selection=selection)

    assert result.success
    assert {name.partition(".")[0] for name in Record(home).finished()} == {"repeats"}


def test_a_probe_that_the_study_does_not_name_can_be_asked_for_alone(
    definitions: Definitions, instance: DagsterInstance, home: Home
) -> None:
    selection = [AssetKey("checkpoints"), AssetKey("copying")]

    result = execute(definitions, instance, "measure", partition_key=RUN, asset_selection=selection)

    assert result.success
    assert {name.partition(".")[0] for name in Record(home).finished()} == {"copying"}


def test_publishing_an_empty_home_gives_an_empty_catalog(
    definitions: Definitions, instance: DagsterInstance, home: Home
) -> None:
    result = execute(definitions, instance, "publish")

    assert result.success
    with open_catalog(home) as connection:
        assert connection.execute("SELECT count(*) FROM evidence").fetchone() == (0,)


def test_one_run_of_arrive_goes_from_measuring_to_the_report(
    definitions: Definitions, instance: DagsterInstance, home: Home
) -> None:
    result = execute(definitions, instance, "arrive", partition_key=RUN)

    assert result.success
    partitions = {m.asset_key.to_user_string(): m.partition for m in events(result)}
    assert partitions["predictions"] == partitions["checkpoints"] == partitions["repeats"] == RUN
    assert partitions["catalog"] is partitions["report"] is None
    with open_catalog(home) as connection:
        assert connection.execute("SELECT DISTINCT run_id FROM evidence").fetchall() == [(RUN,)]
    assert (home.reports / "index.html").exists()


def local_study(folder: Path) -> Definitions:
    """A study of one training run of two checkpoints on disk, whose files the test makes."""
    from pipelines.definitions import build

    models = [{"model_id": "mine", "runs": {"local": str(folder / "weights")}}]
    family = {"family_id": "mine", "role": "control", "description": "-", "models": models}
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump({"name": "mine", "families": [family], "probes": ["attention"]}))
    return build({"workspace": Workspace(study_name=str(path))})


@pytest.mark.parametrize(("lasting", "n_tries"), [(False, 3), (True, 1)])
def test_what_may_pass_is_tried_again_and_what_lasts_is_not(
    instance: DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lasting: bool, n_tries: int
) -> None:
    tried = []

    def out_of_reach(source: Any, run: Any, planned: list[Any], *_: Any) -> Iterator[Any]:
        tried.append(planned[0].label)
        raise UserError("The disk is away.", lasting=lasting)
        yield

    (tmp_path / "weights").mkdir()
    instance.add_dynamic_partitions("training_runs", ["mine"])
    monkeypatch.setattr(type(source_named("local", "")), "pin", out_of_reach)

    result = execute(local_study(tmp_path), instance, "measure", partition_key="mine")

    assert not result.success
    assert tried == ["main"] * n_tries
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert failure.step_key == "checkpoints"
    assert "No checkpoint of mine could be had: The disk is away." in str(failure.step_failure_data.user_failure_data)
