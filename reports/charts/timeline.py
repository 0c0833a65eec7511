"""Verdicts by the day on which a model came out: what would have been said then, a row a subject.

Here: the chart and its caption. Not here: deciding under a condition (assets/analyses), the table (pages/history.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import altair as alt

from reports.charts.figure import Figure, Key, Panel
from reports.charts.theme import SHAPES, VERDICT_COLOURS, Spec, filled, spec, table
from reports.query import Query
from reports.words import LABELS, VERDICTS, count, listing

TITLE = "Verdicts by release date"
ACROSS = "across families"


def figure(rows: Sequence[Mapping[str, Any]], query: Query) -> Figure:
    """Families and across as rows of marks, from the first model to the last.

    Args:
        rows: released_by, came_out, level, subject, verdict, of view `verdicts_by_release`, in order of the days.
    """
    above = [row for row in rows if row["level"] in ("family", "across")]
    days = sorted({row["released_by"] for row in above})
    if len(days) < 2:
        return Figure("timeline", TITLE, "Models of one day only: nothing could move between days of release.", query)
    points = [
        {
            "day": row["released_by"].isoformat(),
            "subject": ACROSS if row["level"] == "across" else row["subject"],
            "verdict": row["verdict"],
            "word": LABELS.get(row["verdict"], row["verdict"]),
            "models": ", ".join(row["came_out"] or []),
        }
        for row in above
    ]
    subjects = list(dict.fromkeys(point["subject"] for point in points))
    chart = {**_marks(), "height": max(60, 30 * len(subjects))}
    present = {row["verdict"] for row in above}
    legend = tuple(Key(word.label, word.verdict, "verdict") for word in VERDICTS if word.verdict in present)
    return Figure("timeline", TITLE, _caption(points, days), query, (Panel("", filled(chart, points=points)),), legend)


def _caption(points: Sequence[Mapping[str, Any]], days: Sequence[Any]) -> str:
    last = {point["subject"]: point["word"] for point in points}
    said = listing([f"{subject} {word}" for subject, word in last.items()])
    return (
        f"Each mark is a day on which a model came out ({count(len(days), 'day')}, {days[0]} to {days[-1]}), and the "
        f"verdict on the models out by then, by today's measurements and rule. At the last: {said}."
    )


@cache
def _marks() -> Spec:
    y = alt.Y("subject:N", sort=None, title=None, axis=alt.Axis(grid=True, labelLimit=160))
    x = alt.X("day:T", title="models out by", axis=alt.Axis(tickCount=5, format="%b %Y"), scale=alt.Scale(padding=14))
    colour = alt.Scale(domain=list(VERDICT_COLOURS), range=list(VERDICT_COLOURS.values()))
    tips = [
        alt.Tooltip("day:T", title="by", format="%Y-%m-%d"),
        alt.Tooltip("subject:N", title="on"),
        alt.Tooltip("word:N", title="verdict"),
        alt.Tooltip("models:N", title="came out"),
    ]
    base = table("points").encode(x=x, y=y)
    chart = alt.layer(
        base.mark_line(color="var(--rule)", strokeWidth=1).encode(detail="subject:N").properties(name="course"),
        base.mark_point(filled=True, size=110)
        .encode(
            color=alt.Color("verdict:N", scale=colour, legend=None),
            shape=alt.Shape(
                "verdict:N", scale=alt.Scale(domain=list(SHAPES), range=list(SHAPES.values())), legend=None
            ),
            tooltip=tips,
        )
        .properties(name="verdicts"),
    )
    return spec(chart.properties(width="container"))
