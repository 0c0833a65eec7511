"""A record of any size, as measuring writes it: an entry and a Parquet file a probe run, made in minutes.

Natural families of four sizes, five training runs each; every checkpoint was measured once by the attention probe, four
metrics on 16 x 16 heads: 1,024 rows. One evaluation holds verdicts of the whole library on every subject; they are made
up, as the values are. Everything goes through the real `Record`, less the waiting for the disk after each file.
Not here: what is measured on it (scale.py).
"""

from __future__ import annotations

import math
import multiprocessing
from collections import deque
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from assets.claims.recording import put_claims
from assets.claims.schema import Claim
from assets.probes.registry import Parameters, all_metrics, canonical, variant_id
from assets.study import Study
from catalog.home import Home
from catalog.record import Record
from catalog.store import FolderStore

LAYERS, HEADS_OF_LAYER = 16, 16
RUNS_OF_MODEL, MODELS_OF_FAMILY = 5, 4
LAST_STEP = 143_000
REPEATED: Parameters = {"input": "repeated", "n": 50, "m": 2, "bos": False}
DISTINCT: Parameters = {"input": "distinct", "n": 50, "bos": False}
OF_HEADS: dict[str, Parameters] = {
    "prefix_matching": REPEATED,
    "prefix_matching_placebo": {**REPEATED, "input": "distinct"},
    "previous_token": DISTINCT,
    "first_token": DISTINCT,
}
ROWS_OF_CHECKPOINT = LAYERS * HEADS_OF_LAYER * len(OF_HEADS)
CHANCE = 0.014
WORDS = ("holds", "fails", "mixed", "inconclusive")


class Size(NamedTuple):
    """Training runs, and checkpoints of each."""

    runs: int
    checkpoints: int

    @property
    def rows(self) -> int:
        return self.runs * self.checkpoints * ROWS_OF_CHECKPOINT


def size_of(n_rows: int) -> Size:
    """At least so many rows: 100 checkpoints a run from 40 runs on, fewer checkpoints below."""
    probe_runs = math.ceil(n_rows / ROWS_OF_CHECKPOINT)
    runs = max(2 * RUNS_OF_MODEL * MODELS_OF_FAMILY, math.ceil(probe_runs / 100))
    return Size(runs, max(2, math.ceil(probe_runs / runs)))


class Unsynced(FolderStore):
    """A folder whose files are written plainly: nothing waits for the disk, and nobody else writes."""

    def write_new(self, path: str, content: bytes) -> bool:
        file = self._root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        return True


def record_of(home: Home) -> Record:
    record = Record(home)
    record.store = Unsynced(home.record)
    return record


def make(home: Home, size: Size, processes: int = 2) -> None:
    """Writes the record into an empty home."""
    record = record_of(home)
    claims = put_claims(record, Study(name="scale", families=[], probes=[]))
    put_facts(record, size)
    put_run = partial(put_training_run, home, size.checkpoints)
    if processes == 1:
        deque(map(put_run, range(size.runs)), maxlen=0)
    else:
        with multiprocessing.get_context("spawn").Pool(processes) as pool:
            pool.map(put_run, range(size.runs), chunksize=1)
    put_evaluation(record, claims, size)


def model_of(run: int) -> int:
    return run // RUNS_OF_MODEL


def family_of(model: int) -> int:
    return model // MODELS_OF_FAMILY


def put_facts(record: Record, size: Size) -> None:
    """Source, metrics, variants, families and models."""
    record.put("sources", "moving-target", {"sources": [{"source_id": "moving-target", "kind": "measured"}]})
    for metric in all_metrics():
        if metric.metric_id in OF_HEADS:
            record.put("metrics", metric.metric_id, {"metrics": [vars(metric)]})
    for metric_id, of in OF_HEADS.items():
        variant = {"variant_id": variant_id(metric_id, of), "metric_id": metric_id, "parameters": canonical(of)}
        record.put(
            "metric_variants",
            variant["variant_id"],
            {"metric_variants": [{**variant, "label": metric_id, "is_default": True}]},
        )
    models = range(model_of(size.runs) + 1)  # that of one more run too
    for family in range(family_of(models[-1]) + 1):
        row = {"family_id": f"family{family}", "role": "natural", "organisation": "someone"}
        record.put("families", f"family{family}", {"families": [row]})
    for model in models:
        row = {
            "model_id": f"model{model}",
            "family_id": f"family{family_of(model)}",
            "n_params": 14_000_000 * 3 ** (model % MODELS_OF_FAMILY),
            "n_layers": LAYERS,
            "n_heads": HEADS_OF_LAYER,
            "architecture": "gpt_neox",
            "attention": "softmax",
        }
        record.put("models", f"model{model}", {"models": [row]})


def put_training_run(home: Home, n_checkpoints: int, run: int) -> None:
    """A training run, its checkpoints and their probe runs; values are random, the same for the same run."""
    record, random, run_id = record_of(home), np.random.default_rng(run), f"model{model_of(run)}-seed{run}"
    row = {"run_id": run_id, "model_id": f"model{model_of(run)}", "seed": run}
    record.put("training_runs", run_id, {"training_runs": [row]})
    places = _places()
    for number in range(n_checkpoints):
        share = number / (n_checkpoints - 1)
        weights = f"{run:032x}{number:032x}"
        checkpoint = _checkpoint_row(run_id, round(LAST_STEP * share), number == n_checkpoints - 1, weights)
        record.put("checkpoints", checkpoint["checkpoint_id"], {"checkpoints": [checkpoint]})
        values = _values(places, random, share)
        record.put_probe_run(_probe_run_row(checkpoint["checkpoint_id"], weights), values)


def _checkpoint_row(run_id: str, step: int, is_final: bool, weights: str) -> dict[str, Any]:
    return {
        "checkpoint_id": f"{run_id}@step{step}",
        "run_id": run_id,
        "label": f"step{step}",
        "step": step,
        "tokens_seen": step * 2_097_152,
        "is_final": is_final,
        "availability": "available",
        "weights_sha256": weights,
    }


def _probe_run_row(checkpoint_id: str, weights: str) -> dict[str, Any]:
    return {
        "checkpoint_id": checkpoint_id,
        "weights_sha256": weights,
        "probe": "attention",
        "probe_version": 2,
        "parameters": '{"m":2,"n":50,"n_sequences":32}',
        "provenance": "measured",
        "source_id": "moving-target",
        "status": "ok",
        "sample_seed": 0,
        "dtype": "float32",
        "device": "cpu",
        "versions": '{"moving-target":"0.1.0","torch":"2.13.0+cpu","transformers":"5.23.0"}',
        "cache_key": weights[24:],
    }


def _places() -> pl.DataFrame:
    """What one probe run measures: metric, variant, layer, head, and what is the same in all of them."""
    metric, layer, head = (axis.ravel() for axis in np.indices((len(OF_HEADS), LAYERS, HEADS_OF_LAYER)))
    names = list(OF_HEADS)
    variants = [variant_id(name, of) for name, of in OF_HEADS.items()]
    return pl.DataFrame(
        {
            "variant_id": [variants[i] for i in metric],
            "metric_id": [names[i] for i in metric],
            "layer": layer.astype(np.int32),
            "head": head.astype(np.int32),
            "sender_layer": pl.Series([None] * metric.size, dtype=pl.Int32),
            "sender_head": pl.Series([None] * metric.size, dtype=pl.Int32),
            "stratum": "",
            "chance": CHANCE,
            "n": pl.Series([32] * metric.size, dtype=pl.Int32),
        }
    )


def _values(places: pl.DataFrame, random: np.random.Generator, share: float) -> pl.DataFrame:
    """Scores at chance before training, some of which grow with the share of training that is done."""
    value = CHANCE + share * random.beta(0.3, 3, places.height)
    apart = random.normal(0, 1e-3, places.height)
    return places.with_columns(
        value=value, value_a=value + apart, value_b=value - apart, standard_error=np.abs(apart) + 1e-4
    )


def put_evaluation(record: Record, claims: list[Claim], size: Size) -> None:
    """Verdicts of all claims at every level."""
    runs = range(size.runs)
    models = range(model_of(runs[-1]) + 1)
    subjects = [
        ("across", "all"),
        *(("family", f"family{family}") for family in range(family_of(models[-1]) + 1)),
        *(("model", f"model{model}") for model in models),
        *(("run", f"model{model_of(run)}-seed{run}") for run in runs),
    ]
    evaluation = {
        "evaluation_id": "20260101t000000-scale",
        "of_build": 1,
        "condition": "{}",
        "evaluated_at": "2026-01-01T00:00:00",
        "code_version": "0.1.0",
        "inputs_digest": "made up",
    }
    rows: dict[str, list[dict[str, Any]]] = {"verdicts": [], "verdict_runs": [], "specifications": []}
    for number, claim in enumerate(claims):
        key = {"evaluation_id": evaluation["evaluation_id"], "claim_id": claim.id, "claim_version": claim.version}
        for place, (level, subject) in enumerate(subjects):
            word = WORDS[(number + place) % len(WORDS)]
            of = {**key, "level": level, "subject": subject}
            bounds = {"estimate": 0.3, "ci_low": 0.2, "ci_high": 0.4}
            counts = {"n_h": 3, "n_f": 1, "n_u": 1, "n_runs": 5, "n_models": 1, "n_families": 1}
            rows["verdicts"].append(
                {**of, **bounds, **counts, "verdict": word, "exploratory": False, "flips_when": [], "reason": "None."}
            )
            if level != "run":
                rows["specifications"] += [
                    {**of, **bounds, "specification_id": f"k={k}", "dimensions": {"k": k}, "verdict": word}
                    for k in range(6)
                ]
        rows["verdict_runs"] += [
            {
                **key,
                "level": "model",
                "subject": f"model{model_of(run)}",
                "run_id": f"model{model_of(run)}-seed{run}",
                "outcome": "h",
                "estimate": 0.3,
                "standard_error": 0.05,
                "included": True,
            }
            for run in runs
        ]
    record.put_evaluation(evaluation, rows)
