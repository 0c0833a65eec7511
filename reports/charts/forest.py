"""What a claim estimates for each training run, model or family, with its interval and its verdict.

Here: the forest plot and its caption. Not here: which estimates a claim has (pages/claim.py asks the catalog).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from copy import deepcopy
from functools import cache
from itertools import zip_longest
from typing import Any

import altair as alt

from reports.charts.figure import Figure, Key, Panel
from reports.charts.theme import SHAPES, VERDICT_COLOURS, Spec, filled, spec, table
from reports.query import Query
from reports.words import LABELS, NOUNS, VERDICTS, count, listing, number, span

UNDECIDED = "undecided"
"""In place of a verdict, for estimates that are not decided one by one."""
ENDS = ("ci_low", "ci_high")
PREDICTED = ("pi_low", "pi_high")
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
    within: tuple[float, float] | None = None,
) -> Figure:
    """Estimates as points with intervals, one panel a group; those pooled over others are outlined.

    Args:
        rows: group, label, row (what shares a line), estimate, ci_low, ci_high, verdict; of one that is pooled over
            others also level, pi_low and pi_high (the prediction interval).
        noun: what a point is that is not pooled: training run, model, family.
        lines: where the claim's criterion lies, if anywhere.
        note: what the estimates do not show of how they are decided; a sentence for the end of the caption.
        within: between which values estimates of this unit can lie; None = anywhere.
    """
    drawn = [row for row in rows if row["estimate"] is not None]
    if not drawn:
        return Figure(name, title, f"No {noun} has an estimate of its own to show.", query)
    domain = (within[0] - 0.03, within[1] + 0.03) if within else _domain(drawn, lines)
    pooled = [row for row in drawn if row.get("level")]
    groups = list(dict.fromkeys(str(row["group"]) for row in drawn))
    unit = next((row["unit"] for row in drawn if row.get("unit")), None)
    title = f"{title}, {unit}" if unit else title
    panels = tuple(
        Panel(group, _panel([row for row in drawn if row["group"] == group], domain, lines, 260 // min(2, len(groups))))
        for group in groups
    )
    present = {row["verdict"] for row in drawn}
    verdicts = tuple(Key(word.label, word.verdict, "verdict") for word in VERDICTS if word.verdict in present)
    line = (Key(f"criterion: {_named(lines)}", "var(--ink)", "dash"),) if lines else ()
    left_out = sum(row["estimate"] is None for row in rows)
    single = [row for row in drawn if not row.get("level")]
    told = [_caption(single, noun, left_out, domain)] if single else []
    caption = " ".join([*told, *_told_of_pooled(pooled), *([note] if note else [])])
    return Figure(name, title, caption, query, panels, (*verdicts, *line))


def _named(lines: Sequence[float]) -> str:
    return listing([number(line) for line in lines])


def _domain(rows: Sequence[Mapping[str, Any]], lines: Sequence[float]) -> tuple[float, float]:
    """Wide enough for all estimates and for the intervals that rest on enough units."""
    ends = [row["estimate"] for row in rows]
    enough = [row for row in rows if row["verdict"] != "insufficient"]
    ends += [row[key] for row in enough for key in (*ENDS, *PREDICTED) if row.get(key) is not None]
    ends += lines
    low, high = min(0.0, *ends), max(ends)
    margin = 0.04 * (high - low) or 0.5
    return (low - margin, high + margin)


def _panel(
    rows: Sequence[Mapping[str, Any]], domain: tuple[float, float], lines: Sequence[float], label_limit: int
) -> Spec:
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
            "pooled": bool(row.get("level")),
            "verdict": row["verdict"] or UNDECIDED,
            "word": LABELS.get(row["verdict"], "not decided singly"),
        }
        for name, row in zip(names, rows, strict=True)
    ]
    predicted = [
        {"row": point["row"], "low": max(row["pi_low"], domain[0]), "high": min(row["pi_high"], domain[1])}
        for point, row in zip(points, rows, strict=True)
        if row.get("pi_low") is not None and row.get("pi_high") is not None
    ]
    chart = deepcopy(_intervals(label_limit))
    chart["height"] = max(50, 17 * len(set(names)))
    chart["layer"][-1]["encoding"]["x"]["scale"]["domain"] = list(domain)
    return filled(chart, points=points, predicted=predicted, lines=[{"x": line} for line in lines])


@cache
def _intervals(limit: int) -> Spec:
    """Points with intervals, a line each in the order of the rows, coloured and shaped by verdict.

    Where the axis ends and how high the chart is, the caller sets: the rest costs much more to make.
    """
    colour = alt.Scale(domain=[*VERDICT_COLOURS, UNDECIDED], range=[*VERDICT_COLOURS.values(), "var(--s-induction)"])
    y = alt.Y("row:N", sort=None, title=None, axis=alt.Axis(grid=True, labelLimit=limit))
    base = table("points").encode(y=y, color=alt.Color("verdict:N", scale=colour, legend=None))
    x = alt.X("estimate:Q", title=None, scale=alt.Scale(domain=[0, 1], nice=False), axis=alt.Axis(tickCount=5))
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
        table("predicted")
        .mark_rule(strokeWidth=9, opacity=0.25, color="var(--muted)")
        .encode(y=y, x=alt.X("low:Q"), x2="high:Q")
        .properties(name="predictions"),
        base.mark_rule(strokeWidth=2, opacity=0.6).encode(x=alt.X("low:Q"), x2="high:Q").properties(name="intervals"),
        base.mark_point(filled=True, opacity=0.95, stroke="var(--ink)")
        .encode(
            x=x,
            shape=shape,
            tooltip=tips,
            size=alt.condition("datum.pooled", alt.value(150), alt.value(60)),
            strokeWidth=alt.condition("datum.pooled", alt.value(1.6), alt.value(0)),
        )
        .properties(name="estimates"),
    )
    return spec(chart.properties(width="container"))


def _shortened(names: Sequence[str], group: str) -> list[str]:
    """Names without the parts (up to a hyphen) that all of them, or one name and its group, begin with: `seed3`."""
    parts = [name.split("-") for name in names]
    if len(set(names)) == 1:
        return [name.removeprefix(f"{group}-") for name in names]
    shared = next(i for i, column in enumerate(zip_longest(*parts)) if len(set(column)) > 1)
    return ["-".join(part[min(shared, len(part) - 1) :]) for part in parts]


def _told_of_pooled(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The pooled estimates, outlined: how many of each level, and the only ones or the highest level's by name."""
    told = []
    for level, noun in NOUNS.items():
        of_level = [row for row in rows if row["level"] == level]
        if of_level:
            values = _estimates([row["estimate"] for row in of_level])
            what = "Across families" if level == "across" else count(len(of_level), *noun)
            told.append(f"{what} (outlined), {values}.")
    if any(row.get("pi_low") is not None for row in rows):
        told.append("Wide bar: where another unit of the same kind is expected, with 95 % probability.")
    return told


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
