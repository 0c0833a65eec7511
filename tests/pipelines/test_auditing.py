"""`studies check`, `studies audit` and the asset `audit`, against a hub on loopback."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import Result
from dagster import AssetCheckSeverity, DagsterInstance
from rich.console import Console
from typer.testing import CliRunner

from assets.models.assets import AUDIT_CHECK
from assets.resources import Workspace
from pipelines.cli import app
from tests.assets.models.audit.planted import plant, study_of
from tests.end_to_end.conftest import family, guarded, recipe
from tests.loopback_hub import LoopbackHub
from tests.pipelines.test_without_torch import NO_TORCH

SMALL = {"pythia-70m": {"hub": "EleutherAI/pythia-70m-seed{seed}", "seeds": [1, 2]}}


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)


@pytest.fixture
def study(hub: LoopbackHub, tmp_path: Path) -> str:
    """The path of a study of two training runs, planted as they should be, and one that is trained here."""
    for seed in (1, 2):
        plant(hub, f"EleutherAI/pythia-70m-seed{seed}")
    return write(tmp_path, SMALL)


def write(folder: Path, models: dict[str, Any], **choice: Any) -> str:
    content = json.loads(study_of(models, **choice).model_dump_json(exclude_defaults=True))
    content["families"].append(family("tiny-neox", {"calibration": recipe(seeds=[0])}))
    path = folder / "suite.yaml"
    path.write_text(yaml.safe_dump(content))
    return str(path)


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal in which no cell is broken, however early the command line was imported."""
    monkeypatch.setattr("pipelines.cli.out", Console(width=200))


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def rows(outcome: Result) -> dict[str, list[str]]:
    """The words of each line of a table, by its first."""
    return {words[0]: words[1:] for line in outcome.output.splitlines() if len(words := line.split()) > 1}


def test_a_study_that_is_all_there_passes_the_check(hub: LoopbackHub, study: str) -> None:
    outcome = invoke("studies", "check", study)

    assert outcome.exit_code == 0
    assert rows(outcome)["pythia-70m-seed1"][:4] == ["EleutherAI/pythia-70m-seed1", "7", "0.0", "MB"]
    assert "14 checkpoints of 2 training runs, 0.0 MB: everything is there." in outcome.output
    assert "1 other training runs are made here or lie on this disk." in outcome.output
    assert hub.asked("GET .*/resolve/") == []


def test_what_is_missing_fails_the_check_and_duplicates_are_told(hub: LoopbackHub, tmp_path: Path) -> None:
    plant(hub, "EleutherAI/pythia-70m-seed1", {512: None, 40000: b"end", 143000: b"end"})
    plant(hub, "EleutherAI/pythia-70m-seed2")
    path = write(tmp_path, SMALL, steps=[0, 7, 512, 40000])

    outcome = invoke("studies", "check", path)

    assert outcome.exit_code == 1
    assert "1 missing: step7; 1 without weights: step512; 2 identical to another: step40000, step143000" in (
        outcome.output
    )
    assert "6 checkpoints of 2 training runs, 0.0 MB: 2 missing, 1 without weights." in outcome.output


def test_repositories_that_are_gated_or_not_there_fail_the_check(hub: LoopbackHub, study: str) -> None:
    hub.repository("EleutherAI/pythia-70m-seed1", gated="auto", readers={"hf_it"})
    del hub.repositories["EleutherAI/pythia-70m-seed2"]

    outcome = invoke("studies", "check", study)

    assert outcome.exit_code == 1
    assert "1 training runs that could not be checked, 1 repositories that want a licence accepted or a token" in (
        outcome.output
    )
    assert "hf auth login" in outcome.output


@pytest.mark.parametrize("command", ["check", "audit"])
def test_a_study_without_a_hub_passes_and_says_so(hub: LoopbackHub, tiny_study: str, command: str) -> None:
    outcome = invoke("studies", command, tiny_study)

    assert outcome.exit_code == 0
    assert "No training run of study tiny stands on a hub" in outcome.output
    assert hub.log == []


def test_an_audit_tells_what_it_found_and_what_follows(hub: LoopbackHub, tmp_path: Path) -> None:
    plant(hub, "EleutherAI/pythia-70m-seed1", {512: None, 40000: b"end", 143000: b"end"})
    plant(hub, "EleutherAI/pythia-70m-seed2")
    path = write(tmp_path, SMALL)

    outcome, again = invoke("studies", "audit", path), invoke("studies", "audit", path)

    assert outcome.exit_code == 0
    assert rows(outcome)["pythia-70m-seed1@step40000"][:3] == ["identical", "The", "same"]
    assert "audited: 1 without weights, 2 identical to another; 1 suspect, left out of evidence." in outcome.output
    assert "Verdicts heed it from the next publication on" in outcome.output
    assert "Verdicts heed it" not in again.output


def test_an_audit_that_could_not_ask_about_a_run_says_so(hub: LoopbackHub, study: str) -> None:
    del hub.repositories["EleutherAI/pythia-70m-seed2"]

    outcome = invoke("studies", "audit", study)

    assert outcome.exit_code == 1
    assert "nothing found; 1 training runs could not be asked about." in outcome.output


@pytest.mark.parametrize("faulty", [True, False])
def test_the_asset_check_warns_with_a_table_of_findings(hub: LoopbackHub, study: str, faulty: bool) -> None:
    from pipelines.definitions import build

    if faulty:
        plant(hub, "EleutherAI/pythia-70m-seed1", {512: None})
    job = build({"workspace": Workspace(study_name=study)}).resolve_job_def("audit")

    with DagsterInstance.ephemeral() as instance:
        result = job.execute_in_process(instance=instance)

    (check,) = result.get_asset_check_evaluations()
    assert result.success
    assert (check.check_name, check.passed, check.severity) == (AUDIT_CHECK, not faulty, AssetCheckSeverity.WARN)
    assert ("| pythia-70m-seed1@step512 | no_weights |" in str(check.metadata["first"].value)) is faulty


def test_check_and_audit_need_no_torch(hub: LoopbackHub, study: str, tmp_path: Path) -> None:
    command = guarded(tmp_path, NO_TORCH)
    command.environment |= hub.environment(tmp_path / "hf")

    outcomes = [command("studies", name, study) for name in ("check", "audit")]

    assert [outcome.returncode for outcome in outcomes] == [0, 0], outcomes
    assert "everything is there" in outcomes[0].stdout
    assert "nothing found" in outcomes[1].stdout
