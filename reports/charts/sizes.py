"""A quantity of each training run against a design property of its model: what a trend over sizes rests on.

Here: the scatter with the models' means joined by a line, one panel a family. Not here: the trend's verdict.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from itertools import pairwise
from statistics import fmean
from typing import Any

import altair as alt

from reports.charts.figure import Figure, Key, Panel
from reports.charts.theme import Spec, filled, spec, table
from reports.query import Query
from reports.words import PROPERTIES, count, listing, number, readable

COLOUR = "var(--s-induction)"


def figure(rows: Sequence[Mapping[str, Any]], over: str, logarithmic: bool, quantity: str, query: Query) -> Figure:
    """Runs as points over the property, the models' means joined.

    Args:
        rows: group (the family), model, run, x (the property), estimate; rows without the last two are left out.
        over: the property's name.
        quantity: what is on the vertical axis, in words.
    """
    by = PROPERTIES.get(over, readable(over)).lower()
    title = f"{quantity}, by {by}"
    drawn = [row for row in rows if row["estimate"] is not None and row["x"] is not None]
    groups = {
        group: [row for row in drawn if row["group"] == group] for group in dict.fromkeys(r["group"] for r in drawn)
    }
    several = {group: part for group, part in groups.items() if len({row["model"] for row in part}) > 1}
    if not several:
        return Figure("sizes", title, "No family has two models of different size with an estimate to compare.", query)
    chart = _scatter(logarithmic, by)
    panels = tuple(Panel(group, _panel(chart, part)) for group, part in several.items())
    legend = (Key("one training run", COLOUR, "dot"), Key("mean of a model", "var(--ink)"))
    return Figure("sizes", title, " ".join(_caption(g, p) for g, p in several.items()), query, panels, legend)


def _means(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Per model, in the order of the property: its place, its mean and its number of runs."""
    by_model: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        by_model.setdefault(row["model"], []).append(row)
    means = [
        {"model": model, "x": part[0]["x"], "mean": fmean(row["estimate"] for row in part), "n": len(part)}
        for model, part in by_model.items()
    ]
    return sorted(means, key=lambda mean: (mean["x"], mean["model"]))


def _panel(chart: Spec, rows: Sequence[Mapping[str, Any]]) -> Spec:
    points = [{"run": row["run"], "x": row["x"], "estimate": row["estimate"]} for row in rows]
    return filled(chart, points=points, means=_means(rows))


@cache
def _scatter(logarithmic: bool, over: str) -> Spec:
    scale = alt.Scale(type="log", nice=False, padding=24) if logarithmic else alt.Scale(zero=False, padding=24)
    axis = alt.Axis(labelExpr="replace(format(datum.value, '~s'), 'G', 'B')", tickCount=4)
    x = alt.X("x:Q", title=over + (" (log scale)" if logarithmic else ""), scale=scale, axis=axis)
    vertical = alt.Scale(zero=False, padding=8)
    tips = [alt.Tooltip("run:N"), alt.Tooltip("estimate:Q", format=".3f")]
    points = table("points").mark_circle(size=46, opacity=0.55, color=COLOUR)
    means = table("means").mark_line(
        color="var(--ink)", strokeWidth=2, point=alt.OverlayMarkDef(color="var(--ink)", size=60)
    )
    mean_tips = [alt.Tooltip("model:N"), alt.Tooltip("mean:Q", format=".3f"), alt.Tooltip("n:Q", title="runs")]
    chart = alt.layer(
        points.encode(x=x, y=alt.Y("estimate:Q", title=None, scale=vertical), tooltip=tips).properties(name="runs"),
        means.encode(x=x, y=alt.Y("mean:Q", title=None, scale=vertical), tooltip=mean_tips).properties(name="means"),
    )
    return spec(chart.properties(width="container", height=230))


def _caption(group: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """The means in order of size, and at which neighbouring models they go up or down."""
    means = _means(rows)
    said = listing([f"{mean['model']} {number(mean['mean'])}" for mean in means])
    rises = [b["mean"] > a["mean"] for a, b in pairwise(means)]
    if all(rises):
        course = "they rise at every step"
    elif not any(rises):
        course = "they fall at every step"
    else:
        course = f"they rise at {sum(rises)} and fall at {len(rises) - sum(rises)} of {len(rises)} steps"
    return (
        f"{group}: means of the models, from small to large, are {said}; {course} ({count(len(rows), 'training run')})."
    )
