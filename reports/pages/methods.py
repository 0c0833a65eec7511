"""The methods page: every metric's definition, chance level and source; how reliable it is, what it gives where the
answer is known, known faults of its instrument, the claims that read it; the sources.

Generated from the catalog's own tables. Not here: how verdicts are decided in detail (each claim's page has its rule).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

import duckdb

from reports.html import Page
from reports.pages.evidence import metrics_of
from reports.pages.facts import Facts, Row
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
        min(r.retest) AS retest, max(r.best_head_difference) AS best_head_difference,
        avg(r.split_half) AS mean_split_half, avg(r.retest) AS mean_retest
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
SELECT metric_id, n_models, split_half, retest, best_head_difference, mean_split_half, mean_retest, untrained, shuffled
FROM of_metrics LEFT JOIN known USING (metric_id)
ORDER BY metric_id"""
)

KNOWN_GROUPS = Query(
    """
SELECT metric_id, known_group, count(DISTINCT model_id) AS n_models,
    arg_max(mean_excess, largest_mean_excess) AS mean_excess, max(best_excess) AS best_excess
FROM known_groups
GROUP BY ALL
ORDER BY metric_id, known_group"""
)
"""Excess over chance where the answer is known; of the models of a group the one furthest from 0."""

FAULTS = Query(
    """
WITH advised AS (
    SELECT p.probe_run_id, a.advisory_id, a.statement, a.citation, p.suspect
    FROM advised_probe_runs AS p
    JOIN current_advisories AS a USING (advisory_id)
    WHERE json_extract(a.scope, '$.probes') IS NOT NULL OR json_extract(a.scope, '$.sources') IS NOT NULL
)
SELECT m.metric_id, a.advisory_id, a.statement, a.citation, bool_or(a.suspect) AS suspect,
    count(DISTINCT m.checkpoint_id) AS n_checkpoints
FROM measurements AS m
JOIN advised AS a USING (probe_run_id)
GROUP BY m.metric_id, a.advisory_id, a.statement, a.citation
ORDER BY m.metric_id, a.advisory_id"""
)
"""Advisories about an instrument (a probe or a source) by the metrics whose values they concern."""

STRATEGIES = Query(
    """
SELECT pool, metric_id, quantity, n_models, mean_error_a AS both, mean_error_b AS alone, difference, p, verdict
FROM current_strategy_comparisons
WHERE strategy_a = 'own_early_and_partial_pooling' AND strategy_b = 'own_early' AND n_models > 0
ORDER BY pool, metric_id, variant_id, quantity"""
)


def readers(claims: Sequence[Row]) -> dict[str, list[Row]]:
    """The claims that read each metric, as what they are about or as what is taken off (a placebo)."""
    found: dict[str, list[Row]] = {}
    for claim in claims:
        estimand = json.loads(claim["estimand"])
        for metric in dict.fromkeys([*metrics_of(estimand), *_taken_off(estimand)]):
            found.setdefault(metric, []).append(claim)
    return found


def _taken_off(estimand: Any) -> Iterator[str]:
    if isinstance(estimand, Mapping):
        for key, value in estimand.items():
            if key == "minus" and isinstance(value, str):
                yield value
            elif key != "specifications":
                yield from _taken_off(value)
    elif isinstance(estimand, list):
        for item in estimand:
            yield from _taken_off(item)


def _grouped(rows: list[Row]) -> dict[str, list[Row]]:
    return {metric: list(part) for metric, part in groupby(rows, key=lambda row: row["metric_id"])}


def page(catalog: duckdb.DuckDBPyConnection, facts: Facts) -> Page:
    """The methods page."""
    reliability = RELIABILITY.rows(catalog)
    constructs = [
        (construct, list(rows)) for construct, rows in groupby(METRICS.rows(catalog), key=lambda row: row["construct"])
    ]
    return Page(
        path="methods.html",
        template="methods.html",
        title="Methods",
        values={
            "constructs": constructs,
            "mechanisms": {construct for construct, rows in constructs if len(rows) > 1},
            "variants": _grouped(VARIANTS.rows(catalog)),
            "reliability": reliability,
            "trust": {row["metric_id"]: row for row in reliability},
            "known_groups": _grouped(KNOWN_GROUPS.rows(catalog)),
            "known_groups_query": KNOWN_GROUPS,
            "faults": _grouped(FAULTS.rows(catalog)),
            "faults_query": FAULTS,
            "readers": readers(facts.claims),
            "reliability_query": RELIABILITY,
            "strategies": STRATEGIES.rows(catalog),
            "strategies_query": STRATEGIES,
            "sources": facts.sources,
            "metrics_query": METRICS,
            "variants_query": VARIANTS,
        },
    )
