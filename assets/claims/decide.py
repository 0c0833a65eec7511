"""Deciding: from the evidence in a catalog to the rows of verdicts, verdict_runs and specifications.

    decisions = decide(connection, load_claims("all"), "20261122T101500-ab12cd34")

Deterministic: the same evidence and claims give the same rows in the same order. Reads the view `evidence` and the
tables models, families and training_runs, nothing else; writes nothing. Not here: when to decide and where the rows go.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import polars as pl

from assets.claims.instruments import Faults, instrument_faults, instrument_of, method_claims, read_by
from assets.claims.judging import Judged, Judging
from assets.claims.outcomes import RunOutcome, Verdict
from assets.claims.reading.evidence import Evidence
from assets.claims.robustness import (
    EXAMINED,
    flips_by_choice,
    flips_without,
    robustness,
    told_of_placebo,
    told_of_thresholds,
)
from assets.claims.schema import Claim, claim_row
from assets.claims.subjects import MODELS, Subjects, checkpoints_of_runs, read_subjects
from assets.study import digest
from catalog.record import canonical_json

DECISION_VERSION = 2
"""Raised whenever the same evidence and claims may be decided otherwise."""

COLUMNS = (
    "checkpoint_id, run_id, model_id, family_id, role, step, tokens_seen, is_final, variant_id, metric_id, "
    "CAST(parameters AS VARCHAR) AS parameters, layer, head, sender_layer, sender_head, stratum, "
    "value, value_a, value_b, chance, excess, standard_error, n, provenance, source_id"
)
DIGEST_COLUMNS = (
    "checkpoint_id, run_id, model_id, family_id, role, step, tokens_seen, is_final, variant_id, layer, head, "
    "sender_layer, sender_head, stratum, value, value_a, value_b, chance, excess, standard_error, n, provenance, "
    "source_id"
)
Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Decisions:
    """Rows of the catalog tables of these names."""

    verdicts: Rows
    verdict_runs: Rows
    specifications: Rows


@dataclass(frozen=True)
class Material:
    """What verdicts are made of: whom they are about, what was measured, and which instruments failed their checks."""

    subjects: Subjects
    evidence: Evidence
    faults: Faults


def read_material(connection: duckdb.DuckDBPyConnection, claims: Sequence[Claim], view: str = "evidence") -> Material:
    """Everything that the claims read.

    Args:
        connection: to a catalog, read-only or not.
        view: `evidence`, or a relation with its columns.
    """
    subjects = read_subjects(connection, view)
    metrics = metrics_of(claims)
    retests = _evidence(connection, "retests", metrics, subjects)
    evidence = _evidence(connection, view, metrics, subjects, retests)
    faults = instrument_faults(claims, subjects, evidence)
    return Material(subjects, evidence, faults)


def _evidence(
    connection: duckdb.DuckDBPyConnection,
    view: str,
    metrics: Sequence[str],
    subjects: Subjects,
    retests: Evidence | None = None,
) -> Evidence:
    return Evidence(
        read_rows(connection, metrics, view),
        adds_bos={name: model["adds_bos"] for name, model in subjects.models.items()},
        n_layers={name: model["n_layers"] for name, model in subjects.models.items()},
        designs=subjects.models,
        retests=retests,
    )


def read_rows(connection: duckdb.DuckDBPyConnection, metrics: Sequence[str], view: str = "evidence") -> pl.DataFrame:
    """The rows of these metrics; texts as categories, since they repeat and take half of the memory otherwise."""
    query = f"SELECT {COLUMNS} FROM {view} WHERE list_contains($1, metric_id)"
    rows = connection.sql(query, params=[metrics]).pl(lazy=True)
    return rows.with_columns(pl.col(pl.String).cast(pl.Categorical)).collect(engine="streaming")


def decide(connection: duckdb.DuckDBPyConnection, claims: Sequence[Claim], evaluation_id: str) -> Decisions:
    """Decides every claim at each of its levels, for every subject in the catalog.

    Args:
        connection: to a catalog, read-only or not.
        claims: each is decided by itself.
        evaluation_id: that the rows will carry.
    """
    return decide_on(read_material(connection, claims), claims, evaluation_id)


def decide_on(material: Material, claims: Sequence[Claim], evaluation_id: str) -> Decisions:
    """The same on what was read."""
    made = Decisions([], [], [])
    for claim in claims:
        _decide_one(claim, material, evaluation_id, made)
    return made


def metrics_of(claims: Sequence[Claim]) -> list[str]:
    """Every metric that the claims or their alternatives read, and the placebos that these and the gate read."""
    found: set[str] = set()
    for metric, _ in read_by(claims):
        instrument = instrument_of(metric)
        placebo = instrument.checks.placebo if instrument else None
        found |= {metric, *([placebo] if placebo else [])}
    return sorted(found)


def _decide_one(claim: Claim, material: Material, evaluation_id: str, made: Decisions) -> None:
    subjects, evidence = material.subjects, material.evidence
    faults = {} if claim.gates_others else material.faults
    own = Judging(claim, claim.estimand, subjects, evidence, faults, examine=True).all()
    others: dict[tuple[str, str], dict[str, Judged]] = {}
    variants = claim.variants()
    for name, (_, estimand) in variants.items():
        for judged in Judging(claim, estimand, subjects, evidence, faults).all():
            if judged.level != "run":
                others.setdefault((judged.level, judged.subject), {})[name] = judged
    for judged in own:
        key = _key(evaluation_id, claim, judged)
        specified = others.get((judged.level, judged.subject), {})
        single = {name: specified[name].ruling.verdict for name in specified if len(variants[name][0]) == 1}
        every = [other.ruling.verdict for other in specified.values()]
        made.verdicts.append(verdict_row(evaluation_id, claim, judged, material, single, every))
        made.verdict_runs.extend({**key, **row} for row in _run_rows(judged, evidence))
        made.specifications.extend(
            {
                **key,
                "specification_id": name,
                "dimensions": variants[name][0],
                "verdict": other.ruling.verdict,
                "estimate": _plain(other.ruling.estimate),
                "ci_low": _plain(other.ruling.low),
                "ci_high": _plain(other.ruling.high),
            }
            for name, other in specified.items()
            if judged.ruling.verdict in EXAMINED or other.ruling.verdict in EXAMINED
        )


def _key(evaluation_id: str, claim: Claim, judged: Judged) -> dict[str, Any]:
    key: dict[str, Any] = {"evaluation_id": evaluation_id, "claim_id": claim.id, "claim_version": claim.version}
    return {**key, "level": judged.level, "subject": judged.subject}


def verdict_row(
    evaluation_id: str,
    claim: Claim,
    judged: Judged,
    material: Material,
    single: Mapping[str, Verdict] | None = None,
    every: Sequence[Verdict] = (),
) -> dict[str, Any]:
    """A row of the catalog table `verdicts`.

    Args:
        single: by specification that differs from the claim in one dimension, the verdict under it.
        every: the verdicts under all specifications.
    """
    single = single or {}
    ruling = judged.ruling
    included = [material.subjects.runs[run_id] for run_id in sorted(judged.included)]
    alone = sum(run.no_placebo for run in judged.runs if run.run_id in judged.included)
    told = told_of_thresholds(ruling.verdict, single) + told_of_placebo(alone, len(included))
    flips = [*ruling.flips, *flips_without(ruling.verdict, judged.without), *flips_by_choice(ruling.verdict, single)]
    return {
        **_key(evaluation_id, claim, judged),
        "verdict": ruling.verdict,
        "unit": ruling.unit,
        "estimate": _plain(ruling.estimate),
        "ci_low": _plain(ruling.low),
        "ci_high": _plain(ruling.high),
        "pi_low": _plain(ruling.pi_low),
        "pi_high": _plain(ruling.pi_high),
        "tau": _plain(ruling.tau),
        "n_h": ruling.n_h,
        "n_f": ruling.n_f,
        "n_u": ruling.n_u,
        "n_runs": len(included),
        "n_models": len({run.model_id for run in included}),
        "n_families": len({run.family_id for run in included}),
        "robustness": robustness(ruling.verdict, every, judged.without, no_placebo=alone > 0),
        "exploratory": _exploratory(claim, judged, material),
        "flips_when": flips,
        "reason": ruling.reason + told,
    }


def _exploratory(claim: Claim, judged: Judged, material: Material) -> bool:
    """Whether some of what the verdict rests on was known when the criterion was fixed."""
    seen = claim.data_seen_before
    if seen is None:
        return False
    return any(
        material.subjects.runs[run.run_id].family_id in seen.families
        or material.evidence.sources(run.run_id, run.variant_id) & set(seen.sources)
        for run in judged.runs
        if run.run_id in judged.included
    )


def _run_rows(judged: Judged, evidence: Evidence) -> Iterable[dict[str, Any]]:
    """The rows of verdict_runs; weights where the units of the ruling are the included runs."""
    counted = [run.run_id for run in judged.runs if run.run_id in judged.included]
    weights = (
        dict(zip(counted, judged.ruling.weights, strict=True)) if len(judged.ruling.weights) == len(counted) else {}
    )
    for run in judged.runs:
        included = run.run_id in judged.included
        yield {
            "run_id": run.run_id,
            "outcome": run.outcome,
            "estimate": _plain(run.estimate),
            "standard_error": _plain(run.standard_error),
            "weight": weights.get(run.run_id) if judged.level in ("run", "model") else None,
            "variant_id": run.variant_id,
            "provenance": evidence.provenance(run.run_id, run.variant_id),
            "included": included,
            "reason": _why(run, included),
        }


def _why(run: RunOutcome, included: bool) -> str | None:
    return run.reason or (None if included else "its model or family has no verdict at this level")


def _plain(value: float | None) -> float | None:
    """A number for the record, which holds no NaN and no infinity."""
    return None if value is None or not math.isfinite(value) else float(value)


def evidence_digest(connection: duckdb.DuckDBPyConnection, claims: Sequence[Claim]) -> str:
    """sha256 over all that decides the verdicts: evidence and subjects that are read, the claims, DECISION_VERSION.

    The rows' own hashes are added up inside the database, so their order does not matter and none of them is fetched.
    """
    rows = "SELECT {} FROM {} WHERE list_contains($1, metric_id)"
    metrics = metrics_of(claims)
    content = {
        "version": DECISION_VERSION,
        "claims": [claim_row(claim)["file_sha256"] for claim in sorted(claims, key=lambda claim: claim.id)],
        "gates": [claim_row(claim)["file_sha256"] for claim in method_claims()],
        "evidence": sum_of_hashes(connection, rows.format(DIGEST_COLUMNS, "evidence"), [metrics]),
        "retests": sum_of_hashes(connection, rows.format(DIGEST_COLUMNS, "retests"), [metrics]),
        "checkpoints": sum_of_hashes(connection, checkpoints_of_runs()),
        "models": sum_of_hashes(connection, MODELS),
        "families": sum_of_hashes(connection, "SELECT family_id, role, organisation FROM families"),
        "runs": sum_of_hashes(connection, "SELECT run_id, model_id FROM training_runs"),
    }
    return digest(canonical_json(content))


def sum_of_hashes(connection: duckdb.DuckDBPyConnection, query: str, parameters: Sequence[Any] = ()) -> str:
    """Number of rows and sum of the rows' 64-bit md5 prefixes: equal for equal sets of rows."""
    text = f"SELECT count(*), sum(md5_number_lower(CAST(q AS VARCHAR))::HUGEINT) FROM ({query}) AS q"
    [(n, total)] = connection.execute(text, list(parameters)).fetchall()
    return f"{n}:{total}"
