"""A record made by hand: models of three, two and one training runs, with scores, edges and arrays."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

from assets.likeness.compare import compare
from assets.probes.registry import Measurement, Metric, canonical
from assets.probes.rows import frame_of, put_definitions
from assets.publish.publication import COMPARISONS
from catalog.build import finish, publishing, stage, take_in
from catalog.home import Home
from catalog.record import Record
from tests.assets.likeness.by_hand import DISTINCT, INPUTS

STEPS = (0, 10, 20, 30, 40)
RUNS = {"small": 3, "large": 2, "alone": 1}
METRICS = [
    Metric(metric_id, construct, "attention", grain, "probability", "...", "...", lower=0.0, upper=upper)
    for metric_id, construct, grain, upper in (
        ("prefix_matching", "induction", "head", 1.0),
        ("previous_token", "previous_token", "head", 1.0),
        ("path_effect", "induction", "edge", None),
        ("sae_l0", "sparsity", "layer", None),
    )
]


@dataclass
class HandMade:
    """A record that a test adds to and publishes."""

    home: Home
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))

    @property
    def record(self) -> Record:
        return Record(self.home)

    def copied_to(self, folder: Path) -> HandMade:
        shutil.copytree(self.home.root, folder / "home")
        return HandMade(Home(folder / "home"), np.random.default_rng(1))

    def publish(self) -> int:
        """As a publication does it, without claims; the number of comparisons made."""
        with publishing(self.home):
            staged = stage(self.home)
            with duckdb.connect(str(staged.path), read_only=True) as connection:
                made_now = compare(connection, self.record)
            finish(self.home, take_in(self.home, staged, COMPARISONS))
        return made_now

    def publish_uncompared(self) -> None:
        with publishing(self.home):
            finish(self.home, stage(self.home))

    def put_run(self, model_id: str, seed: int) -> None:
        run_id = f"{model_id}-seed{seed}"
        self._put("training_runs", run_id, run_id=run_id, model_id=model_id, seed=seed)
        for step in STEPS:
            self.put_checkpoint(run_id, step)
        self.put_arrays(run_id)

    def put_checkpoint(self, run_id: str, step: int, weights: str = "w") -> None:
        checkpoint_id = f"{run_id}@step{step}"
        self._put(
            "checkpoints",
            checkpoint_id,
            checkpoint_id=checkpoint_id,
            run_id=run_id,
            label=f"step{step}",
            step=step,
            is_final=step == STEPS[-1],
            availability="available",
            weights_sha256=weights,
        )
        found = [
            Measurement(metric_id, parameters, float(self.rng.random()), layer=layer, head=head)
            for metric_id, parameters in (("prefix_matching", INPUTS), ("previous_token", DISTINCT))
            for layer in (0, 1)
            for head in (0, 1, 2)
        ]
        sender = {"layer": 1, "head": 0, "sender_layer": 0, "sender_head": 1}
        found += [Measurement("path_effect", INPUTS, 0.8, **sender)]
        found += [Measurement("path_effect", INPUTS, 0.1, **sender, stratum="sender=random")]
        self.put_probe_run(checkpoint_id, "attention", found, {}, weights)

    def put_arrays(self, run_id: str, **changes: np.ndarray) -> None:
        spectra = {name: self.rng.random((2, 3, 4)).astype(np.float32) for name in ("ov_spectrum", "qk_spectrum")}
        residual = self.rng.normal(size=(3, 20, 4)).astype(np.float16)
        kept: dict[str, dict[str, np.ndarray]] = {
            "copying": spectra,
            "representation": {"residual": residual, "token_ids": np.arange(20, dtype=np.int32)},
            "sparse_autoencoder": {
                "decoder": self.rng.normal(size=(8, 4)).astype(np.float32),
                "layer": np.array(1),
            },
        }
        for probe, arrays in kept.items():
            found = {name: changes.get(name, array) for name, array in arrays.items()}
            self.put_probe_run(f"{run_id}@step{STEPS[-1]}", probe, [Measurement("sae_l0", {}, 1.0)], found)

    def put_probe_run(
        self,
        checkpoint_id: str,
        probe: str,
        found: list[Measurement],
        arrays: dict[str, np.ndarray],
        weights: str = "w",
    ) -> None:
        put_definitions(self.record, METRICS, found)
        row = {
            "checkpoint_id": checkpoint_id, "weights_sha256": weights, "probe": probe, "probe_version": 1,
            "parameters": canonical({"probe": probe}), "provenance": "measured", "source_id": "us", "status": "ok",
            "sample_seed": 0, "dtype": "float32", "cache_key": checkpoint_id,
        }  # fmt: skip
        self.record.put_probe_run(row, frame_of(found), arrays)

    def _put(self, kind: str, key: str, **row: Any) -> None:
        self.record.put(kind, key, {kind: [row]})


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> HandMade:
    """Not published; tests work on copies."""
    made = HandMade(Home(tmp_path_factory.mktemp("recorded")))
    made.record.put("sources", "us", {"sources": [{"source_id": "us", "kind": "measured"}]})
    made.record.put("families", "f", {"families": [{"family_id": "f", "role": "natural", "description": "..."}]})
    for model_id, n_runs in RUNS.items():
        made.record.put("models", model_id, {"models": [{"model_id": model_id, "family_id": "f", "properties": {}}]})
        for seed in range(n_runs):
            made.put_run(model_id, seed)
    return made


@pytest.fixture(scope="session")
def compared(recorded: HandMade, tmp_path_factory: pytest.TempPathFactory) -> HandMade:
    """Compared and published; tests only read it."""
    made = recorded.copied_to(tmp_path_factory.mktemp("compared"))
    assert made.publish() > 0
    return made
