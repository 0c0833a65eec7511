"""The first page: what this is, the claims by families matrix, and how the families develop at a glance.

Here: what stands on the page. Not here: what a cell is (matrix.py), how it looks (templates/index.html).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from itertools import groupby

import polars as pl

from reports.charts import trajectories
from reports.charts.figure import Figure, Panel
from reports.html import Page
from reports.pages.facts import Facts
from reports.pages.family import Measured
from reports.pages.matrix import VERDICTS, cells
from reports.words import LABELS, LINES_PER_PANEL, count, listing

GLANCE = ("induction", "prefix_matching", "previous_token", "previous_token_all")


def page(facts: Facts, numbers: Mapping[str, Measured]) -> Page:
    """The first page."""
    axes = list(dict.fromkeys(claim["axis"] for claim in facts.claims))
    return Page(
        path="index.html",
        template="index.html",
        title="Moving Target",
        values={
            "claims_by_axis": [(axis, [c for c in facts.claims if c["axis"] == axis]) for axis in axes],
            "families": facts.families,
            "groups": [(role, list(rows)) for role, rows in groupby(facts.families, key=lambda row: row["role"])],
            "cells": cells(facts.verdicts),
            "summary": summary(facts),
            "counts": facts.counts,
            "n_claims": len(facts.claims),
            "n_models": len(facts.models),
            "n_runs": len(facts.runs),
            "glance": glance(facts, numbers),
            "matrix_query": VERDICTS,
        },
    )


def summary(facts: Facts) -> str:
    """How the claims stand across families, in a sentence or two."""
    across = Counter(verdict["verdict"] for verdict in facts.verdicts if verdict["level"] == "across")
    if not across:
        return "No claim was decided across families yet."
    said = [f"{n} {LABELS[verdict]}" for verdict, n in sorted(across.items(), key=lambda item: (-item[1], item[0]))]
    natural = sum(family["role"] == "natural" for family in facts.families)
    text = f"Across families: {listing(said)}."
    if natural < 5:
        text += f" A verdict across needs five natural families, here {'is' if natural == 1 else 'are'} {natural}: "
        text += "read along the rows."
    return text


def glance(facts: Facts, numbers: Mapping[str, Measured]) -> Figure:
    """One panel per model with at least two checkpoints: its best induction and previous-token heads."""
    panels: list[Panel] = []
    seen: list[str] = []
    for family in facts.families:
        best = numbers[family["family_id"]].best.filter(pl.col("metric_id").is_in(GLANCE))
        for model, rows in trajectories.by_model(best):
            drawn = trajectories.together(rows, GLANCE, LINES_PER_PANEL)
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
        f"The best head of each training run by training step ({trajectories.named(metrics)}): "
        f"{count(len(panels), 'model')}, a line a run. Step axes differ between panels, since the runs do."
    )
    return Figure("glance", "", caption, trajectories.query(first), tuple(panels), trajectories.legend(metrics))
