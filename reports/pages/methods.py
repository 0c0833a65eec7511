"""The methods page: every metric's definition, chance level and source; how reliable it is; the sources.

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

RELIABILITY = Query(
    """
WITH of_metrics AS (
    SELECT r.metric_id, count(DISTINCT r.model_id) AS n_models, min(r.split_half) AS split_half,
        min(r.retest) AS retest, max(r.best_head_difference) AS best_head_difference
    FROM reliability AS r
    JOIN families AS f USING (family_id)
    WHERE f.role <> 'control'
    GROUP BY ALL
),
known AS (
    PIVOT (
        SELECT metric_id, known_group, max(largest_mean_excess) AS excess
        FROM known_groups
        WHERE known_group IN ('step 0', 'shuffled targets')
        GROUP BY ALL
    ) ON known_group IN ('step 0' AS untrained, 'shuffled targets' AS shuffled) USING any_value(excess)
)
SELECT metric_id, n_models, split_half, retest, best_head_difference, untrained, shuffled
FROM of_metrics LEFT JOIN known USING (metric_id)
ORDER BY metric_id"""
)

STRATEGIES = Query(
    """
SELECT pool, metric_id, quantity, n_models, mean_error_a AS both, mean_error_b AS alone, difference, p, verdict
FROM current_strategy_comparisons
WHERE strategy_a = 'own_early_and_partial_pooling' AND strategy_b = 'own_early' AND n_models > 0
ORDER BY pool, metric_id, variant_id, quantity"""
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
            "reliability": RELIABILITY.rows(catalog),
            "reliability_query": RELIABILITY,
            "strategies": STRATEGIES.rows(catalog),
            "strategies_query": STRATEGIES,
            "sources": facts.sources,
            "metrics_query": METRICS,
            "variants_query": VARIANTS,
        },
    )
