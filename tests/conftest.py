"""What tests of several folders share: a small study that the command line ran once, and the published data of Trott
(2025), read from a clone beside the project; never part of it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest
import yaml

from assets.probes.registry import canonical, variant_id
from assets.published import ImportedCheckpoint, importer_named
from assets.published.importing import read_all
from assets.study import load_family
from catalog.home import Home
from tests.end_to_end.conftest import Command, family, guarded, recipe
from tests.loopback_hub import hub as hub

VARIABLE = "MOVING_TARGET_TROTT2025"

if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # workers share the cores; torch reads it when it is imported


@dataclass(frozen=True)
class Tiny:
    """A study of two training runs of one calibration family, and the command line whose home holds it."""

    command: Command
    study: str
    said: str = ""
    """What `run` printed."""
    run_ids: tuple[str, ...] = ("tiny-neox-model-seed0", "tiny-neox-model-seed1")

    @property
    def home(self) -> Home:
        return Home(self.command.home)


@pytest.fixture(scope="session")
def tiny_study(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The path of the study's file."""
    path = tmp_path_factory.mktemp("study") / "tiny.yaml"
    families = [family("tiny-neox", {"calibration": recipe()})]
    path.write_text(yaml.safe_dump({"name": "tiny", "families": families, "probes": ["attention", "repeats"]}))
    return str(path)


@pytest.fixture(scope="session")
def tiny(tiny_study: str, tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """The study after `run`: measured, decided, published. Tests only read its home."""
    command = guarded(tmp_path_factory.mktemp("tiny"))
    outcome = command("run", tiny_study, "--workers", "1")
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    return Tiny(command, tiny_study, outcome.stdout)


@pytest.fixture(scope="session")
def trott2025_folder() -> Path:
    beside = Path(__file__).parents[2] / "shared" / "data" / "trott2025"
    folder = Path(os.environ.get(VARIABLE, beside))
    if not folder.is_dir():
        # Their licence is not stated: the files are not ours to ship.
        pytest.skip(f"needs a clone of seantrott/mechinterp_generalizability, its path in {VARIABLE}")
    return folder


@pytest.fixture(scope="session")
def trott2025(trott2025_folder: Path) -> list[ImportedCheckpoint]:
    """All 576 checkpoints."""
    return read_all(importer_named("trott2025"), trott2025_folder)


@pytest.fixture(scope="session")
def published(trott2025: list[ImportedCheckpoint]) -> pl.DataFrame:
    """Rows of the view `evidence` for previous_token_all, as the catalog gives them."""
    return evidence_of(trott2025, "previous_token_all")


@pytest.fixture(scope="session")
def pythia_models() -> pl.DataFrame:
    """model_id, n_params and n_layers, as the family file states them."""
    return pl.DataFrame([{"model_id": m.model_id, **m.design} for m in load_family("pythia").models])


@pytest.fixture(scope="session")
def pythia_runs(trott2025: list[ImportedCheckpoint]) -> pl.DataFrame:
    """run_id, model_id and seed."""
    return pl.DataFrame(
        sorted({(c.run_id, c.model_id, c.seed) for c in trott2025}), schema=["run_id", "model_id", "seed"], orient="row"
    )


def evidence_of(checkpoints: list[ImportedCheckpoint], metric_id: str) -> pl.DataFrame:
    rows = [
        {
            "checkpoint_id": c.checkpoint_id,
            "run_id": c.run_id,
            "model_id": c.model_id,
            "family_id": c.family_id,
            "role": "natural",
            "label": c.label,
            "step": c.step,
            "tokens_seen": c.tokens_seen,
            "is_final": c.is_final,
            "variant_id": variant_id(m.metric_id, m.parameters),
            "metric_id": m.metric_id,
            "parameters": canonical(m.parameters),
            "layer": m.layer,
            "head": m.head,
            "sender_layer": m.sender_layer,
            "sender_head": m.sender_head,
            "stratum": m.stratum,
            "value": m.value,
            "value_a": m.value_a,
            "value_b": m.value_b,
            "chance": m.chance,
            "excess": (m.value - (m.chance or 0)) / (1 - (m.chance or 0)),
            "standard_error": m.standard_error,
            "n": m.n,
            "probe_run_id": c.file_sha256,
            "provenance": "published",
            "source_id": "trott2025",
            "dtype": "float32",
        }
        for c in checkpoints
        for m in c.measurements
        if m.metric_id == metric_id
    ]
    unknown = {
        **dict.fromkeys(("value_a", "value_b", "standard_error"), pl.Float64),
        **dict.fromkeys(("sender_layer", "sender_head"), pl.Int32),
    }
    return pl.DataFrame(rows, schema_overrides=unknown)
