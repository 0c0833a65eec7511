"""What several pages need from the catalog, read once: claims, families, models, runs, verdicts, advisories.

Here: the queries and one frozen holder. Not here: measurements, which each page asks for itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import duckdb

from reports.pages.matrix import VERDICTS
from reports.query import Query

Row = dict[str, Any]

CLAIMS = Query(
    """
SELECT * FROM claims
QUALIFY row_number() OVER (PARTITION BY claim_id ORDER BY claim_version DESC) = 1
ORDER BY axis, claim_id"""
)
FAMILIES = Query(
    """
SELECT f.*,
    (SELECT count(*) FROM models AS m WHERE m.family_id = f.family_id) AS n_models,
    (SELECT count(*) FROM training_runs JOIN models AS m USING (model_id) WHERE m.family_id = f.family_id) AS n_runs
FROM families AS f
ORDER BY CASE f.role WHEN 'natural' THEN 0 WHEN 'calibration' THEN 1 ELSE 2 END, f.family_id"""
)
MODELS = Query("SELECT * FROM models ORDER BY family_id, n_params NULLS LAST, model_id")
RUNS = Query(
    """
SELECT r.*, m.family_id
FROM training_runs AS r JOIN models AS m USING (model_id)
ORDER BY m.family_id, m.n_params NULLS LAST, model_id, r.seed, r.run_id"""
)
ADVISED = Query(
    """
SELECT DISTINCT a.advisory_id, a.statement, a.citation, a.known_on, p.suspect, r.run_id, r.model_id, m.family_id
FROM advised_probe_runs AS p
JOIN current_advisories AS a USING (advisory_id)
JOIN checkpoints AS c ON c.checkpoint_id = p.checkpoint_id
JOIN training_runs AS r ON r.run_id = c.run_id
JOIN models AS m ON m.model_id = r.model_id
ORDER BY a.advisory_id, r.run_id"""
)
SOURCES = Query("SELECT * FROM sources ORDER BY kind, source_id")
COUNTS = Query(
    """
SELECT
    (SELECT count(*) FROM checkpoints) AS checkpoints,
    (SELECT CAST(coalesce(sum(n_rows), 0) AS BIGINT) FROM probe_runs) AS measurements,
    (SELECT count(*) FROM metrics) AS metrics,
    (SELECT count(*) FROM probe_runs WHERE status = 'failed') AS failed"""
)
CONSTRUCTS = Query("SELECT metric_id, construct FROM metrics ORDER BY metric_id")
BUILD = Query("SELECT build, CAST(built_at AS DATE) AS built_on, code_version, record_digest FROM schema_info")


@dataclass(frozen=True)
class Facts:
    """The catalog's entities as rows, in the order in which pages show them."""

    claims: list[Row]
    families: list[Row]
    models: list[Row]
    runs: list[Row]
    verdicts: list[Row]
    advised: list[Row]
    sources: list[Row]
    counts: Row
    constructs: dict[str, str]
    """By metric."""
    build: Row

    def models_of(self, family: str) -> list[Row]:
        return [model for model in self.models if model["family_id"] == family]

    def advisories(self, key: str, names: set[str]) -> list[Row]:
        """Advisories that concern probe runs of these runs, models or families (`key`), each once."""
        found: dict[str, Row] = {}
        for row in self.advised:
            if row[key] in names:
                entry = found.setdefault(row["advisory_id"], {**row, "models": []})
                if row["model_id"] not in entry["models"]:
                    entry["models"].append(row["model_id"])
        return list(found.values())


def read(catalog: duckdb.DuckDBPyConnection) -> Facts:
    """All of it."""
    return Facts(
        claims=CLAIMS.rows(catalog),
        families=FAMILIES.rows(catalog),
        models=MODELS.rows(catalog),
        runs=RUNS.rows(catalog),
        verdicts=VERDICTS.rows(catalog),
        advised=ADVISED.rows(catalog),
        sources=SOURCES.rows(catalog),
        counts=COUNTS.rows(catalog)[0],
        constructs={row["metric_id"]: row["construct"] for row in CONSTRUCTS.rows(catalog)},
        build=BUILD.rows(catalog)[0],
    )
