"""A record made by hand of models with one checkpoint per training run, whose claims are decided at each publication.

Each run has one score: that of its best prefix-matching head, its placebo 0. Above .3 the claim
prefix-matching-heads-exist holds in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from assets.analyses import registry
from assets.claims.recording import put_claims
from assets.probes.registry import Measurement, canonical
from assets.probes.rows import frame_of, put_definitions
from assets.publish import publication
from assets.study import Study
from catalog.home import Home
from catalog.read import open_catalog
from catalog.record import Record
from tests.assets.claims.conftest import PLACEBO, REPEATED
from tests.assets.likeness.conftest import METRICS

CLAIM = "prefix-matching-heads-exist"
KNOWN = [METRICS[0], METRICS[0].__class__(**{**vars(METRICS[0]), "metric_id": "prefix_matching_placebo"})]
ANALYSES = registry.analyses()
OVER_TIME = ("advisories", "by_knowledge", "by_release")


@dataclass
class Scored:
    """A record that a test adds to and publishes."""

    home: Home
    claims: Sequence[str] = field(default=(CLAIM,))

    @property
    def record(self) -> Record:
        return Record(self.home)

    def family(self, family_id: str, role: str = "natural") -> None:
        self._put("families", family_id, family_id=family_id, role=role, description="...")

    def model(self, model_id: str, family_id: str, **design: Any) -> None:
        usual = {"attention": "softmax", "n_layers": 2, "architecture": "gpt_neox", "adds_bos": False, "properties": {}}
        self._put("models", model_id, model_id=model_id, family_id=family_id, **{**usual, **design})

    def runs(self, model_id: str, scores: Sequence[float], first: int = 0, **probe_run: Any) -> None:
        """Training runs of the model, numbered from `first`, each with its score."""
        for seed, score in enumerate(scores, first):
            run_id = f"{model_id}-seed{seed}"
            self._put("training_runs", run_id, run_id=run_id, model_id=model_id, seed=seed)
            self.score(run_id, score, **probe_run)

    def score(
        self, run_id: str, score: float, source: str = "us", known_on: str | None = None, version: int = 1
    ) -> None:
        """One probe run on the final checkpoint, by our own instruments or published."""
        kind = "measured" if source == "us" else "published"
        self._put("sources", source, source_id=source, kind=kind, known_on=known_on)
        checkpoint = {
            "checkpoint_id": f"{run_id}@step9", "run_id": run_id, "label": "step9", "step": 9, "is_final": True,
            "availability": "available", "weights_sha256": "w",
        }  # fmt: skip
        self._put("checkpoints", checkpoint["checkpoint_id"], **checkpoint)
        given: dict[str, Any] = {"chance": 0.0, "standard_error": 0.001, "n": 32}
        found = [
            Measurement(metric, parameters, value, layer=layer, head=0, value_a=value, value_b=value, **given)
            for metric, parameters, best in (
                ("prefix_matching", REPEATED, score),
                ("prefix_matching_placebo", PLACEBO, 0),
            )
            for layer, value in ((0, 0.0), (1, float(best)))
        ]
        put_definitions(self.record, KNOWN, found)
        row = {
            "checkpoint_id": f"{run_id}@step9", "weights_sha256": "w", "probe": "attention", "probe_version": version,
            "parameters": canonical({}), "provenance": kind, "source_id": source, "status": "ok", "sample_seed": 0,
            "dtype": "float32", "cache_key": f"{run_id}.{source}.{version}", "known_on": known_on,
        }  # fmt: skip
        self.record.put_probe_run(row, frame_of(found))

    def advise(self, advisory_id: str, withdrawn: bool = False, **scope: Any) -> None:
        self._put("advisories", advisory_id, advisory_id=advisory_id, scope=scope, statement="...", withdrawn=withdrawn)

    def publish(self) -> None:
        """Decides and publishes; what these tests do not ask about (likeness, other analyses) is left out."""
        study = Study(name="by-hand", families=[], probes=[], claims=list(self.claims))
        put_claims(self.record, study)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(publication, "compare", lambda *_: 0)
            patch.setattr(registry, "analyses", lambda: {name: ANALYSES[name] for name in OVER_TIME})
            publication.publish(self.home, study, lambda _: None)

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with open_catalog(self.home) as connection:
            return connection.execute(sql).fetchall()

    def _put(self, table: str, key: str, **row: Any) -> None:
        self.record.put(table, key, {table: [row]})
