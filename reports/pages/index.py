"""The first page: what this is, the claims by families matrix, and how the families develop at a glance.

Here: what stands on the page. Not here: what a cell is (matrix.py), how it looks (templates/index.html).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import polars as pl

from reports.charts import overlays, trajectories
from reports.charts.figure import Figure, Panel
from reports.html import Page
from reports.pages.changes import Build
from reports.pages.evidence import metrics_of
from reports.pages.facts import Facts, Row
from reports.pages.family import Measured
from reports.pages.matrix import VERDICTS, cells, instrument_cells, is_instrument
from reports.pages.next_steps import Step
from reports.words import EVALUATED, LABELS, LINES_PER_PANEL, count, listing

GLANCE = ("induction", "prefix_matching", "previous_token", "previous_token_all")


def page(facts: Facts, numbers: Mapping[str, Measured], builds: Sequence[Build], steps: Sequence[Step]) -> Page:
    """The first page."""
    claims = [claim for claim in facts.claims if not is_instrument(claim)]
    axes = list(dict.fromkeys(claim["axis"] for claim in claims))
    instruments, found = instrument_cells(facts.verdicts), cells(facts.verdicts)
    words: dict[str, list[str]] = {}
    for (name, _), cell in found.items():
        words.setdefault(name, []).extend(verdict["verdict"] for verdict in cell.verdicts)
    return Page(
        path="index.html",
        template="index.html",
        title="Moving Target",
        values={
            "claims_by_axis": [(axis, [c for c in claims if c["axis"] == axis]) for axis in axes],
            "instruments": [claim for claim in facts.claims if is_instrument(claim)],
            "instrument_cells": instruments,
            "architectures": sorted({architecture for _, architecture in instruments}),
            "families": facts.families,
            "groups": [(role, list(rows)) for role, rows in groupby(facts.families, key=lambda row: row["role"])],
            "cells": found,
            "words_in": lambda name: sorted(set(words.get(name, []))),
            "summary": summary(facts),
            "standouts": standouts(facts),
            "counts": facts.counts,
            "n_claims": len(facts.claims),
            "n_models": len(facts.models),
            "n_runs": len(facts.runs),
            "glance": glance(facts, numbers),
            "matrix_query": VERDICTS,
            "constructs": {claim["claim_id"]: constructs_of(facts, claim) for claim in claims},
            "builds": builds,
            "steps": steps,
            "statements": {claim["claim_id"]: claim["statement"] for claim in facts.claims},
        },
    )


def constructs_of(facts: Facts, claim: Row) -> list[str]:
    """What a claim's metrics measure, in the order in which it reads them."""
    metrics = metrics_of(json.loads(claim["estimand"]))
    return list(dict.fromkeys(facts.constructs[metric] for metric in metrics if metric in facts.constructs))


@dataclass(frozen=True)
class Standout:
    """What the claims come to in one natural family: how many of each verdict, and those that do not simply hold."""

    family: str
    counts: str
    against: list[tuple[str, Row]]


def standouts(facts: Facts) -> list[Standout]:
    """Natural families with a verdict of their own, and the claims that fail or are mixed there."""
    statements = {claim["claim_id"]: claim for claim in facts.claims}
    found = []
    for family in facts.families:
        own = [v for v in facts.verdicts if v["level"] == "family" and v["subject"] == family["family_id"]]
        words = Counter(verdict["verdict"] for verdict in own if verdict["verdict"] in EVALUATED)
        if words and family["role"] == "natural":
            counts = listing([f"{words[word]} {LABELS[word]}" for word in EVALUATED if words[word]])
            against = [(v["verdict"], statements[v["claim_id"]]) for v in own if v["verdict"] in ("fails", "mixed")]
            found.append(Standout(family["family_id"], counts, against))
    return found


def summary(facts: Facts) -> str:
    """How the claims stand across families, in a sentence."""
    across = Counter(verdict["verdict"] for verdict in facts.verdicts if verdict["level"] == "across")
    spoken = listing([f"{across[word]} {LABELS[word]}" for word in EVALUATED if across[word]])
    if spoken:
        return f"Across families: {spoken}."
    natural = sum(family["role"] == "natural" for family in facts.families)
    return f"No claim is decided across families yet: that needs five natural families, and here are {natural}."


def glance(facts: Facts, numbers: Mapping[str, Measured]) -> Figure:
    """One panel per model with at least two checkpoints: its best induction and previous-token heads."""
    panels: list[Panel] = []
    seen: list[str] = []
    for family in facts.families:
        best = numbers[family["family_id"]].best.filter(pl.col("metric_id").is_in(GLANCE))
        for model, rows in trajectories.by_model(best):
            drawn = overlays.together(rows, GLANCE, LINES_PER_PANEL)
            if drawn is not None:
                panels.append(Panel(model, drawn))
                seen += [
                    metric for metric in rows["metric_id"].unique(maintain_order=True).to_list() if metric not in seen
                ]
    first = facts.families[0]["family_id"] if facts.families else ""
    if not panels:
        return Figure(
            "glance", "", "No training run was measured at two checkpoints or more.", trajectories.query(first)
        )
    metrics = [metric for metric in GLANCE if metric in seen]
    caption = (
        f"The best head of each training run by training step ({overlays.named(metrics)}): "
        f"{count(len(panels), 'model')}, a line a run. Step axes differ between panels, since the runs do."
    )
    return Figure("glance", "", caption, trajectories.query(first), tuple(panels), overlays.legend(metrics))
