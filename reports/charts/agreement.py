"""How alike the metrics of a mechanism order the heads, run by run: a row a pair, its mean and its range over runs.

Here: the chart and its caption. Not here: the correlations (pages/agreement.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import altair as alt

from reports.charts.figure import Figure, Key, Panel
from reports.charts.theme import Spec, filled, spec, table
from reports.query import Query
from reports.words import number

ROW = 22
"""Height of a row in pixels."""
COLOURS = {True: "var(--s-previous)", False: "var(--s-induction)"}
"""By whether the two metrics use the same method."""


def figure(rows: Sequence[dict[str, Any]], query: Query) -> Figure | None:
    """The chart; None where no two metrics of the construct scored the same heads.

    Args:
        rows: the pairs of the construct over all runs: mean, extremes and quartiles of their correlations.
    """
    if not rows:
        return None
    ordered = sorted(rows, key=lambda row: (-row["rho"], row["metric_a"], row["metric_b"]))
    points = [
        {
            "pair": f"{row['metric_a']} | {row['metric_b']}",
            "rho": row["rho"],
            "low": row["low"],
            "high": row["high"],
            "q1": row["quarter"],
            "q3": row["three_quarters"],
            "runs": row["n_runs"],
            "colour": COLOURS[row["same_method"]],
        }
        for row in ordered
    ]
    return Figure(
        name="agreement-by-run",
        title="Agreement of each pair over training runs",
        caption=_caption(ordered),
        query=query,
        panels=(Panel("", filled(_rows(len(points)), points=points)),),
        legend=(Key("different methods", COLOURS[False]), Key("one method", COLOURS[True])),
    )


def _caption(rows: Sequence[dict[str, Any]]) -> str:
    best, least = rows[0], rows[-1]
    text = "Rank correlation over heads: the mark is the mean over runs, the thick line the middle half of the runs, "
    text += f"the thin one all of them. {best['metric_a']} and {best['metric_b']} agree most ({number(best['rho'])})"
    if len(rows) == 1:
        return f"{text}; there is no other pair."
    return f"{text}, {least['metric_a']} and {least['metric_b']} least ({number(least['rho'])})."


@cache
def _rows(n: int) -> Spec:
    base = table("points").encode(
        y=alt.Y("pair:N", sort=None, title=None, axis=alt.Axis(labelLimit=330, grid=False)),
        color=alt.Color("colour:N", scale=None),
        tooltip=[
            alt.Tooltip("pair:N"),
            alt.Tooltip("rho:Q", title="mean", format=".3f"),
            alt.Tooltip("low:Q", title="least", format=".3f"),
            alt.Tooltip("high:Q", title="most", format=".3f"),
            alt.Tooltip("runs:Q", title="runs"),
        ],
    )
    scale, axis = alt.Scale(domain=[-1, 1], nice=False), alt.Axis(tickCount=5, grid=True)
    x = alt.X("low:Q", title="rank correlation over heads", scale=scale, axis=axis)
    chart = alt.layer(
        base.mark_rule(strokeWidth=1.4).encode(x=x, x2="high:Q").properties(name="ranges"),
        base.mark_rule(strokeWidth=5, opacity=0.5).encode(x="q1:Q", x2="q3:Q").properties(name="middles"),
        base.mark_point(filled=True, size=80, opacity=1).encode(x="rho:Q").properties(name="means"),
    )
    return spec(chart.properties(width="container", height=max(3, n) * ROW))
