"""A study on two Ray nodes of which one dies in the middle: every checkpoint measured once, as a local run does."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Tiny
from tests.end_to_end.catalogs import differences, rows_of
from tests.end_to_end.conftest import Command, wait_until
from tests.end_to_end.ray_cluster import cluster

REQUIRED = "MOVING_TARGET_REQUIRE_RAY"
pytestmark = [pytest.mark.end_to_end, pytest.mark.slow, pytest.mark.cluster]

STALLS = """
import os, pathlib, time
link, n_linked = os.link, 0
def stall(source, target, **options):
    global n_linked
    if "ledger/probe_runs" in str(target):
        n_linked += 1
        if n_linked > 3:
            pathlib.Path(os.environ["STALLED"]).touch()
            time.sleep(3600)
    return link(source, target, **options)
os.link = stall
"""
RUNS = """
import json
from dagster import DagsterInstance
with DagsterInstance.get() as instance:
    print(json.dumps([[run.tags["dagster/partition"], run.status.value] for run in instance.get_runs()
                      if run.job_name == "measure"]))
"""


@pytest.fixture(autouse=True)
def ray_is_installed() -> None:
    if importlib.util.find_spec("ray") is None or importlib.util.find_spec("dagster_ray") is None:
        assert not os.environ.get(REQUIRED), "install the extra: pip install -e .[ray]"
        # 338 MB that no single machine needs; CI installs it and sets REQUIRED.
        pytest.skip("needs the extra `ray`")


def measured_by(command: Command) -> list[list[str]]:
    """Training run and status of Dagster's runs of job `measure`."""
    arguments = [sys.executable, "-c", RUNS]
    found = subprocess.run(arguments, env=command.variables(), capture_output=True, text=True, timeout=120, check=True)
    return json.loads(found.stdout)


def test_a_node_that_dies_loses_nothing_and_nothing_is_measured_twice(tiny: Tiny, tmp_path: Path) -> None:
    guard, stalled = tmp_path / "stalls", tmp_path / "stalled"
    guard.mkdir()
    (guard / "sitecustomize.py").write_text(STALLS)
    on_worker = {"PYTHONPATH": str(guard), "STALLED": str(stalled)}

    with cluster(tmp_path, {"COLUMNS": "200"}, on_worker) as made:
        command = Command(tmp_path / "home", made.environment)
        process = command.start("run", tiny.study)
        try:
            wait_until(lambda: stalled.exists() or process.poll() is not None, seconds=300)
            assert process.poll() is None, process.communicate()[0]
            assert made.worker.processes("execute_run")
            made.worker.kill()
            output, _ = process.communicate(timeout=400)
        finally:
            process.kill()
        runs = measured_by(command)

    assert process.returncode == 0, output
    assert "2 jobs for the Ray cluster" in output
    assert sorted(status for _, status in runs) == ["FAILURE", "SUCCESS", "SUCCESS"]
    assert {run_id for run_id, status in runs if status == "SUCCESS"} == set(tiny.run_ids)
    assert command.query("SELECT probe, cache_key FROM probe_runs GROUP BY ALL HAVING count(*) > 1") == []
    assert differences(rows_of(command.home / "catalog.duckdb"), rows_of(tiny.home.catalog)) == []
