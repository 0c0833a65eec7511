"""What `kill -9` leaves behind, and what two runs at once do to each other: nothing is lost, nothing is done twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from assets.models.parts import at_work_on
from catalog.home import Home
from tests.conftest import Tiny
from tests.end_to_end.catalogs import differences, rows_of
from tests.end_to_end.conftest import family, guarded, recipe, wait_until, write
from tests.end_to_end.killing import N_MOMENTS
from tests.pipelines.test_without_torch import NO_TORCH

pytestmark = pytest.mark.end_to_end
ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_after_a_kill_at_any_moment_the_next_run_ends_as_if_there_had_been_none(tmp_path: Path) -> None:
    variables = guarded(tmp_path, NO_TORCH).variables() | {"POLARS_MAX_THREADS": "1"}
    variables["PYTHONPATH"] += f":{ROOT}"
    command = [sys.executable, "-m", "tests.end_to_end.killing"]
    shares = [
        subprocess.Popen(
            [*command, str(tmp_path / str(share)), str(share), "2"], env=variables, stdout=subprocess.PIPE, text=True
        )
        for share in range(2)
    ]

    outputs = [share.communicate(timeout=1500)[0] for share in shares]

    assert [share.returncode for share in shares] == [0, 0]
    kills = [json.loads(line) for output in outputs for line in output.splitlines()]
    assert [kill for kill in kills if kill["faults"]] == []
    boundaries = [kill["kill"] for kill in kills if "boundary" in kill["kill"]]
    assert len(kills) - len(boundaries) == N_MOMENTS
    for kind in ("os.link record/builds/*.json", "os.rename ./*.duckdb", "os.rename reports/*.html", "filled record/"):
        assert any(kind in boundary for boundary in boundaries), kind
    assert sum("os.link record/ledger/probe_runs/" in boundary for boundary in boundaries) == 20


def test_the_command_with_its_workers_goes_on_after_kill_9(tiny: Tiny, tmp_path: Path) -> None:
    command = guarded(tmp_path)
    process = command.start("run", tiny.study, "--workers", "1")
    ledger = command.home / "record" / "ledger" / "probe_runs"
    wait_until(lambda: ledger.exists() and len(list(ledger.glob("*.ok.json"))) >= 3)

    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    again = command("run", tiny.study, "--workers", "1")

    assert process.returncode == -signal.SIGKILL
    assert again.returncode == 0, again.stdout + again.stderr
    assert differences(rows_of(command.home / "catalog.duckdb"), rows_of(tiny.home.catalog)) == []


def test_two_runs_of_overlapping_studies_do_nothing_twice(tmp_path: Path) -> None:
    command = guarded(tmp_path)
    neox, llama, other = (
        family(f"small-{name}", {"calibration": recipe(**changes)})
        for name, changes in (("neox", {}), ("llama", {"architecture": "llama"}), ("other", {"seeds": [0]}))
    )
    studies = [
        write(_made(tmp_path / "one"), neox, llama, name="one", probes=["attention", "repeats"]),
        write(_made(tmp_path / "two"), llama, other, name="two", probes=["repeats", "copying"]),
    ]

    both = [command.start("run", study, "--workers", "1") for study in studies]
    outputs = [process.communicate(timeout=280)[0] for process in both]

    assert [process.returncode for process in both] == [0, 0], outputs
    assert command.query("SELECT study_id FROM studies ORDER BY ALL") == [("one",), ("two",)]
    twice = "SELECT checkpoint_id, probe, sample_seed FROM probe_runs GROUP BY ALL HAVING count(*) > 1"
    assert command.query(twice) == []
    measured = (
        "SELECT family_id, probe, count(DISTINCT checkpoint_id) FROM current_probe_runs "
        "JOIN checkpoints USING (checkpoint_id) JOIN training_runs USING (run_id) JOIN models USING (model_id) "
        "GROUP BY ALL ORDER BY ALL"
    )
    assert command.query(measured) == [
        ("small-llama", "attention", 6),
        ("small-llama", "copying", 6),
        ("small-llama", "repeats", 6),
        ("small-neox", "attention", 6),
        ("small-neox", "repeats", 6),
        ("small-other", "copying", 3),
        ("small-other", "repeats", 3),
    ]
    for study in studies:
        assert "Nothing is due" in command("run", study).stdout


def test_a_run_says_that_it_waits_for_another(tmp_path: Path) -> None:
    command = guarded(tmp_path)
    study = write(tmp_path, family("small-neox", {"calibration": recipe(seeds=[0, 1])}))

    with at_work_on(Home(command.home), "small-neox-model-seed0", print):
        process = command.start("run", study, "--workers", "1")
        ledger = command.home / "record" / "ledger" / "training_runs"
        wait_until(lambda: ledger.exists() and any(ledger.glob("small-neox-model-seed1.*")))
        assert not any(ledger.glob("small-neox-model-seed0.*"))
    said, _ = process.communicate(timeout=600)

    assert process.returncode == 0, said
    assert "Another process is at work on small-neox-model-seed0" in said
    assert command.query("SELECT count(DISTINCT checkpoint_id) FROM evidence") == [(6,)]


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder
