"""A catalog in memory with hand-made evidence, and one with the published data, for tests of deciding."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

import catalog
from assets.claims.decide import Decisions, decide
from assets.claims.schema import Claim, load_claims
from assets.claims.subjects import OF_RECIPES
from assets.probes.registry import canonical, variant_id
from assets.published import ImportedCheckpoint
from assets.study import load_family

EVIDENCE = {
    "checkpoint_id": pl.String,
    "run_id": pl.String,
    "model_id": pl.String,
    "family_id": pl.String,
    "role": pl.String,
    "label": pl.String,
    "step": pl.Int64,
    "tokens_seen": pl.Int64,
    "is_final": pl.Boolean,
    "variant_id": pl.String,
    "metric_id": pl.String,
    "parameters": pl.String,
    "layer": pl.Int32,
    "head": pl.Int32,
    "sender_layer": pl.Int32,
    "sender_head": pl.Int32,
    "stratum": pl.String,
    "value": pl.Float64,
    "value_a": pl.Float64,
    "value_b": pl.Float64,
    "chance": pl.Float64,
    "excess": pl.Float64,
    "standard_error": pl.Float64,
    "n": pl.Int32,
    "probe_run_id": pl.String,
    "provenance": pl.String,
    "source_id": pl.String,
    "dtype": pl.String,
}
REPEATED = {"input": "repeated", "n": 24, "m": 2, "bos": False}
DISTINCT = {"input": "distinct", "n": 24, "bos": False}
PLACEBO = {"input": "distinct", "n": 24, "m": 2, "bos": False}
VARIANTS = {
    "prefix_matching": REPEATED,
    "prefix_matching_placebo": PLACEBO,
    "previous_token": DISTINCT,
    "repeat_recall": REPEATED,
    "self_attention": DISTINCT,
    "sink_rate": {"corpus": "walk", "length": 64, "bos": False},
    "icl_score_t60_8": {"corpus": "walk", "length": 64, "bos": False},
    "previous_token_all": {"corpus": "natural-stories+dundee", "bos": False},
    "copying_eigenvalue": {},
    "specific_ablation_effect": {**REPEATED, "kind": "mean", "outcome": "repeat_loss"},
    "path_effect": {**REPEATED, "kind": "mean"},
    "fuzzy_prefix_matching": {"neighbours": "surface", "n": 50, "m": 2, "bos": False},
}
SCHEMA = (Path(catalog.__file__).parent / "schema.sql").read_text(encoding="utf-8")


class World:
    """Families, models, runs and evidence, put together by hand; where chance is 0, value and excess are one."""

    def __init__(self) -> None:
        self.families: list[dict[str, Any]] = []
        self.models: list[dict[str, Any]] = []
        self.runs: list[dict[str, Any]] = []
        self.rows: list[dict[str, Any]] = []
        self.again: list[dict[str, Any]] = []
        self.layers: dict[str, list[bool]] = {}
        """By model, whether each of its layers has a learned sink."""

    def family(self, family_id: str, role: str = "natural", organisation: str | None = None) -> World:
        self.families.append({"family_id": family_id, "role": role, "organisation": organisation})
        return self

    def model(self, model_id: str, family_id: str = "natural", **design: Any) -> World:
        if family_id not in [family["family_id"] for family in self.families]:
            self.family(family_id)
        usual = {"attention": "softmax", "n_layers": 2, "architecture": "gpt_neox", "adds_bos": False}
        recipe = {name: design.pop(name) for name in OF_RECIPES if name in design}
        self.models.append(
            {"model_id": model_id, "family_id": family_id, **usual, **design, "properties": json.dumps(recipe)}
        )
        return self

    def run(self, run_id: str, model_id: str) -> World:
        self.runs.append({"run_id": run_id, "model_id": model_id})
        return self

    def measure(
        self,
        run_id: str,
        metric_id: str,
        heads: Mapping[tuple[int, ...], float] | float,
        *,
        step: int | None = None,
        final: bool = True,
        error: float | None = 0.001,
        halves: tuple[float, float] | Mapping[tuple[int, ...], tuple[float, float]] | None = None,
        chance: float = 0.0,
        stratum: str = "",
        source: str = "moving-target",
        **changed: Any,
    ) -> World:
        """A checkpoint's values: one, or by (layer, head); of edges by (layer, head, sender's layer, sender's head)."""
        model = next(r for r in self.runs if r["run_id"] == run_id)["model_id"]
        family = next(m for m in self.models if m["model_id"] == model)["family_id"]
        parameters = {**VARIANTS[metric_id], **changed}
        values = heads if isinstance(heads, Mapping) else {(): heads}
        for at, value in values.items():
            layer, head, sender_layer, sender_head = (*at, *[None] * (4 - len(at)))
            a, b = (halves[at] if isinstance(halves, Mapping) else halves) or (value, value)
            self.rows.append(
                {
                    "checkpoint_id": f"{run_id}@{step}",
                    "run_id": run_id,
                    "model_id": model,
                    "family_id": family,
                    "role": next(f for f in self.families if f["family_id"] == family)["role"],
                    "label": f"step{step}",
                    "step": step,
                    "is_final": final,
                    "variant_id": variant_id(metric_id, parameters),
                    "metric_id": metric_id,
                    "parameters": canonical(parameters),
                    "layer": layer,
                    "head": head,
                    "sender_layer": sender_layer,
                    "sender_head": sender_head,
                    "stratum": stratum,
                    "value": value,
                    "value_a": a,
                    "value_b": b,
                    "chance": chance,
                    "excess": (value - chance) / (1 - chance),
                    "standard_error": error,
                    "n": 32,
                    "probe_run_id": "p",
                    "provenance": "published" if source != "moving-target" else "measured",
                    "source_id": source,
                    "dtype": "float32",
                }
            )
        return self

    def retest(self, run_id: str, metric_id: str, heads: Mapping[Any, float] | float, **keys: Any) -> World:
        """The same measured again."""
        known = len(self.rows)
        self.measure(run_id, metric_id, heads, **keys)
        self.again += self.rows[known:]
        del self.rows[known:]
        return self

    def curve(self, run_id: str, metric_id: str, values: Mapping[int, float], **keys: Any) -> World:
        """A trajectory: by step, the value of the one head that is not at chance."""
        last = max(values)
        for step, value in values.items():
            self.measure(run_id, metric_id, {(0, 0): value, (0, 1): 0.0}, step=step, final=step == last, **keys)
        return self

    def catalog(self) -> duckdb.DuckDBPyConnection:
        evidence, again = (pl.DataFrame(rows, schema=EVIDENCE) for rows in (self.rows, self.again))
        connection = catalog_of(self.families, self.models, self.runs, evidence, again)
        for model_id, sinks in self.layers.items():
            for layer, has_sink in enumerate(sinks):
                row = [model_id, layer, "full", has_sink, 1]
                columns = "model_id, layer, kind, has_sink, since_build"
                connection.execute(f"INSERT INTO layers ({columns}) VALUES (?, ?, ?, ?, ?)", row)
        return connection

    def decide(self, *claims: Claim) -> Decided:
        with self.catalog() as connection:
            return Decided(decide(connection, claims, "e1"))


class Decided:
    """Decisions, to be asked by claim, level and subject."""

    def __init__(self, decisions: Decisions) -> None:
        self.decisions = decisions

    def __call__(self, level: str, subject: str, claim_id: str | None = None) -> dict[str, Any]:
        found = [
            row
            for row in self.decisions.verdicts
            if (row["level"], row["subject"]) == (level, subject) and claim_id in (None, row["claim_id"])
        ]
        assert len(found) == 1, found
        return found[0]

    def word(self, level: str, subject: str, claim_id: str | None = None) -> str:
        return str(self(level, subject, claim_id)["verdict"])

    def runs(self, level: str, subject: str) -> dict[str, dict[str, Any]]:
        rows = self.decisions.verdict_runs
        return {row["run_id"]: row for row in rows if (row["level"], row["subject"]) == (level, subject)}

    def subjects(self, level: str) -> list[str]:
        return [row["subject"] for row in self.decisions.verdicts if row["level"] == level]


def catalog_of(
    families: Iterable[Mapping[str, Any]],
    models: Iterable[Mapping[str, Any]],
    runs: Iterable[Mapping[str, Any]],
    evidence: pl.DataFrame,
    again: pl.DataFrame | None = None,
) -> duckdb.DuckDBPyConnection:
    """The catalog's tables in memory, and tables `evidence` and `retests` in place of the views."""
    again = evidence.clear() if again is None else again
    connection = duckdb.connect()
    connection.execute(SCHEMA)
    for table, rows in (("families", families), ("models", models), ("training_runs", runs)):
        for row in rows:
            known = {name: value for name, value in row.items() if value is not None} | {"since_build": 1}
            places = ", ".join("?" for _ in known)
            connection.execute(f"INSERT INTO {table} ({', '.join(known)}) VALUES ({places})", list(known.values()))
    connection.execute("CREATE TABLE evidence AS SELECT * FROM evidence")
    connection.execute("CREATE TABLE retests AS SELECT * FROM again")
    return connection


class Library:
    """The claims of the library, to be changed for a test."""

    def claim(self, claim_id: str, **changed: Any) -> Claim:
        found = load_claims([claim_id])[0]
        return Claim.model_validate({**found.model_dump(mode="json"), **changed})

    def plain(self, claim_id: str, **changed: Any) -> Claim:
        """Without specifications, which most tests need not compute."""
        return self.claim(claim_id, specifications={}, **changed)

    def about(self, claim_id: str, **estimand: Any) -> Claim:
        """Plain, of any model, with keys of its estimand changed."""
        own = load_claims([claim_id])[0].estimand.model_dump(mode="json")
        return self.plain(claim_id, reference_class="true", estimand={**own, **estimand})


@pytest.fixture
def library() -> Library:
    return Library()


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture(scope="session")
def pythia(trott2025: Sequence[ImportedCheckpoint], published: pl.DataFrame) -> duckdb.DuckDBPyConnection:
    """A catalog of the published data."""
    family = load_family("pythia")
    models = [
        {
            "model_id": model.model_id,
            "family_id": "pythia",
            "parent_model_id": model.parent_model_id,
            "released_on": model.released_on,
            **model.design,
        }
        for model in family.models
        if model.model_id in {checkpoint.model_id for checkpoint in trott2025}
    ]
    runs = [{"run_id": run, "model_id": model} for run, model in sorted({(c.run_id, c.model_id) for c in trott2025})]
    families = [{"family_id": "pythia", "role": family.role, "organisation": family.organisation}]
    return catalog_of(families, models, runs, published)
