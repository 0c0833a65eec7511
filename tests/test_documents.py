"""README and CONTRIBUTING do what they say: commands exist, queries and examples run, nothing public is left out."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
import typer
import yaml
from typer.testing import CliRunner

from assets.claims.decide import decide
from assets.claims.schema import load_claim
from assets.models.sources import source_named, sources
from assets.probes import registry
from assets.probes.plan import plan
from assets.published import importers
from assets.study import Study, validate
from catalog.home import Home
from catalog.read import open_catalog
from catalog.record import Record
from pipelines.cli import app
from tests.conftest import Tiny

if TYPE_CHECKING:
    from assets.models.engine.loaded import LoadedModel

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
DOCUMENTS = {path.name: path.read_text(encoding="utf-8") for path in sorted(ROOT.glob("*.md"))}
BOTH = README + CONTRIBUTING

COMMANDS = {
    " ".join((name, *inside))
    for name, command in typer.main.get_command(app).commands.items()
    for inside in [
        *([(sub,) for sub in getattr(command, "commands", ())] or [()]),
        *([()] if getattr(command, "invoke_without_command", False) else []),
    ]
}
TARGETS = set(re.findall(r"^([a-z]+):", MAKEFILE, re.MULTILINE))
QUERIES = re.findall(r'-m pipelines sql "([^"]*)"', README)
ASKED_FIRST = re.findall(r'-m pipelines sql "([^"]*)"', README.partition("\n## What is decided")[0])
"""Those that give rows in any catalog."""


def blocks(document: str, language: str) -> list[str]:
    """The contents of the document's fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", document, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_the_readme_names_every_command(command: str) -> None:
    assert f"`python -m pipelines {command}" in README


@pytest.mark.parametrize("name", DOCUMENTS)
def test_documents_name_only_commands_that_exist(name: str) -> None:
    named = re.findall(r"-m pipelines ([a-z]+(?: [a-z]+)?)", DOCUMENTS[name])

    assert [words for words in named if words not in COMMANDS and words.split()[0] not in COMMANDS] == []


def test_every_make_target_is_documented_and_every_documented_one_exists() -> None:
    named = set(re.findall(r"(?:`|^)make ([a-z]+)", BOTH, re.MULTILINE))

    assert named == TARGETS


@pytest.mark.parametrize(
    "line", [line for block in blocks(README, "sh") for line in block.splitlines() if "make " in line]
)
def test_make_understands_the_readmes_lines(line: str) -> None:
    planned = subprocess.run(
        ["sh", "-c", f"{line.replace('make', 'make --dry-run', 1)}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert planned.returncode == 0, planned.stderr
    assert "-m pipelines run demo" in planned.stdout or "-m pytest" in planned.stdout


@pytest.mark.parametrize("name", [*registry.probes(), *sources(), *importers()])
def test_the_readme_names_every_probe_source_and_importer(name: str) -> None:
    assert re.search(rf"`{name}\b|: {name}\b", README)


@pytest.mark.parametrize("variable", sorted(set(re.findall(r"MOVING_TARGET_\w+", BOTH))))
def test_documented_variables_are_read_somewhere(variable: str) -> None:
    read = subprocess.run(
        ["git", "grep", "-l", variable, "--", "*.py", ".ci"], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert read.stdout


def test_the_readme_shows_three_queries_first_then_the_classes_and_the_three_clocks() -> None:
    assert len(ASKED_FIRST) == 3
    for name in ("reference_classes", "model_classes", "strategy", "onsets", "by_release", "changes", "prediction"):
        assert any(name in query for query in QUERIES)
    assert "-m pipelines sql '" not in README


@pytest.mark.parametrize("query", QUERIES)
def test_the_readmes_queries_run_and_the_first_ones_give_rows(
    query: str, tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOVING_TARGET_HOME", str(tiny.home.root))
    monkeypatch.setenv("DAGSTER_HOME", str(tiny.home.dagster))

    outcome = CliRunner().invoke(app, ["sql", query, "--json"])

    assert outcome.exit_code == 0, outcome.exception
    assert len(json.loads(outcome.output)) > 0 or query not in ASKED_FIRST


def test_names_of_the_catalog_in_the_readme_exist(tiny: Tiny) -> None:
    clocks = README.partition("## Three clocks")[2].partition("\n## ")[0]
    named = set(re.findall(r"`([a-z_]+)[(.`]", clocks)) - {"sql"}
    columns = re.findall(r"`([a-z_]+)\.([a-z_]+)`", clocks)

    tables = {
        name
        for (name,) in tiny.command.query(
            "SELECT table_name FROM duckdb_tables() UNION SELECT view_name FROM duckdb_views() "
            "UNION SELECT function_name FROM duckdb_functions() UNION SELECT column_name FROM duckdb_columns()"
        )
    }
    assert named <= tables
    for table, column in columns:
        tiny.command.query(f"SELECT {column} FROM {table} LIMIT 1")


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_somewhere(name: str) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", DOCUMENTS[name]):
        path, _, heading = target.partition("#")
        if heading and (path or name) in DOCUMENTS:
            headings = re.findall(r"^#+ (.+)$", DOCUMENTS[path or name], re.MULTILINE)
            assert heading in {re.sub(r"[^a-z0-9 -]", "", h.lower()).replace(" ", "-") for h in headings}
        elif not target.startswith("https://"):
            assert (ROOT / target).exists(), target


def test_folders_and_modules_named_in_documents_exist() -> None:
    named = re.findall(r"`((?:assets|catalog|pipelines|reports|tests)/[\w./-]*)`", BOTH)

    assert named
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_the_picture_is_small() -> None:
    assert (ROOT / "reports" / "example.png").stat().st_size < 200_000


def test_no_file_names_a_path_of_the_machine_it_was_written_on() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    places = {str(path) for path in (ROOT, Path.home(), Path(tempfile.gettempdir())) if len(path.parts) > 1}
    pattern = re.compile("|".join(rf"(?<![\w.-]){re.escape(place)}(?![\w-])" for place in places))

    texts = {
        name: (ROOT / name).read_text(encoding="utf-8") for name in listed if not name.endswith((".png", ".parquet"))
    }
    assert {name: found[0] for name, text in texts.items() if (found := pattern.search(text))} == {}


# The examples


@pytest.fixture
def example_probe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """CONTRIBUTING's probe as one new module of the folder of probes."""
    import assets.probes as package

    (source,) = blocks(CONTRIBUTING, "python")
    folder = tmp_path / "probes"
    folder.mkdir()
    (folder / "residual_norm.py").write_text(source, encoding="utf-8")
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(folder)])
    registry.probes.cache_clear()
    yield folder
    sys.modules.pop("assets.probes.residual_norm", None)
    registry.probes.cache_clear()


def test_the_example_probe_is_one_of_thirty_lines() -> None:
    (source,) = blocks(CONTRIBUTING, "python")

    assert sum(bool(line.strip()) for line in source.splitlines()) <= 30


def test_the_example_probe_is_found_and_measures_a_known_answer(example_probe: Path, silent_model: LoadedModel) -> None:
    import torch

    probe = registry.probe_named("residual_norm")

    result = probe.measure(silent_model, registry.Setting("natural"))

    assert [m.layer for m in result.measurements] == [0, 1]
    assert {m.metric_id for m in result.measurements} == {m.metric_id for m in probe.metrics}
    assert torch.allclose(torch.tensor([m.value for m in result.measurements]), torch.tensor(0.5))


@pytest.fixture
def silent_model() -> LoadedModel:
    """A model whose layers add nothing to embeddings of which every entry is one half: the stream's norm is known."""
    import torch
    from transformers import AutoModelForCausalLM, LlamaConfig

    from assets.models.engine.loaded import LoadedModel

    config = LlamaConfig(
        vocab_size=61, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4
    )
    model = AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        model.get_input_embeddings().weight.fill_(0.5)
        for layer in model.base_model.layers:
            layer.self_attn.o_proj.weight.zero_()
            layer.mlp.down_proj.weight.zero_()
    return LoadedModel("silent@main", "natural", model, torch.arange(1, 61))


@pytest.fixture
def example_study(tmp_path: Path, tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """README's study, and the folders of checkpoints and the text that it names, in the working directory."""
    (tmp_path / "my-text.txt").write_text("Whatever we write.\n", encoding="utf-8")
    for seed, run_id in zip((1, 2), tiny.run_ids, strict=True):
        shutil.copytree(tiny.home.weights / "calibration" / run_id, tmp_path / "checkpoints" / f"seed{seed}")
    monkeypatch.chdir(tmp_path)
    (text,) = blocks(README, "yaml")
    return yaml.safe_load(text)


def test_the_example_study_plans_its_training_runs(example_study: dict[str, Any], tmp_path: Path) -> None:
    plans = plan(validate(Study, example_study, tmp_path / "mine.yaml"), Record(Home(tmp_path / "home")))

    due = {each.run.run_id: len(each.due) for each in plans}
    assert set(due) == {"calibration-neox-2l-seed0", "my-model-1l-seed1", "my-model-1l-seed2"}
    assert due["my-model-1l-seed1"] == due["my-model-1l-seed2"] == 3


def test_the_example_claim_is_decided(tiny: Tiny, tmp_path: Path) -> None:
    (text,) = blocks(README, "yml")
    path = tmp_path / f"{yaml.safe_load(text)['id']}.yaml"
    path.write_text(text, encoding="utf-8")

    claim = load_claim(path)
    with open_catalog(tiny.home) as connection:
        decisions = decide(connection, [claim], "e")

    runs = [row for row in decisions.verdicts if row["level"] == "run"]
    assert {row["subject"] for row in runs} == set(tiny.run_ids)
    assert {row["verdict"] for row in runs} <= {"holds", "fails", "inconclusive"}


def test_the_example_hub_source_is_understood() -> None:
    (text,) = re.findall(r"`(\{hub: .*?\})`", README)

    spec, seeds = source_named("hub", "README").seeds(yaml.safe_load(text), "README")

    assert seeds == [1]
    assert spec.repository(1) == "EleutherAI/pythia-70m-seed1"


def test_an_own_model_runs_with_the_example_probe(
    example_study: dict[str, Any], example_probe: Path, tmp_path: Path
) -> None:
    own = example_study | {"families": example_study["families"][1:], "checkpoints": {}, "probes": ["residual_norm"]}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(own))

    outcome = run_in(tmp_path, example_probe, "run", "mine.yaml", "--workers", "1")

    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    values = pl.read_parquet(tmp_path / "home" / "record" / "measurements" / "*.parquet")
    checkpoints = {f"my-model-1l-seed{seed}@step{step}" for seed in (1, 2) for step in (0, 10, 20)}
    assert set(values["metric_id"]) == {"residual_norm"}
    assert set(values["checkpoint_id"]) == checkpoints


def run_in(folder: Path, probes: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command line started in a folder, with one more folder of probes."""
    (folder / "sitecustomize.py").write_text(f"import assets.probes\nassets.probes.__path__.append({str(probes)!r})\n")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MOVING_TARGET", "DAGSTER"))}
    variables = {"PYTHONPATH": f"{folder}{os.pathsep}{ROOT}", "MOVING_TARGET_HOME": str(folder / "home")}
    command = [sys.executable, "-m", "pipelines", *arguments]
    return subprocess.run(
        command, cwd=folder, env=kept | variables, capture_output=True, text=True, timeout=300, check=False
    )
