"""A page per construct that two metrics or more are meant to measure: the metrics side by side, whether they agree, how
reliable each is, where they come apart; and an index of these pages.

Here: what stands on the pages. Not here: the correlations (agreement.py), a metric's full card (methods.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from statistics import mean

import duckdb

from reports.charts import agreement as charts
from reports.html import Page, mechanism_path
from reports.pages import agreement
from reports.pages.facts import Facts, Row
from reports.pages.methods import METRICS, RELIABILITY, readers
from reports.words import listing, readable

INDEX = "mechanisms.html"


def constructs(metrics: list[Row]) -> dict[str, list[Row]]:
    """The metrics of each construct that has two or more."""
    grouped = {name: list(rows) for name, rows in groupby(metrics, key=lambda row: row["construct"])}
    return {name: rows for name, rows in grouped.items() if len(rows) > 1}


def pages(catalog: duckdb.DuckDBPyConnection, facts: Facts) -> Iterator[Page]:
    """A page per construct, then their index; nothing where no construct has two metrics."""
    metrics = METRICS.rows(catalog)
    reliability = {row["metric_id"]: row for row in RELIABILITY.rows(catalog)}
    summaries = []
    for construct, own in constructs(metrics).items():
        others = [metric for metric in metrics if metric["construct"] != construct]
        found = agreement.correlations_query(construct).rows(catalog)
        overall = [row for row in found if row["family_id"] is None]
        summaries.append(_summary(construct, own, overall))
        yield Page(
            path=mechanism_path(construct),
            template="mechanism.html",
            title=readable(construct),
            values={
                "construct": construct,
                "methods": listing(sorted({metric["method"] for metric in own})),
                "metrics": own,
                "reliability": reliability,
                "reliability_query": RELIABILITY,
                "sentence": agreement.told(construct, own, overall),
                "matrix": agreement.matrix(own, others, overall, reliability),
                "correlations_query": agreement.correlations_query(construct),
                "figure": charts.figure(
                    [row for row in overall if row["same_construct"]], agreement.correlations_query(construct)
                ),
                "families": agreement.families_of(found),
                "apart": agreement.apart_query(construct).rows(catalog),
                "apart_query": agreement.apart_query(construct),
                "models": {run["run_id"]: run["model_id"] for run in facts.runs},
                "claims": _claims(facts, own),
                "is_placebo": agreement.is_placebo,
            },
        )
    if summaries:
        yield Page(INDEX, "mechanisms.html", "Mechanisms", {"summaries": summaries, "metrics_query": METRICS})


def _summary(construct: str, own: list[Row], overall: list[Row]) -> Row:
    """What the index says of a construct."""
    kinds = agreement.by_kind(overall)
    return {
        "construct": construct,
        "n_metrics": len(own),
        "methods": listing(sorted({metric["method"] for metric in own})),
        "validity": mean(kinds["validity"]) if kinds["validity"] else None,
        "same_method": mean(kinds["same method"]) if kinds["same method"] else None,
        "sentence": agreement.told(construct, own, overall),
    }


def _claims(facts: Facts, own: list[Row]) -> list[Row]:
    """Claims that read some metric of the construct, with the metrics that they read."""
    found = readers(facts.claims)
    named: dict[str, list[str]] = {}
    for metric in own:
        for claim in found.get(metric["metric_id"], []):
            named.setdefault(claim["claim_id"], []).append(metric["metric_id"])
    across = {v["claim_id"]: v for v in facts.verdicts if v["level"] == "across"}
    return [
        {"claim": claim, "metrics": named[claim["claim_id"]], "verdict": across.get(claim["claim_id"])}
        for claim in facts.claims
        if claim["claim_id"] in named
    ]
