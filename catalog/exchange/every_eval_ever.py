"""Results on behaviour in the schema of Every Eval Ever, version 0.3.0 (https://github.com/evaleval/every_eval_ever).

One JSON file for each final checkpoint and probe, in the folders that the project's data store has:
data/COLLECTION/DEVELOPER/MODEL/UUID.json. Its own validator checks them: `every_eval_ever validate
'FOLDER/data/*/*/*/*.json'`. What others published is left out: it is theirs to submit. Not here: reading such files
(assets/published/every_eval_ever.py).
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any

import duckdb

from catalog.errors import UserError
from catalog.exchange.folders import new_folder
from catalog.exchange.tables import Say
from catalog.home import Home
from catalog.read import open_catalog

SCHEMA_VERSION = "0.3.0"
OURS = "moving-target"
LOWER_IS_BETTER = {
    "icl_score": True,
    "icl_score_paired": True,
    "icl_score_t120_16": True,
    "icl_score_t240_32": True,
    "icl_score_t60_8": True,
    "repeat_gain": False,
    "repeat_loss": True,
    "repeat_recall": False,
    "text_bits_per_byte": True,
    "text_loss": True,
    "token_loss": True,
}
"""The metrics that are exported: what a model does, at the grain of checkpoints."""
RELATIONSHIPS = {"calibration": "first_party", "hub": "third_party", "gguf": "third_party"}
"""Who measures whose model, by where its weights come from; weights of a folder may be the user's own or not."""
LONGEST_NAME = 100
RESERVED = {"data", "con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))}
"""Names that the data store or Windows keeps for itself."""

RESULTS = """
    SELECT e.run_id, e.model_id, e.checkpoint_id, e.family_id, e.role, e.label, e.step, e.tokens_seen,
        f.organisation, o.n_params, o.precision,
        p.probe, p.probe_version, p.dtype, p.device, p.versions, coalesce(p.started_at, p.recorded_at) AS started_at,
        p.recorded_at, p.weights_sha256, w.source, w.location, w.commit_sha,
        e.metric_id, e.variant_id, e.parameters, e.stratum, e.value, e.chance, e.standard_error, e.n,
        m.unit, m.lower, m.upper, m.definition
    FROM evidence AS e
    JOIN metrics AS m USING (metric_id)
    JOIN probe_runs AS p USING (probe_run_id)
    JOIN models AS o ON o.model_id = e.model_id
    JOIN families AS f ON f.family_id = e.family_id
    LEFT JOIN (
        FROM checkpoint_weights
        QUALIFY row_number() OVER (PARTITION BY checkpoint_id, weights_sha256 ORDER BY since_build DESC) = 1
    ) AS w ON w.checkpoint_id = e.checkpoint_id AND w.weights_sha256 = p.weights_sha256
    WHERE e.is_final AND e.provenance = 'measured' AND e.head IS NULL AND e.layer IS NULL AND isfinite(e.value)
        AND m.grain = 'checkpoint' AND list_contains($metrics, e.metric_id)
    ORDER BY p.probe, e.run_id, e.checkpoint_id, e.variant_id, e.stratum
"""

Row = dict[str, Any]


def export_results(home: Home, folder: Path, say: Say) -> int:
    """Writes the results of the last published catalog into a new folder.

    Returns:
        The number of files.

    Raises:
        UserError: there is no catalog, it holds no such results, the folder is taken, or the disk refuses.
    """
    with open_catalog(home) as connection, new_folder(folder) as beside:
        number = 0
        for number, (path, content) in enumerate(records(connection), start=1):
            file = beside / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
            say(f"{number}: {content['model_info']['id']}, {content['evaluation_results'][0]['evaluation_name']}")
        if not number:
            raise UserError(
                "The catalog holds no results on behaviour that were measured here.",
                where=str(home.catalog),
                mend="Run a study with the probes repeats or text_loss first.",
            )
    return number


def records(connection: duckdb.DuckDBPyConnection) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Every record with its path in the data store, in the order of probes and training runs."""
    found = connection.execute(RESULTS, {"metrics": list(LOWER_IS_BETTER)})
    names = [column[0] for column in found.description or ()]
    rows = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
    for _, group in groupby(rows, key=lambda row: (row["probe"], row["checkpoint_id"])):
        yield _record(list(group))


def _record(rows: list[Row]) -> tuple[Path, dict[str, Any]]:
    """The record of one probe on one checkpoint; measured in several executions, it has the time of the last."""
    row = max(rows, key=lambda row: row["recorded_at"])
    collection = safe_name(f"{OURS}-{row['probe']}")
    developer, model = _identity(row)
    recorded = str(int(_utc(row["recorded_at"]).timestamp()))
    versions = json.loads(row["versions"] or "{}")
    content = {
        "schema_version": SCHEMA_VERSION,
        "evaluation_id": f"{collection}/{developer}/{model}/{recorded}",
        "evaluation_timestamp": _utc(row["started_at"]).isoformat(),
        "retrieved_timestamp": recorded,
        "source_metadata": {
            "source_name": "Moving Target",
            "source_type": "evaluation_run",
            "source_organization_name": "Moving Target",
            "evaluator_relationship": RELATIONSHIPS.get(row["source"], "other"),
        },
        "eval_library": {
            "name": OURS,
            "version": versions.get(OURS, "unknown"),
            "additional_details": _texts(
                {**versions, "probe": row["probe"], "probe_version": row["probe_version"], "device": row["device"]}
            ),
        },
        "model_info": {
            "name": row["run_id"] or model,
            "id": f"{developer}/{model}",
            "developer": developer,
            "inference_platform": "local",
            "inference_engine": {"name": "transformers", "version": versions.get("transformers", "unknown")},
            "additional_details": {
                "deployment_type": "self_deployed",
                "model_availability": "open_weights" if row["source"] in {"hub", "gguf"} else "unknown",
                **_texts(
                    {
                        "checkpoint_id": row["checkpoint_id"],
                        "revision": row["label"],
                        "commit_sha": row["commit_sha"],
                        "weights_sha256": row["weights_sha256"],
                        "step": row["step"],
                        "tokens_seen": row["tokens_seen"],
                        "catalog_model_id": row["model_id"],
                        "catalog_family_id": row["family_id"],
                        "family_role": row["role"],
                        "n_params": row["n_params"],
                        "stored_precision": row["precision"],
                        "computed_in": row["dtype"],
                    }
                ),
            },
        },
        "evaluation_results": [_result(row) for row in rows],
    }
    return Path("data", collection, developer, model, f"{_uuid(collection, row['checkpoint_id'])}.json"), content


def _result(row: Row) -> dict[str, Any]:
    parameters = json.loads(row["parameters"])
    uncertainty: dict[str, Any] = {}
    if row["standard_error"] is not None:
        uncertainty["standard_error"] = {"value": row["standard_error"], "method": "analytic"}
    if row["n"] is not None:
        uncertainty["num_samples"] = row["n"]
    score: dict[str, Any] = {"score": row["value"]}
    if row["chance"] is not None:
        score["details"] = {"chance": repr(row["chance"])}
    if uncertainty:
        score["uncertainty"] = uncertainty
    part = f" ({row['stratum']})" if row["stratum"] else ""
    return {
        "evaluation_result_id": f"{row['variant_id']}#{row['stratum']}",
        "evaluation_name": f"{row['probe']}{part}",
        "source_data": {
            "dataset_name": str(parameters.get("corpus") or f"generated tokens: {parameters.get('input', 'random')}"),
            "source_type": "other",
        },
        "metric_config": {
            "evaluation_description": row["definition"],
            "metric_id": f"{OURS}.{row['metric_id']}",
            "metric_name": row["metric_id"],
            "metric_unit": row["unit"],
            "metric_parameters": {**parameters, "stratum": row["stratum"]},
            "lower_is_better": LOWER_IS_BETTER[row["metric_id"]],
            "score_type": "continuous",
            "min_score": "-Infinity" if row["lower"] is None else row["lower"],
            "max_score": "Infinity" if row["upper"] is None else row["upper"],
        },
        "score_details": score,
    }


def _identity(row: Row) -> tuple[str, str]:
    """Developer and model as parts of a path: those of the repository on its hub, else organisation and run."""
    repository = row["location"] if row["source"] == "hub" else ""
    developer, _, model = (repository or "").partition("/")
    if developer and model:
        return safe_name(developer), safe_name(model)
    return safe_name("-".join((row["organisation"] or OURS).split())), safe_name(row["run_id"])


def safe_name(text: str) -> str:
    """A text as one part of a path on any system: never empty, `..` or too long, and other texts stay other names."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "_", text).strip(".")
    if name.partition(".")[0].casefold() in RESERVED or not name:
        name = f"_{name}"
    if name == text and len(name) <= LONGEST_NAME:
        return name
    mark = hashlib.sha256(text.encode()).hexdigest()[:8]
    return f"{name[: LONGEST_NAME - 9]}-{mark}"


def _uuid(*parts: str) -> str:
    """A UUID of version 4 in form, the same for the same parts."""
    drawn = hashlib.sha256("\0".join(parts).encode()).digest()
    return str(uuid.UUID(bytes=drawn[:16], version=4))


def _texts(values: dict[str, Any]) -> dict[str, str]:
    """What is known, as the texts that the schema asks for."""
    return {name: str(value) for name, value in values.items() if value is not None}


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC)
