"""A page per claim: what it says, what it is judged by, the verdicts with their reasons, and what they rest on.

Here: what stands on the page. Not here: how claims are decided, which the reports only read.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from reports.charts import forest
from reports.charts.figure import Figure
from reports.html import Page, claim_path
from reports.pages import evidence
from reports.pages.citation import citation
from reports.pages.classes import classes_of
from reports.pages.facts import Facts, Row
from reports.pages.family import Measured
from reports.pages.history import history_of
from reports.pages.matrix import is_instrument, share
from reports.pages.predictions import predictions_query
from reports.query import Query
from reports.words import EVALUATED, LABELS, OUTCOMES, count, listing, readable

ORDER = ("across", "family", "model")
"""Levels in the order in which tables show them; runs have a table of their own."""


def verdicts_query(claim: str) -> Query:
    """The verdicts now."""
    return Query(
        """
SELECT level, subject, verdict, estimate, ci_low, ci_high, unit, n_h, n_f, n_u, robustness, reason
FROM current_verdicts
WHERE claim_id = $claim
ORDER BY level, subject""",
        {"claim": claim},
    )


def runs_query(claim: str) -> Query:
    """The runs that the verdicts rest on, with each run's own interval where it was decided singly.

    A run stands once, from the lowest level that names it.
    """
    return Query(
        """
SELECT m.*, v.run_id, v.level, v.outcome, v.included, v.reason, v.provenance, v.variant_id,
    coalesce(v.estimate, s.estimate) AS estimate, v.standard_error, s.ci_low, s.ci_high, s.unit, s.verdict
FROM verdict_runs AS v
JOIN current_evaluation AS e ON e.evaluation_id = v.evaluation_id
JOIN training_runs AS r ON r.run_id = v.run_id
JOIN models AS m ON m.model_id = r.model_id
LEFT JOIN current_verdicts AS s ON s.claim_id = v.claim_id AND s.level = 'run' AND s.subject = v.run_id
WHERE v.claim_id = $claim
QUALIFY row_number() OVER (
    PARTITION BY v.run_id
    ORDER BY CASE v.level WHEN 'run' THEN 0 WHEN 'model' THEN 1 WHEN 'family' THEN 2 ELSE 3 END, v.subject
) = 1
ORDER BY m.family_id, m.n_params NULLS LAST, m.model_id, r.seed, v.run_id""",
        {"claim": claim},
    )


def specifications_query(claim: str) -> Query:
    """The same verdicts under the claim's other declared choices."""
    return Query(
        """
SELECT s.level, s.subject, s.specification_id, s.dimensions, s.verdict, s.estimate, s.ci_low, s.ci_high
FROM specifications AS s
JOIN current_evaluation AS e ON e.evaluation_id = s.evaluation_id
WHERE s.claim_id = $claim
ORDER BY s.level, s.subject, s.specification_id""",
        {"claim": claim},
    )


def page(catalog: duckdb.DuckDBPyConnection, facts: Facts, claim: Row, numbers: Mapping[str, Measured]) -> Page:
    """The page of one claim."""
    name = claim["claim_id"]
    verdicts = [verdict for verdict in facts.verdicts if verdict["claim_id"] == name]
    runs = runs_query(name).rows(catalog)
    sections = list(_sections(facts, verdicts, runs))
    decided = {section["family"]["family_id"] for section in sections}
    measured = {family: values for family, values in numbers.items() if family in decided}
    estimand = json.loads(claim["estimand"])
    across = next((verdict for verdict in verdicts if verdict["level"] == "across"), None)
    others = specifications_query(name).rows(catalog)
    queries = verdicts_query(name), runs_query(name)
    return Page(
        path=claim_path(name),
        template="claim.html",
        title=claim["statement"],
        values={
            "claim": claim,
            "is_instrument": is_instrument(claim),
            "refuted_by": estimand.get("refuted_by"),
            "exploratory": any(verdict["exploratory"] for verdict in verdicts),
            "across": across,
            "by_level": by_level(verdicts),
            "citation": citation(claim, across, facts.build),
            "architectures": [verdict for verdict in verdicts if verdict["level"] == "architecture"],
            "sections": sections,
            "figures": evidence.figures(claim, estimand, verdicts, runs, measured, queries),
            "classes": classes_of(catalog, name),
            "history": history_of(catalog, name),
            "predictions": predictions_query(name).rows(catalog),
            "predictions_query": predictions_query(name),
            "specifications": specifications(verdicts, others),
            "curve": curve(verdicts, others, specifications_query(name)),
            "specifications_query": specifications_query(name),
            "verdicts_query": queries[0],
            "runs_query": queries[1],
            "advisories": facts.advisories("run_id", {run["run_id"] for run in runs}),
            "outcomes": OUTCOMES,
            "share": share,
        },
    )


def by_level(verdicts: Sequence[Row]) -> list[tuple[str, str]]:
    """Per level below across and above single runs, how many subjects got which verdict, in a sentence each."""
    told = []
    for level, nouns in (("family", ("family", "families")), ("model", ("model", "models")), ("run", ("run", "runs"))):
        words = Counter(verdict["verdict"] for verdict in verdicts if verdict["level"] == level)
        if words:
            said = listing([f"{words[word]} {LABELS[word]}" for word in LABELS if words[word]])
            told.append((count(words.total(), *nouns), said))
    return told


FLIPS = 3
"""Of the ways in which a verdict would flip, how many are told."""


def _flips(text: str | None) -> str:
    """`without seed 3, mixed; ...`: what would flip a verdict."""
    flips = json.loads(text or "[]")
    told = [f"{flip['when']} ({LABELS.get(flip['becomes'], flip['becomes'])})" for flip in flips[:FLIPS]]
    more = [f"{len(flips) - FLIPS} more ways"] if len(flips) > FLIPS else []
    return "; ".join([*told, *more])


def _sections(facts: Facts, verdicts: Sequence[Row], runs: Sequence[Row]) -> Iterator[dict[str, Any]]:
    """Per family with a verdict or a run: its verdicts above run level, and its runs."""
    for family in facts.families:
        name = family["family_id"]
        own = [verdict for verdict in verdicts if verdict["family_id"] == name]
        rows = [run for run in runs if run["family_id"] == name]
        if own or rows:
            levels = [[v for v in own if v["level"] == level] for level in ("family", "model", "run")]
            above = levels[0] + levels[1]
            first = next((level for level in levels if level), [])
            shown = [{**verdict, "flips": _flips(verdict["flips_when"])} for verdict in above or levels[2]]
            yield {"family": family, "first": first, "verdicts": shown, "runs": rows}


@dataclass(frozen=True)
class Choices:
    """The table of a claim's other choices.

    Attributes:
        subjects: level and subject of each column.
        rows: what was chosen, and per subject the verdict and its estimate, or None.
        combined: per subject, verdicts under two other choices at once or more: word and number, most frequent first.
    """

    subjects: list[tuple[str, str]]
    rows: list[tuple[str, list[Row | None]]]
    combined: list[list[tuple[str, int]]]


def specifications(verdicts: Sequence[Row], rows: Sequence[Row]) -> Choices | None:
    """The claim's own choice first, then each single other one; None where none was evaluated.

    Runs are left out, and so are subjects on which no choice gives a verdict; the others stand as in `verdicts`.
    """
    above = [row for row in rows if row["level"] != "run"]
    if not above:
        return None
    own = {(v["level"], v["subject"]): v for v in verdicts if v["level"] != "run"}
    spoken = {(row["level"], row["subject"]) for row in [*above, *own.values()] if row["verdict"] in EVALUATED}
    subjects = sorted((subject for subject in own if subject in spoken), key=lambda s: ORDER.index(s[0]))
    if not subjects:
        return None
    above = [row for row in above if (row["level"], row["subject"]) in spoken]
    singles: dict[str, dict[tuple[str, str], Row]] = {}
    combined: dict[tuple[str, str], Counter[str]] = {subject: Counter() for subject in subjects}
    for row in above:
        key, dimensions = (row["level"], row["subject"]), json.loads(row["dimensions"])
        if len(dimensions) == 1:
            singles.setdefault(_choice(dimensions), {})[key] = row
        else:
            combined[key][row["verdict"]] += 1
    table = [("as claimed", [own.get(subject) for subject in subjects])]
    table += [(label, [found.get(subject) for subject in subjects]) for label, found in sorted(singles.items())]
    return Choices(subjects, table, [combined[subject].most_common() for subject in subjects])


PANELS = 6
"""Subjects whose choices are drawn; the table has all."""


def curve(verdicts: Sequence[Row], rows: Sequence[Row], query: Query) -> Figure | None:
    """The specification curve (Simonsohn et al. 2020), turned on its side: the estimate under each declared choice, in
    order, one panel a subject; None where no subject has estimates under two choices.

    Shown are the highest levels on which the claim gives estimates.
    """
    found: list[Row] = []
    for level in ("across", "family", "model"):
        for own in (v for v in verdicts if v["level"] == level and v["estimate"] is not None):
            others = [row for row in rows if (row["level"], row["subject"]) == (level, own["subject"])]
            others = [row for row in others if row["estimate"] is not None]
            if others and len({row["group"] for row in found}) < PANELS:
                group = "across families" if level == "across" else own["subject"]
                choices = [{**row, "label": _choice(json.loads(row["dimensions"])), "level": ""} for row in others]
                claimed = {**own, "label": "as claimed", "level": "claimed"}
                ordered = sorted([claimed, *choices], key=lambda row: row["estimate"])
                found += [{**row, "group": group, "row": row["label"], "unit": None} for row in ordered]
        if found:
            break
    if not found:
        return None
    note = "Outlined: as claimed. A finding that survives keeps its side and its verdict from the top to the bottom."
    figure = forest.figure("curve", "Estimate under each choice", found, query, "other choice", note=note)
    return figure if figure.panels else None


def _choice(dimensions: Mapping[str, Any]) -> str:
    return ", ".join(f"{readable(str(name)).lower()}: {value}" for name, value in sorted(dimensions.items()))
