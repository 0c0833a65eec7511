"""The methods page: every metric's definition, chance level and source; what was measured with it; the sources.

Generated from the catalog's own tables. Not here: how verdicts are decided in detail (each claim's page has its rule).
"""

from __future__ import annotations

from itertools import groupby

import duckdb

from reports.html import Page
from reports.pages.facts import Facts
from reports.query import Query

METRICS = Query("SELECT * FROM metrics ORDER BY construct, metric_id")
VARIANTS = Query(
    """
SELECT v.metric_id, v.variant_id, v.parameters, v.label,
    count(*) AS n_values, count(DISTINCT m.checkpoint_id) AS n_checkpoints,
    bool_or(p.provenance = 'published') AS is_published, bool_or(p.provenance = 'measured') AS is_measured
FROM metric_variants AS v
JOIN measurements AS m USING (variant_id)
JOIN probe_runs AS p ON p.probe_run_id = m.probe_run_id
GROUP BY ALL
ORDER BY v.metric_id, v.variant_id"""
)


def page(catalog: duckdb.DuckDBPyConnection, facts: Facts) -> Page:
    """The methods page."""
    variants = VARIANTS.rows(catalog)
    constructs = [
        (construct, list(rows)) for construct, rows in groupby(METRICS.rows(catalog), key=lambda row: row["construct"])
    ]
    return Page(
        path="methods.html",
        template="methods.html",
        title="Methods",
        values={
            "constructs": constructs,
            "variants": {metric: list(rows) for metric, rows in groupby(variants, key=lambda row: row["metric_id"])},
            "sources": facts.sources,
            "metrics_query": METRICS,
            "variants_query": VARIANTS,
        },
    )
