"""The figures on a claim's page: estimates with intervals, the trend over sizes, the metrics over training.

Which of them a claim has, and where its line is drawn, follows from the kind of its estimand (catalog table `claims`).
Not here: the rest of the page (claim.py), drawing (charts/).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import polars as pl

from reports.charts import forest, overlays, sizes, trajectories
from reports.charts.figure import Figure, Panel
from reports.pages.facts import Row
from reports.pages.family import Measured
from reports.query import Query
from reports.words import LINES_PER_PANEL, NOUNS, OUTCOMES, QUANTITIES, listing, readable

Estimand = Mapping[str, Any]
OF_FAMILIES = ("trend", "onset_trend", "onset_alike", "separation")
"""Kinds that are decided over the models of a family."""
CHARTED_OTHERWISE = ("trend", "onset_trend", "similarity", "separation")
"""Kinds whose runs are shown by size, or by their trajectories."""
CHECKED = "A training run passes if all its checks do; this is the first of them, the table below says which failed."
SHARE = "share of"
"""Begins the units of estimates that count how many of the units below hold."""
HOLDING = "share for which the claim holds"
ACROSS = "across families"
DRAWN = "Decided by how seldom independent draws agree as much, not by the interval."


def figures(
    claim: Row,
    estimand: Estimand,
    verdicts: Sequence[Row],
    runs: Sequence[Row],
    numbers: Mapping[str, Measured],
    queries: tuple[Query, Query],
) -> list[Figure]:
    """All figures of a claim that show something; without any, the first, which says so.

    Args:
        numbers: measured values of the families that the claim was decided on, in the order in which they are shown.
        queries: those that give `verdicts` and `runs`.
    """
    places = {family: place for place, family in enumerate(numbers)}
    ordered = sorted(runs, key=lambda run: places[run["family_id"]])
    found = [*_by_size(estimand, ordered, queries[1]), *_estimates(estimand, verdicts, ordered, queries)]
    found += [_development(estimand, numbers)] if claim["axis"] == "developmental" else []
    return [figure for figure in found if figure.panels] or found[:1]


def metrics_of(estimand: Any) -> list[str]:
    """Ids of the metrics that an estimand reads, in the order in which it names them; not those of its alternatives."""
    found: list[str] = []
    if isinstance(estimand, Mapping):
        for key, value in estimand.items():
            if key in ("metric", "metrics"):
                found += [value] if isinstance(value, str) else [str(item) for item in value or []]
            elif key != "specifications":
                found += metrics_of(value)
    elif isinstance(estimand, list):
        for item in estimand:
            found += metrics_of(item)
    return list(dict.fromkeys(found))


def run_lines(estimand: Estimand) -> list[float]:
    """Where the criterion's line lies among the runs' estimates; none where runs are not judged by a line."""
    kind = estimand.get("kind")
    if kind == "reliability":
        return [float(estimand["retest"])]
    if kind == "order":
        return [] if estimand.get("claimed") == "same" else [0.0]
    if kind == "onset_law":
        reach = math.log10(estimand["factor"])
        return [-reach, reach]
    part = (estimand.get("parts") or [{}])[0] if kind == "conjunction" else estimand
    threshold = part.get("threshold")
    if kind not in ("level", "contrast", "conjunction") or not isinstance(threshold, int | float):
        return []
    return [-threshold, threshold] if part.get("direction") == "within" else [float(threshold)]


def subject_lines(estimand: Estimand) -> list[float]:
    """The same among estimates of models, for trends of families."""
    kind = estimand.get("kind")
    if kind == "separation":
        return [float(estimand["threshold"])]
    if kind == "similarity":
        return [float(estimand["share"])] if "share" in estimand else []
    if kind == "onset_alike":
        return [float(estimand["factor"])]
    if kind in ("trend", "onset_trend", "agreement", "association"):
        delta = estimand.get("delta")
        flat = "flat" in (estimand.get("direction"), estimand.get("claimed")) or estimand.get("claimed") == "at_chance"
        return [-delta, delta] if flat and isinstance(delta, int | float) else [0.0]
    return run_lines(estimand) if estimand.get("rule") == "mean" else []


def _by_draws(estimand: Estimand) -> bool:
    """Whether an agreement is held against that of draws."""
    return (estimand.get("kind"), estimand.get("claimed")) == ("agreement", "above_chance")


def _quantity(estimand: Estimand) -> str:
    """What is estimated of a run, as a label; of the two quantities of an association, the first."""
    if estimand.get("kind") in ("onset_trend", "onset_alike"):
        return f"Onset, log10 {estimand['clock']}"
    reading = estimand.get("of") or estimand.get("first")
    quantity = reading.get("quantity", "final") if isinstance(reading, Mapping) else ""
    return QUANTITIES.get(quantity, readable(quantity) or "Estimate")


def _by_size(estimand: Estimand, runs: Sequence[Row], query: Query) -> Iterator[Figure]:
    over = estimand.get("over")
    if estimand.get("kind") in ("trend", "onset_trend") and runs and over in runs[0]:
        rows = [
            {
                "group": run["family_id"],
                "model": run["model_id"],
                "run": run["run_id"],
                "x": run[over],
                "estimate": run["estimate"] if run["included"] else None,
            }
            for run in runs
        ]
        yield sizes.figure(rows, over, estimand.get("scale") == "log10", _quantity(estimand), query)


def _estimates(
    estimand: Estimand, verdicts: Sequence[Row], runs: Sequence[Row], queries: tuple[Query, Query]
) -> Iterator[Figure]:
    """A forest plot for each unit: training runs (unless the claim has a chart of its own for them) by model and
    family, with what is pooled over them below."""
    rows = [] if estimand.get("kind") in CHARTED_OTHERWISE else _of_runs(estimand, verdicts, runs)
    by_unit: dict[str, list[Row]] = {}
    for row in [*rows, *_pooled(verdicts)]:
        if row["estimate"] is not None or not row.get("level"):
            by_unit.setdefault(HOLDING if row["unit"].startswith(SHARE) else row["unit"], []).append(row)
    places = {name: place for place, name in enumerate(dict.fromkeys(run["model_id"] for run in runs))}
    for number, (unit, found) in enumerate(by_unit.items()):
        found.sort(
            key=lambda row: (row["group"] == ACROSS, places.get(row["model"], len(places)), bool(row.get("level")))
        )
        levels = [level for level in NOUNS if any(row.get("level") == level for row in found)]
        single = not all(row.get("level") for row in found)
        named = [*(["training run"] if single else []), *(NOUNS[level][0] for level in levels if level != "across")]
        title = f"Estimate of each {listing(named)}" if named else "Estimate across families"
        judged = "family" if estimand.get("kind") in OF_FAMILIES else "model"
        lines = run_lines(estimand) if single else subject_lines(estimand) if judged in levels else []
        notes = [CHECKED if single and estimand.get("kind") == "reliability" else ""]
        notes += [DRAWN if judged in levels and _by_draws(estimand) else ""]
        query = queries[1] if single else queries[0]
        found = [{**row, "unit": unit} for row in found]
        yield forest.figure(
            f"estimates-{number + 1}",
            title,
            found,
            query,
            "training run",
            lines,
            " ".join(filter(None, notes)),
            (0.0, 1.0) if unit == HOLDING else None,
        )
    if not by_unit:
        yield forest.figure("estimates-1", "Estimates", [], queries[0], "run, model or family", [])


def _of_runs(estimand: Estimand, verdicts: Sequence[Row], runs: Sequence[Row]) -> list[Row]:
    """The runs' estimates; those of a claim about their mean are in the mean's unit."""
    of_mean = next((v["unit"] for v in verdicts if v["level"] == "model" and v["unit"]), None)
    usual = of_mean if estimand.get("rule") == "mean" and of_mean else _quantity(estimand).lower()
    return [
        {
            "group": run["family_id"],
            "model": run["model_id"],
            "label": run["run_id"],
            "row": run["model_id"],
            "estimate": run["estimate"] if run["included"] else None,
            "ci_low": run["ci_low"],
            "ci_high": run["ci_high"],
            "unit": run["unit"] or usual,
            "verdict": run["verdict"] or OUTCOMES.get(run["outcome"]),
        }
        for run in runs
    ]


def _pooled(verdicts: Sequence[Row]) -> list[Row]:
    """The estimates on models, families and across, each below what it is pooled over."""
    return [
        {
            **verdict,
            "group": ACROSS if verdict["level"] == "across" else verdict["family_id"] or "",
            "model": verdict["subject"] if verdict["level"] == "model" else "",
            "label": verdict["subject"] if verdict["level"] != "across" else ACROSS,
            "row": ACROSS if verdict["level"] == "across" else verdict["subject"],
            "unit": verdict["unit"] or "",
        }
        for level in NOUNS
        for verdict in verdicts
        if verdict["level"] == level and verdict["estimate"] is not None
    ]


def _development(estimand: Estimand, numbers: Mapping[str, Measured]) -> Figure:
    """The metrics that the claim reads over training, one panel a model."""
    wanted = metrics_of(estimand)
    metrics = [*wanted, *(["induction"] if "prefix_matching" in wanted else [])]
    panels: list[Panel] = []
    seen: dict[str, None] = {}
    for measured in numbers.values():
        rows = measured.best.filter(pl.col("metric_id").is_in(metrics))
        for model, part in trajectories.by_model(rows):
            drawn = overlays.together(part, metrics, LINES_PER_PANEL)
            if drawn is not None:
                panels.append(Panel(model, drawn))
                seen |= dict.fromkeys(part["metric_id"].to_list())
    query = trajectories.query(next(iter(numbers), ""))
    if not panels:
        named = listing([readable(metric).lower() for metric in wanted]) or "its metric"
        return Figure("development", "Over training", f"No head's {named} was measured at two steps or more.", query)
    caption = (
        f"Best head by training step: {overlays.named(list(seen))}. One line a training run, at most "
        f"{LINES_PER_PANEL} a panel; one panel a model. The families' pages say when each passes its threshold."
    )
    return Figure("development", "Over training", caption, query, tuple(panels), overlays.legend(list(seen)))
