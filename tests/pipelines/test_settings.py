from __future__ import annotations

import os
from pathlib import Path

import pytest
from dagster import DagsterInstance

from pipelines.settings import DEFAULTS, use_defaults


def test_an_empty_environment_gets_an_absolute_home_and_no_telemetry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MOVING_TARGET_HOME", "here")
    for name in DEFAULTS:
        monkeypatch.delenv(name, raising=False)

    home = use_defaults()

    assert home.root == tmp_path / "here"
    assert os.environ["MOVING_TARGET_HOME"] == str(tmp_path / "here")
    assert os.environ["DAGSTER_HOME"] == str(tmp_path / "here" / "dagster")
    assert os.environ["MOVING_TARGET_STUDY"] == "demo"
    assert os.environ["HF_HUB_DISABLE_TELEMETRY"] == os.environ["DAGSTER_DISABLE_TELEMETRY"] == "1"


def test_what_the_user_set_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = {
        "DAGSTER_HOME": str(tmp_path / "mine"),
        "MOVING_TARGET_STUDY": "mine.yaml",
        "TOKENIZERS_PARALLELISM": "true",
    }
    for name, value in mine.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "dagster.yaml").write_text("telemetry:\n  enabled: true\n")

    use_defaults()

    assert {name: os.environ[name] for name in mine} == mine
    assert (tmp_path / "mine" / "dagster.yaml").read_text() == "telemetry:\n  enabled: true\n"


def test_dagster_runs_one_op_at_a_time_in_each_pool_and_tells_nobody() -> None:
    use_defaults()

    with DagsterInstance.get() as instance:
        pools = instance.get_concurrency_config().pool_config
        assert not instance.telemetry_enabled
        assert not instance.nux_enabled
    assert pools.default_pool_limit == 1
    assert pools.pool_granularity is not None
    assert pools.pool_granularity.value == "op"


def test_a_record_elsewhere_has_an_absolute_place_for_every_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MOVING_TARGET_RECORD", "shared")

    home = use_defaults()

    assert home.record == tmp_path / "shared"
    assert os.environ["MOVING_TARGET_RECORD"] == str(tmp_path / "shared")
