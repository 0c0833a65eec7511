"""What a claim estimates for each training run, model or family, with its interval and its verdict.

Here: the forest plot and its caption. Not here: which estimates a claim has (pages/claim.py asks the catalog).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import zip_longest
from typing import Any

import altair as alt

from reports.charts.figure import Figure, Key, Panel
from reports.charts.theme import SHAPES, VERDICT_COLOURS, Spec, filled, spec, table
from reports.query import Query
from reports.words import LABELS, VERDICTS, count, listing, number, span

UNDECIDED = "undecided"
"""In place of a verdict, for estimates that are not decided one by one."""
ENDS = ("ci_low", "ci_high")
ROWS = 60
"""Rows that one panel can show; above that its runs share one row a model."""


def figure(
    name: str,
    title: str,
    rows: Sequence[Mapping[str, Any]],
    query: Query,
    noun: str,
    lines: Sequence[float] = (),
    note: str = "",
) -> Figure:
    """Estimates as points with intervals, one panel a group.

    Args:
        rows: group, label, row (what shares a line), estimate, ci_low, ci_high, verdict.
        noun: what a point is: training run, model, family.
        lines: where the claim's criterion lies, if anywhere.
        note: what the estimates do not show of how they are decided; a sentence for the end of the caption.
    """
    drawn = [row for row in rows if row["estimate"] is not None]
    if not drawn:
        return Figure(name, title, f"No {noun} has an estimate of its own to show.", query)
    domain = _domain(drawn, lines)
    groups = list(dict.fromkeys(str(row["group"]) for row in drawn))
    unit = next((row["unit"] for row in drawn if row.get("unit")), None)
    title = f"{title}, {unit}" if unit else title
    panels = tuple(
        Panel(group, _panel([row for row in drawn if row["group"] == group], domain, lines)) for group in groups
    )
    present = {row["verdict"] for row in drawn}
    verdicts = tuple(Key(word.label, word.verdict, "verdict") for word in VERDICTS if word.verdict in present)
    line = (Key(f"criterion: {_named(lines)}", "var(--ink)", "dash"),) if lines else ()
    left_out = sum(row["estimate"] is None for row in rows)
    caption = f"{_caption(drawn, noun, left_out, domain)} {note}".rstrip()
    return Figure(name, title, caption, query, panels, (*verdicts, *line))


def _named(lines: Sequence[float]) -> str:
    return listing([number(line) for line in lines])


def _domain(rows: Sequence[Mapping[str, Any]], lines: Sequence[float]) -> tuple[float, float]:
    """Wide enough for all estimates and for the intervals that rest on enough units."""
    ends = [row["estimate"] for row in rows]
    ends += [row[key] for row in rows if row["verdict"] != "insufficient" for key in ENDS if row[key] is not None]
    ends += lines
    low, high = min(0.0, *ends), max(ends)
    margin = 0.04 * (high - low) or 0.5
    return (low - margin, high + margin)


def _panel(rows: Sequence[Mapping[str, Any]], domain: tuple[float, float], lines: Sequence[float]) -> Spec:
    key = "label" if len(rows) <= ROWS else "row"
    names = [str(row[key]) for row in rows]
    names = _shortened(names, rows[0]["group"]) if rows[0]["group"] else names
    points = [
        {
            "row": name,
            "name": row["label"],
            "estimate": row["estimate"],
            "low": row["estimate"] if row["ci_low"] is None else max(row["ci_low"], domain[0]),
            "high": row["estimate"] if row["ci_high"] is None else min(row["ci_high"], domain[1]),
            "verdict": row["verdict"] or UNDECIDED,
            "word": LABELS.get(row["verdict"], "not decided singly"),
        }
        for name, row in zip(names, rows, strict=True)
    ]
    return filled(
        _intervals(domain, len(set(names)), 130 if rows[0]["group"] else 260),
        points=points,
        lines=[{"x": line} for line in lines],
    )


@cache
def _intervals(domain: tuple[float, float], n_rows: int, limit: int) -> Spec:
    """Points with intervals, a line each in the order of the rows, coloured and shaped by verdict."""
    colour = alt.Scale(domain=[*VERDICT_COLOURS, UNDECIDED], range=[*VERDICT_COLOURS.values(), "var(--s-induction)"])
    base = table("points").encode(
        y=alt.Y("row:N", sort=None, title=None, axis=alt.Axis(grid=True, labelLimit=limit)),
        color=alt.Color("verdict:N", scale=colour, legend=None),
    )
    x = alt.X("estimate:Q", title=None, scale=alt.Scale(domain=list(domain), nice=False), axis=alt.Axis(tickCount=5))
    tips = [
        alt.Tooltip("name:N", title="of"),
        alt.Tooltip("estimate:Q", format=".3f"),
        alt.Tooltip("low:Q", format=".3f"),
        alt.Tooltip("high:Q", format=".3f"),
        alt.Tooltip("word:N", title="verdict"),
    ]
    shape = alt.Shape(
        "verdict:N", scale=alt.Scale(domain=[*SHAPES, UNDECIDED], range=[*SHAPES.values(), "circle"]), legend=None
    )
    chart = alt.layer(
        table("lines").mark_rule(color="var(--ink)", strokeDash=[4, 4]).encode(x="x:Q").properties(name="criterion"),
        base.mark_rule(strokeWidth=2, opacity=0.6).encode(x=alt.X("low:Q"), x2="high:Q").properties(name="intervals"),
        base.mark_point(filled=True, size=70, opacity=0.95)
        .encode(x=x, shape=shape, tooltip=tips)
        .properties(name="estimates"),
    )
    return spec(chart.properties(width="container", height=max(50, 17 * n_rows)))


def _shortened(names: Sequence[str], group: str) -> list[str]:
    """Names without the parts (up to a hyphen) that all of them, or one name and its group, begin with: `seed3`."""
    parts = [name.split("-") for name in names]
    if len(set(names)) == 1:
        return [name.removeprefix(f"{group}-") for name in names]
    shared = next(i for i, column in enumerate(zip_longest(*parts)) if len(set(column)) > 1)
    return ["-".join(part[min(shared, len(part) - 1) :]) for part in parts]


def _estimates(values: Sequence[float]) -> str:
    return f"estimate{'s' if len(set(values)) > 1 else ''} {span(min(values), max(values))}"


def _caption(rows: Sequence[Mapping[str, Any]], noun: str, left_out: int, domain: tuple[float, float]) -> str:
    values = [row["estimate"] for row in rows]
    verdicts = Counter(row["verdict"] for row in rows if row["verdict"])
    parts = [f"{n} {LABELS.get(verdict, verdict)}" for verdict, n in verdicts.most_common()]
    plural = "families" if noun == "family" else ""
    text = f"{count(len(rows), noun, plural)}, {_estimates(values)}"
    text += f": {listing(parts)}." if parts else "."
    bare = sum(row["ci_low"] is None and row["ci_high"] is None for row in rows)
    if bare:
        text += f" {'None has an interval' if bare == len(rows) else f'{bare} have no interval'} of its own."
    beyond = sum(
        (row["ci_low"] is not None and row["ci_low"] < domain[0])
        or (row["ci_high"] is not None and row["ci_high"] > domain[1])
        for row in rows
    )
    if beyond:
        text += (
            f" {count(beyond, 'interval')} on too few units {'reaches' if beyond == 1 else 'reach'} beyond the axis."
        )
    if left_out:
        text += f" {left_out} more {'has' if left_out == 1 else 'have'} no estimate; the table below says why."
    return text
