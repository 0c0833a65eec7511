"""What is most worth measuring next: what would let the most claims be decided, the most first.

Four kinds of lack, each found in the verdicts: claims that contradict each other, a metric that was never read in a
family, models with too few training runs, and families across which nothing can be said yet.
Not here: what a measurement costs (`status` tells), deciding.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import duckdb

from reports.pages.evidence import metrics_of
from reports.pages.facts import Facts
from reports.query import Query
from reports.words import count

SHOWN = 6
FAMILIES_NEEDED = 5
"""Natural families that must vote before anything is said across them, as the verdicts' reasons say."""
RUNS_NEEDED = 5
"""Training runs that a model needs before most verdicts on it can hold, likewise."""
READ = Query("SELECT DISTINCT family_id, metric_id FROM evidence_variants WHERE role = 'natural' ORDER BY ALL")
CONFLICTS = Query(
    """
SELECT c.claim_a, c.claim_b, c.next_measurement, count(DISTINCT c.checkpoint_id) AS n_runs
FROM conflicts AS c JOIN current_evaluation AS e USING (evaluation_id)
GROUP BY ALL
ORDER BY n_runs DESC, c.claim_a, c.claim_b"""
)


@dataclass(frozen=True)
class Step:
    """Something to measure, the claims that wait for it, and why."""

    what: str
    why: str
    claims: tuple[str, ...]


def next_steps(catalog: duckdb.DuckDBPyConnection, facts: Facts) -> list[Step]:
    """The steps for which the most claims wait; contradictions come first."""
    found = [*_metrics(catalog, facts), *_runs(facts), *_families(facts)]
    found.sort(key=lambda step: (-len(step.claims), step.what))
    return [*_conflicts(catalog), *found][:SHOWN]


def _conflicts(catalog: duckdb.DuckDBPyConnection) -> Iterator[Step]:
    for row in CONFLICTS.rows(catalog)[:2]:
        runs = count(row["n_runs"], "training run")
        why = f"It would tell which of two claims is right that cannot both be, in {runs}."
        yield Step(f"measure {row['next_measurement'].rstrip('.')}", why, (row["claim_a"], row["claim_b"]))


def _metrics(catalog: duckdb.DuckDBPyConnection, facts: Facts) -> Iterator[Step]:
    """Metrics that were never read in a natural family, and the claims that are not decided there."""
    read = {(row["family_id"], row["metric_id"]) for row in READ.rows(catalog)}
    wanted = {claim["claim_id"]: metrics_of(json.loads(claim["estimand"])) for claim in facts.claims}
    natural = {family["family_id"] for family in facts.families if family["role"] == "natural"}
    waiting: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for verdict in facts.verdicts:
        family = verdict["subject"]
        if verdict["level"] == "family" and verdict["verdict"] == "insufficient" and family in natural:
            metrics = wanted[verdict["claim_id"]]
            if metrics and not any((family, metric) in read for metric in metrics):
                waiting[family][metrics[0]].append(verdict["claim_id"])
    for family, by_metric in waiting.items():
        for metric, claims in by_metric.items():
            yield Step(f"measure {metric} in {family}", "It was never measured there.", tuple(sorted(claims)))


def _runs(facts: Facts) -> Iterator[Step]:
    natural = {family["family_id"] for family in facts.families if family["role"] == "natural"}
    waiting: dict[str, list[str]] = defaultdict(list)
    of_model: dict[str, int] = defaultdict(int)
    for run in facts.runs:
        of_model[run["model_id"]] += run["family_id"] in natural
    for verdict in facts.verdicts:
        n = of_model.get(verdict["subject"], 0)
        if verdict["level"] == "model" and verdict["verdict"] == "insufficient" and 0 < n < RUNS_NEEDED:
            waiting[verdict["subject"]].append(verdict["claim_id"])
    for model, claims in waiting.items():
        lacking = RUNS_NEEDED - of_model[model]
        why = f"{count(of_model[model], 'training run')} cannot tell what holds of the model from what holds of a seed."
        yield Step(f"measure {count(lacking, 'more training run')} of {model}", why, tuple(sorted(claims)))


def _families(facts: Facts) -> Iterator[Step]:
    """Natural families, where claims have a vote already and lack more."""
    across = [
        v for v in facts.verdicts if v["level"] == "across" and v["verdict"] == "insufficient" and v["n_families"]
    ]
    if across:
        votes = max(verdict["n_families"] for verdict in across)
        why = f"At most {votes} of the {FAMILIES_NEEDED} that are needed have a verdict of their own."
        claims = tuple(sorted(verdict["claim_id"] for verdict in across))
        lacking = count(FAMILIES_NEEDED - votes, "more natural family", "more natural families")
        yield Step(f"measure {lacking}", why, claims)
