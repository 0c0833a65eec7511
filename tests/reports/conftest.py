"""A small made-up catalog for the reports: families of every role, runs with an abrupt rise, verdicts of every kind.

The numbers follow formulas and are no measurements. Not here: the real build of a catalog (tests/catalog).
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from itertools import product
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from catalog.home import Home
from catalog.measured import SCHEMA, add_measurements
from catalog.read import open_catalog
from reports import site
from reports.pages.likeness import AXES

CATALOG = Path(__file__).parents[2] / "catalog"
LONG_ADDRESS = f"https://example.org/{'a-long-address' * 8}"
SHORT = (0, 50, 100, 150, 200, 240, 260, 280, 300, 320, 340, 400, 500)
LONG = (0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000, 4000, 10000, 60000, 143000)


@dataclass(frozen=True)
class Model:
    """One model of the made-up catalog; `rise` is the step about which its heads form."""

    family: str
    model: str
    n_layers: int
    n_heads: int
    seeds: tuple[int | None, ...]
    steps: tuple[int | None, ...]
    n_params: int
    rise: float = 300.0
    n: int = 24

    def runs(self) -> list[tuple[str, int | None]]:
        return [(self.model if seed is None else f"{self.model}-seed{seed}", seed) for seed in self.seeds]


ROLES = {
    "calibration-neox": "calibration",
    "control-no-repeats": "control",
    "control-one-layer": "control",
    "pythia": "natural",
    "smollm2": "natural",
}
MODELS = (
    Model("calibration-neox", "calibration-neox-2l", 2, 4, (0, 1, 2, 3, 4, 5), SHORT, 21_000),
    Model("control-no-repeats", "control-no-repeats-2l", 2, 4, (0, 1, 2), SHORT, 21_000),
    Model("control-one-layer", "control-one-layer-1l", 1, 4, (0, 1, 2, 3, 4, 5), SHORT, 13_000),
    Model("pythia", "pythia-14m", 6, 4, (1, 2, 3, 4, 5), LONG, 14_067_712, 700.0),
    Model("pythia", "pythia-70m", 6, 8, (1, 2, 3, 4, 5), LONG, 70_426_624, 240.0),
    Model("pythia", "pythia-160m", 12, 12, (1, 2, 3, 4, 5), LONG, 162_322_944, 280.0),
    Model("smollm2", "smollm2-135m-instruct-q4_1", 30, 9, (None,), (None,), 134_515_008, n=50),
)
METRICS = {
    "prefix_matching": ("induction", "attention", "head", "probability"),
    "prefix_matching_placebo": ("induction", "attention", "head", "probability"),
    "offset_profile": ("induction", "attention", "head", "probability"),
    "previous_token": ("previous_token", "attention", "head", "probability"),
    "previous_token_all": ("previous_token", "attention", "head", "probability"),
    "duplicate_token": ("duplicate_token", "attention", "head", "probability"),
    "first_token": ("sink", "attention", "head", "probability"),
    "repeat_recall": ("copying", "behaviour", "checkpoint", "share"),
    "repeat_gain": ("copying", "behaviour", "checkpoint", "nats per token"),
    "repeat_loss": ("copying", "behaviour", "checkpoint", "nats per token"),
}
PREFIX = {
    "metrics": ["prefix_matching"],
    "minus": "prefix_matching_placebo",
    "summary": "best_head",
    "quantity": "final",
}
PREVIOUS = {"metrics": ["previous_token_all", "previous_token"], "summary": "best_head", "quantity": "final"}
CLAIMS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "prefix-matching-heads-exist": (
        "functional",
        "Heads that match prefixes exist",
        {"kind": "level", "of": PREFIX, "direction": "above", "threshold": 0.3, "rule": "every_run"},
    ),
    "no-induction-in-one-layer": (
        "functional",
        "One-layer models have no induction heads",
        {"kind": "conjunction", "parts": [{"kind": "level", "of": PREFIX, "direction": "below", "threshold": 0.1}]},
    ),
    "previous-token-before-induction": (
        "developmental",
        "Previous-token heads form before induction heads",
        {"kind": "order", "first": PREVIOUS, "second": PREFIX, "threshold": 0.3},
    ),
    "larger-earlier-previous-token": (
        "developmental",
        "Larger models show an earlier onset",
        {
            "kind": "trend",
            "of": {**PREVIOUS, "quantity": "log10_onset_rate"},
            "over": "n_params",
            "scale": "log10",
            "direction": "falls",
        },
    ),
    "same-layer-across-seeds": (
        "positional",
        "The top head sits in the same layer",
        {"kind": "agreement", "of": {**PREVIOUS, "quantity": "top_layer"}, "about": "layer", "claimed": "above_chance"},
    ),
}


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-max(-60.0, min(60.0, x))))


def _progress(model: Model, seed: int | None, step: int | None) -> float:
    """How far a run has come, 0 to 1: an abrupt rise about its own step."""
    if step is None:
        return 1.0
    about = model.rise * (1 + 0.03 * ((seed or 0) % 4))
    if model.steps is SHORT:
        return _sigmoid((step - about) / 8)
    return _sigmoid(4 * (math.log10(step + 1) - math.log10(about)))


def _head_values(
    model: Model, layer: int, head: int, seed: int | None, p: float
) -> Iterator[tuple[str, str, float, float]]:
    """(metric, stratum, value, chance) of one head; the last layer's head 1 is the induction head."""
    top = layer == model.n_layers - 1 and head == 1
    previous = layer == 0 and head == 2
    noise = 0.004 * ((layer * 7 + head * 3) % 5)
    if model.family == "pythia":
        top = layer == 0 and head == (seed or 0) % model.n_heads
        yield "previous_token_all", "", 0.13 + noise + (0.65 * p if top else 0.08 * p), 0.126
        return
    induces = model.family in ("calibration-neox", "smollm2")
    drift = {"control-no-repeats": 0.2, "control-one-layer": 0.05}.get(model.family, 0.8)
    yield "prefix_matching", "", 0.028 + noise + (0.88 * p if top and induces else 0.0), 0.028
    yield "prefix_matching_placebo", "", 0.028 + noise, 0.028
    yield "previous_token", "", 0.08 + noise + (drift * p if previous else 0.0), 0.083
    yield "duplicate_token", "", 0.03 + noise + (0.1 * p if head == 0 else 0.0), 0.03
    yield "first_token", "", 0.1 + noise + (0.3 * p if head == 3 else 0.0), 0.1
    for offset in range(-3, 4):
        peak = 0.88 * p if top and induces and offset == 0 else 0.0
        yield "offset_profile", f"offset={offset}", 0.028 + noise + peak, 0.028


def _behaviour(model: Model, p: float) -> Iterator[tuple[str, str, float, float]]:
    if model.family == "pythia":
        return
    copies = model.family in ("calibration-neox", "smollm2")
    first, null = 4.3, 0.157
    second = first - p * {"control-no-repeats": 0.0, "control-one-layer": 0.9}.get(model.family, 4.0)
    yield "repeat_recall", "", 0.02 + p * (0.95 if copies else 0.1), null
    yield "repeat_gain", "", first - second, 0.0
    yield "repeat_loss", "part=first", first, math.log(64)
    yield "repeat_loss", "part=second", second, math.log(model.n)


def _parameters(metric: str, n: int) -> dict[str, Any]:
    if metric.endswith("_all"):
        return {"bos": False, "corpus": "natural-stories+dundee"}
    if metric in ("prefix_matching_placebo",):
        return {"bos": False, "input": "distinct", "m": 2, "n": n}
    if metric in ("previous_token", "first_token"):
        return {"bos": False, "input": "distinct", "n": n}
    return {"bos": False, "input": "repeated", "m": 2, "n": n}


def _variant(metric: str, n: int) -> str:
    parts = [f"{key}-{json.dumps(value).strip(chr(34))}" for key, value in sorted(_parameters(metric, n).items())]
    return ".".join([metric, *parts])


Tables = dict[str, list[dict[str, Any]]]


def _models(tables: Tables) -> None:
    for family, role in ROLES.items():
        tables["families"].append(
            {
                "family_id": family,
                "organisation": "EleutherAI" if family == "pythia" else "this project",
                "role": role,
                "description": f"A made-up family in the role {role}.",
                "url": "https://example.org/pythia" if family == "pythia" else None,
            }
        )
    for model in MODELS:
        natural = ROLES[model.family] == "natural"
        tables["models"].append(
            {
                "model_id": model.model,
                "family_id": model.family,
                "parent_model_id": "smollm2-135m-instruct" if model.family == "smollm2" else None,
                "n_params": model.n_params,
                "n_layers": model.n_layers,
                "n_heads": model.n_heads,
                "architecture": "llama" if model.family == "smollm2" else "gpt_neox",
                "attention": "softmax",
                "tied_embeddings": False,
                "licence": "Apache-2.0",
                "properties": json.dumps(
                    {
                        "facts": {
                            "n_params, n_layers": "https://example.org/card",
                            "other design": "the paper",
                            "licence": LONG_ADDRESS,
                        }
                    }
                    if natural
                    else {}
                ),
            }
        )
        for run, seed in model.runs():
            tables["training_runs"].append({"run_id": run, "model_id": model.model, "seed": seed})
            for step in model.steps:
                label = "main" if step is None else f"step{step}"
                tables["checkpoints"].append(
                    {
                        "checkpoint_id": f"{run}@{label}",
                        "run_id": run,
                        "label": label,
                        "step": step,
                        "tokens_seen": None if step is None else step * 2048,
                        "is_final": step == model.steps[-1],
                        "availability": "published_only" if model.family == "pythia" else "available",
                        "weights_sha256": None if model.family == "pythia" else f"weights-{run}-{label}",
                    }
                )


def _metrics(tables: Tables) -> None:
    for metric, (construct, method, grain, unit) in METRICS.items():
        tables["metrics"].append(
            {
                "metric_id": metric,
                "construct": construct,
                "method": method,
                "grain": grain,
                "unit": unit,
                "lower": 0.0,
                "upper": 1.0 if unit != "nats per token" else None,
                "has_excess": grain == "head",
                "chance_rule": "mean over the queries of targets seen over keys seen",
                "definition": f"A made-up definition of {metric}: the sum of A[i,j] < 1.",
                "definition_version": 1,
                "citation": "Olsson et al. 2022, arXiv:2209.11895",
            }
        )
        for n in (24, 50):
            row = {
                "variant_id": _variant(metric, n),
                "metric_id": metric,
                "parameters": json.dumps(_parameters(metric, n), sort_keys=True, separators=(",", ":")),
                "label": f"{metric} (n={n})",
                "is_default": True,
            }
            if row not in tables["metric_variants"] and not (metric.endswith("_all") and n == 50):
                tables["metric_variants"].append(row)


def _measurements(tables: Tables) -> None:
    for model in MODELS:
        published = model.family == "pythia"
        for run, seed in model.runs():
            for step in model.steps:
                checkpoint = f"{run}@" + ("main" if step is None else f"step{step}")
                p = _progress(model, seed, step)
                heads = [
                    (layer, head, *value)
                    for layer in range(model.n_layers)
                    for head in range(model.n_heads)
                    for value in _head_values(model, layer, head, seed, p)
                ]
                values = heads + [(None, None, *value) for value in _behaviour(model, p)]
                tables["probe_runs"].append(
                    {
                        "probe_run_id": f"probe.{checkpoint}",
                        "checkpoint_id": checkpoint,
                        "weights_sha256": None if published else f"weights-{checkpoint.replace('@', '-')}",
                        "probe": "trott2025" if published else "attention",
                        "probe_version": 1,
                        "parameters": "{}",
                        "provenance": "published" if published else "measured",
                        "source_id": "trott2025" if published else "moving-target",
                        "status": "ok",
                        "dtype": "float32",
                        "recorded_at": "2026-11-22T00:00:00",
                        "cache_key": checkpoint,
                        "n_rows": len(values),
                    }
                )
                tables["measurements"] += [
                    {
                        "probe_run_id": f"probe.{checkpoint}",
                        "variant_id": _variant(metric, model.n),
                        "metric_id": metric,
                        "checkpoint_id": checkpoint,
                        "layer": layer,
                        "head": head,
                        "stratum": stratum,
                        "value": value,
                        "value_a": value,
                        "value_b": value,
                        "chance": chance,
                        "standard_error": None if published else 0.002,
                        "n": 666 if published else 64,
                    }
                    for layer, head, metric, stratum, value, chance in values
                ]


def _claims(tables: Tables) -> None:
    for claim, (axis, statement, estimand) in CLAIMS.items():
        tables["claims"].append(
            {
                "claim_id": claim,
                "claim_version": 1,
                "statement": f"{statement}.",
                "axis": axis,
                "about": "model",
                "concreteness": "token",
                "citation": "Trott 2025, https://arxiv.org/abs/2509.22831",
                "estimand": json.dumps({**estimand, "refuted_by": "A run in which it is the other way round."}),
                "criterion": "best head: excess prefix_matching minus placebo > .3, in every run",
                "criterion_fixed_at": "2026-11-01",
                "data_seen_before": "source trott2025" if estimand["kind"] == "trend" else None,
                "reference_class": "attention = 'softmax' and n_layers >= 2",
                "file_sha256": "0" * 64,
            }
        )


CHOICES: tuple[dict[str, str], ...] = (
    {"threshold": "0.1"},
    {"threshold": "0.5"},
    {"definition": "raw score"},
    {"threshold": "0.5", "definition": "raw score"},
)
OUTCOME = {"holds": "h", "fails": "f"}


def _verdict(claim: str, level: str, subject: str, verdict: str, **fields: Any) -> dict[str, Any]:
    return {
        "evaluation_id": "e1",
        "claim_id": claim,
        "claim_version": 1,
        "level": level,
        "subject": subject,
        "verdict": verdict,
        "unit": "excess",
        "exploratory": claim == "larger-earlier-previous-token",
        "flips_when": json.dumps([{"when": f"without {subject}", "becomes": "inconclusive"}]),
        "reason": f"A made-up reason why this {level} is {verdict}.",
        **fields,
    }


def _run_verdicts(tables: Tables, claim: str, model: Model, verdict: str) -> None:
    """A verdict for each run of a model, and the row that says that the model's verdict rests on it."""
    for i, (run, _) in enumerate(model.runs()):
        estimate = {"holds": 0.9, "fails": 0.05}.get(verdict, 0.3) + 0.01 * i
        known = verdict != "not_applicable"
        interval = {"estimate": estimate, "ci_low": estimate - 0.02, "ci_high": estimate + 0.02} if known else {}
        run_verdict = verdict if verdict in ("holds", "fails", "not_applicable") else "inconclusive"
        tables["verdicts"].append(_verdict(claim, "run", run, run_verdict, n_runs=1, **interval))
        tables["verdict_runs"].append(
            {
                "evaluation_id": "e1",
                "claim_id": claim,
                "claim_version": 1,
                "level": "model",
                "subject": model.model,
                "run_id": run,
                "outcome": OUTCOME.get(run_verdict, "u") if known else None,
                "estimate": estimate if known else None,
                "standard_error": 0.01 if known else None,
                "variant_id": _variant("prefix_matching", model.n),
                "provenance": "published" if model.family == "pythia" else "measured",
                "included": known,
                "reason": None if known else "outside the reference class",
            }
        )


def _verdicts(tables: Tables) -> None:
    words = ("holds", "fails", "mixed", "inconclusive", "insufficient", "not_applicable")
    for c, claim in enumerate(CLAIMS):
        for m, model in enumerate(MODELS):
            verdict = words[(c + m) % len(words)]
            _run_verdicts(tables, claim, model, verdict)
            n = len(model.runs())
            counts = {"n_h": n if verdict == "holds" else 0, "n_f": n if verdict == "fails" else 0}
            tables["verdicts"].append(
                _verdict(
                    claim, "model", model.model, verdict, unit="share of runs", estimate=counts["n_h"] / n, **counts,
                    n_u=n - sum(counts.values()), n_runs=n, n_models=1, robustness="sensitive" if m % 2 else "robust",
                )
            )  # fmt: skip
            tables["specifications"] += [
                {
                    "evaluation_id": "e1",
                    "claim_id": claim,
                    "claim_version": 1,
                    "level": "model",
                    "subject": model.model,
                    "specification_id": "+".join(f"{key}={value}" for key, value in dimensions.items()),
                    "dimensions": json.dumps(dimensions),
                    "verdict": verdict if dimensions.get("threshold") != "0.5" else "inconclusive",
                    "estimate": 0.5,
                }
                for dimensions in CHOICES
            ]
        for f, family in enumerate(family for family, role in ROLES.items() if role == "natural"):
            verdict = words[(c + f + 1) % len(words)]
            tables["verdicts"].append(
                _verdict(claim, "family", family, verdict, estimate=0.4, ci_low=0.1, ci_high=0.7, n_runs=5, n_models=3)
            )
        tables["verdicts"].append(
            _verdict(claim, "across", "all", words[c % len(words)], n_families=2, n_h=1, n_f=0, n_u=1)
        )


def _instrument(tables: Tables) -> None:
    """A claim about a method, decided for two architectures and a model of each."""
    claim = "prefix-matching-reliable"
    estimand = {"kind": "reliability", "of": PREFIX, "retest": 0.02}
    statement = "Prefix matching is measured reliably."
    [first, *_] = tables["claims"]
    stated = {"claim_id": claim, "statement": statement, "about": "method", "estimand": json.dumps(estimand)}
    tables["claims"].append({**first, **stated})
    words = {"gpt_neox": "holds", "llama": "fails"}
    for model in MODELS:
        _run_verdicts(tables, claim, model, words["llama" if model.family == "smollm2" else "gpt_neox"])
    tables["verdicts"] += [
        _verdict(claim, "architecture", name, verdict, n_h=5, n_f=1, n_u=0) for name, verdict in words.items()
    ]
    tables["verdicts"].append(_verdict(claim, "model", "pythia-14m", "holds", n_h=5, n_f=0, n_u=0))


def _classes(tables: Tables) -> None:
    """A class for two claims, identifiable for the second; the models of one family are inside."""
    found = {"prefix-matching-heads-exist": (0.4, "By luck."), "same-layer-across-seeds": (0.01, "Told apart <well>.")}
    for claim, (p, reason) in found.items():
        key = {"evaluation_id": "e1", "claim_id": claim, "claim_version": 1}
        tables["reference_classes"] += [
            {
                **key,
                "predicate": f"n_params >= {n}",
                "n_in": 20 - n,
                "n_out": n,
                "n_wrong": 1,
                "p_separation": p,
                "identifiable": p <= 0.05,
                "reason": reason,
            }
            for n in range(1, 11)
        ]
        tables["class_members"] += [
            {**key, "model_id": model.model, "claimed": True, "inside": model.family == "smollm2"} for model in MODELS
        ]


def _predictions(tables: Tables) -> None:
    """A claim's predictions for two models, one of which was scored, and one that expects nothing."""
    key = {"claim_id": "prefix-matching-heads-exist", "claim_version": 1, "of_build": 1, "level": "run"}
    made = {**key, "made_at": "2026-11-22T12:00:00"}
    expected = {"probability": 0.75, "estimate": 0.625, "pi_low": 0.25, "pi_high": 0.875}
    tables["predictions"] += [
        {**made, **expected, "prediction_id": "p1", "subject": "pythia-14m", "basis": "a share <of> others"},
        {**made, **expected, "prediction_id": "p2", "subject": "pythia-70m", "basis": "the same"},
        {**made, "prediction_id": "p3", "subject": "pythia-160m", "basis": "nothing to go by"},
    ]
    scores = {"outcome": 1.0, "brier": 0.0625, "observed": 0.5, "covered": 1.0, "skill": 0.125}
    tables["prediction_scores"].append({"prediction_id": "p1", "evaluation_id": "e1", "n_scored": 5, **scores})


def _correspondences(tables: Tables) -> None:
    """Two models of a family, each with itself; their weights were not measured; and two families."""
    pairs = [("model", "pythia-14m", "pythia-14m"), ("model", "pythia-14m", "pythia-70m")]
    pairs += [("family", "pythia", "smollm2"), ("family", "control-one-layer", "pythia")]
    for (level, a, b), axis in product(pairs, AXES):
        known = axis != "configurational" and a != "control-one-layer"
        tables["correspondences"].append(
            {
                "evaluation_id": "e1",
                "axis": axis,
                "construct": "previous_token",
                "metric_id": f"{axis}_likeness",
                "is_primary": True,
                "level": level,
                "subject_a": a,
                "subject_b": b,
                "value": 0.875 if known else None,
                "chance": 0.5 if known and axis != "developmental" else None,
                "n_pairs": 9 if known else 0,
                "reason": None if known else "the spectra <were> not measured",
            }
        )


def _history(tables: Tables) -> None:
    """Of one claim: an earlier verdict across families, two days of release, an advisory's effect, and a conflict."""
    claim, other = "prefix-matching-heads-exist", "larger-earlier-previous-token"
    [now] = [v for v in tables["verdicts"] if (v["claim_id"], v["level"]) == (claim, "across")]
    before = "fails" if now["verdict"] != "fails" else "holds"
    conditions: dict[str, dict[str, str]] = {
        "e0": {},
        "e1.a": {"released_by": "2023-04-03"},
        "e1.b": {"released_by": "2024-11-01"},
        "e1.c": {"without": "tuned-and-quantised"},
    }
    for name, condition in conditions.items():
        changed = {"evaluation_id": name, "condition": json.dumps(condition), "beside": "e1" if condition else None}
        tables["evaluations"].append({**tables["evaluations"][0], **changed})
        tables["verdicts"].append(
            {**now, "evaluation_id": name, "verdict": "mixed" if name == "e1.b" else before, "n_runs": 5}
        )
    run = next(row for row in tables["checkpoints"] if row["is_final"])
    conflict = {
        "claim_a": claim,
        "claim_b": other,
        "checkpoint_id": run["checkpoint_id"],
        "reason": "One or the other.",
    }
    tables["conflicts"].append(
        {"evaluation_id": "e1", **conflict, "next_measurement": "prefix_matching on pythia-14m."}
    )


def _tables() -> Tables:
    names = (
        "builds schema_info sources families models training_runs checkpoints metrics metric_variants probe_runs "
        "measurements claims evaluations verdicts verdict_runs specifications reference_classes class_members "
        "correspondences predictions prediction_scores advisories conflicts"
    )
    tables: Tables = {name: [] for name in names.split()}
    at = "2026-11-22T12:00:00"
    tables["builds"].append({"build": 1, "built_at": at, "n_entries": 1, "digest": "d" * 64})
    tables["schema_info"].append(
        {"schema_version": 1, "build": 1, "built_at": at, "code_version": "0.1.0", "record_digest": "d" * 64}
    )
    tables["sources"] += [
        {"source_id": "moving-target", "kind": "measured", "citation": "Moving Target 0.1.0"},
        {"source_id": "trott2025", "kind": "published", "citation": "Trott 2025, arXiv:2509.22831", "licence": "none"},
    ]
    tables["advisories"].append(
        {
            "advisory_id": "tuned-and-quantised",
            "scope": json.dumps({"models": ["smollm2-135m-instruct-q4_1"], "suspect": False}),
            "statement": "A tuned model in four bits does not stand for its base model.",
            "citation": LONG_ADDRESS,
            "withdrawn": False,
        }
    )
    tables["evaluations"].append(
        {
            "evaluation_id": "e1",
            "of_build": 1,
            "condition": "{}",
            "evaluated_at": at,
            "code_version": "0.1.0",
            "inputs_digest": "i" * 64,
        }
    )
    fills = (
        _models,
        _metrics,
        _measurements,
        _claims,
        _verdicts,
        _instrument,
        _classes,
        _correspondences,
        _predictions,
    )
    for fill in (*fills, _history):
        fill(tables)
    return tables


def write_catalog(home: Home, tables: Mapping[str, list[dict[str, Any]]]) -> Home:
    """A catalog file with the real schema and views and the given rows."""
    home.root.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(str(home.catalog)) as connection:
        for path in [CATALOG / "schema.sql", *sorted((CATALOG / "views").glob("*.sql"))]:
            connection.execute(path.read_text(encoding="utf-8"))
        for table, rows in tables.items():
            _insert(connection, table, rows)
    return home


def _insert(connection: duckdb.DuckDBPyConnection, table: str, rows: list[dict[str, Any]]) -> None:
    if not rows:
        return
    columns = {name for name, *_ in connection.execute(f"DESCRIBE {table}").fetchall()}
    if "since_build" in columns:
        rows = [{"since_build": 1, **row} for row in rows]
    connection.register("frame", pl.DataFrame(rows, infer_schema_length=None))
    if table == "measurements":
        add_measurements(connection, connection.sql("FROM measurements UNION ALL BY NAME FROM frame").pl().cast(SCHEMA))
    else:
        connection.execute(f"INSERT INTO {table} BY NAME SELECT * FROM frame")


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """The made-up catalog; tests read it only."""
    return write_catalog(Home(tmp_path_factory.mktemp("home")), _tables())


@pytest.fixture(scope="session")
def catalog(home: Home) -> Iterator[duckdb.DuckDBPyConnection]:
    with open_catalog(home) as connection:
        yield connection


@pytest.fixture
def home_with(tmp_path: Path) -> Callable[[Callable[[Tables], None]], Home]:
    """Makes a catalog of its own, its rows changed by the given function."""

    def make(change: Callable[[Tables], None]) -> Home:
        tables = _tables()
        change(tables)
        return write_catalog(Home(tmp_path / "home"), tables)

    return make


@pytest.fixture
def empty_home(tmp_path: Path) -> Home:
    """A catalog with all tables and no rows but its own build."""
    tables = _tables()
    return write_catalog(Home(tmp_path / "empty"), {name: tables[name] for name in ("builds", "schema_info")})


@dataclass
class Element:
    """An element of a parsed page: tag, attributes, the tags that it stands in, and its text so far."""

    tag: str
    attributes: dict[str, str]
    inside: tuple[str, ...]
    text: str = ""


class Parsed(HTMLParser):
    """A page as a flat list of its elements; `all(tag)` finds them."""

    VOID = frozenset({"meta", "link", "br", "wbr", "rect", "path", "circle", "use"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[Element] = []
        self._open: list[Element] = []
        self.feed(html)

    def all(self, tag: str) -> list[Element]:
        return [element for element in self.elements if element.tag == tag]

    def with_attribute(self, name: str) -> list[Element]:
        return [element for element in self.elements if name in element.attributes]

    @property
    def text(self) -> str:
        return self.all("body")[0].text

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {key: value or "" for key, value in attrs}, tuple(e.tag for e in self._open))
        self.elements.append(element)
        if tag not in self.VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(Element(tag, {key: value or "" for key, value in attrs}, tuple(e.tag for e in self._open)))

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop().tag != tag:
            pass

    def handle_data(self, data: str) -> None:
        for element in self._open:
            element.text += data


@pytest.fixture(scope="session")
def parse() -> Callable[[str | bytes], Parsed]:
    """Makes elements of a page's text."""
    return lambda page: Parsed(page if isinstance(page, str) else page.decode())


@pytest.fixture(scope="session")
def files(catalog: duckdb.DuckDBPyConnection) -> dict[str, bytes]:
    """The site of the made-up catalog: files by path."""
    return site.render(catalog)


@pytest.fixture(scope="session")
def pages(files: dict[str, bytes]) -> dict[str, Parsed]:
    """Its pages, parsed."""
    return {path: Parsed(content.decode()) for path, content in files.items() if path.endswith(".html")}
