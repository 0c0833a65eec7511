"""How one model's metrics develop on both clocks, training steps and training tokens: one line a training run.

Steps are what a checkpoint is named by; tokens are what models of other batch sizes can be held against.
Not here: a family's models side by side (trajectories.py, aligned.py).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import altair as alt
import polars as pl

from reports.charts import trajectories
from reports.charts.figure import Figure, Key, Panel
from reports.charts.theme import Spec, bottom, filled, series, spec, step_axis, table, top
from reports.query import Query
from reports.words import compact, count, span

POINTS = 20_000
"""Points that a page's charts may hold on both clocks; of more training runs the first are drawn, and that is said."""
COLUMNS = ("model_id", "run_id", "metric_id", "variant_id", "step", "tokens_seen", "value", "chance")


class Clock(NamedTuple):
    """What runs along the axis: its column, the panel's title, and how its axis is made of the greatest value."""

    column: str
    title: str
    axis: Callable[[int, int], alt.X]


def token_axis(first: int, last: int) -> alt.X:
    """The axis of training tokens: symlog past a thousandfold of the first checkpoint after 0, else linear."""
    labels = "replace(format(datum.value, '~s'), 'G', 'B')"
    title = "training tokens"
    if last <= 1000 * first:
        scale = alt.Scale(domain=[0, last], nice=False)
        return alt.X("x:Q", title=title, scale=scale, axis=alt.Axis(tickCount=5, labelExpr=labels))
    decades = [0, *(10**power for power in range(1, 16) if first <= 10**power <= last)]
    return alt.X(
        "x:Q",
        title=f"{title} (log scale)",
        scale=alt.Scale(type="symlog", constant=first, domain=[0, last], nice=False),
        axis=alt.Axis(values=decades, labelExpr=labels),
    )


def _steps(_: int, last: int) -> alt.X:
    return step_axis(last, field="x")


STEPS = Clock("step", "over training steps", _steps)
TOKENS = Clock("tokens_seen", "over training tokens", token_axis)


def figures(best: pl.DataFrame, behaviour: pl.DataFrame, queries: tuple[Query, Query]) -> list[Figure]:
    """A figure per metric and variant that was measured at two steps or more in some run of the model.

    Args:
        best: the best head's values (trajectories.query).
        behaviour: values of whole checkpoints (repeats.query).
        queries: those that gave them.
    """
    whole = behaviour.filter((pl.col("stratum") == "") & pl.col("step").is_not_null())
    parts = [
        (str(metric), str(variant), rows, of_heads)
        for frame, of_heads in ((best, True), (whole, False))
        for (metric, variant), rows in frame.group_by(["metric_id", "variant_id"], maintain_order=True)
        if rows["step"].n_unique() > 1
    ]
    points = sum(2 * rows.height for _, _, rows, _ in parts)
    share = min(1.0, POINTS / max(1, points))
    named = [metric for metric, *_ in parts]
    made = [
        _figure(metric, variant if named.count(metric) > 1 else "", rows, of_heads, queries[not of_heads], share)
        for metric, variant, rows, of_heads in parts
    ]
    return sorted(made, key=lambda figure: not figure.name.startswith("clocks-induction"))


def _figure(metric: str, variant: str, rows: pl.DataFrame, of_heads: bool, query: Query, share: float) -> Figure:
    look = series(metric)
    runs = rows["run_id"].unique(maintain_order=True).to_list()
    kept = runs[: max(1, int(len(runs) * share))]
    drawn = rows.filter(pl.col("run_id").is_in(kept))
    panels = [Panel(STEPS.title, _panel(drawn, kept, look.colour, STEPS))]
    told = trajectories.caption(rows) if of_heads else _told(rows)
    if drawn["tokens_seen"].drop_nulls().n_unique() > 1:
        panels.append(Panel(TOKENS.title, _panel(drawn, kept, look.colour, TOKENS)))
        told += _in_tokens(rows) if of_heads else ""
    else:
        told += " Tokens seen are not known here."
    if len(kept) < len(runs):
        told += f" {len(kept)} of {len(runs)} runs are drawn."
    has_chance = rows["chance"].drop_nulls().len() > 0
    line = "best head of one training run" if of_heads else "one training run"
    return Figure(
        name=f"clocks-{metric}" + (f"-{variant}" if variant else ""),
        title=look.label + (f" ({variant})" if variant else ""),
        caption=told,
        query=query,
        panels=tuple(panels),
        legend=(Key(line, look.colour), *([Key("chance", "var(--muted)", "dash")] if has_chance else [])),
    )


def _panel(rows: pl.DataFrame, runs: list[str], colour: str, clock: Clock) -> Spec:
    numbers = {run: place for place, run in enumerate(runs)}
    known = rows.filter(pl.col(clock.column).is_not_null())
    points = [
        {"r": numbers[run], "x": at, "v": value}
        for run, at, value in known.select("run_id", clock.column, "value").iter_rows()
    ]
    chance = sorted(set(rows["chance"].drop_nulls()))
    ats = [point["x"] for point in points]
    first = min((at for at in ats if at > 0), default=1)
    frame = (bottom(rows["value"]), top(rows["value"]))
    return filled(
        _lines(colour, clock, first, max(ats), frame, len(points) <= trajectories.DOTS),
        points=points,
        runs=[{"i": place, "run": run} for place, run in enumerate(runs)],
        chance=[{"y": value} for value in chance[:1]],
    )


@cache
def _lines(colour: str, clock: Clock, first: int, last: int, frame: tuple[float, float], dots: bool) -> Spec:
    """Lines along the clock; the run under the pointer stands out and is named."""
    named = alt.LookupData(data=alt.NamedData(name="runs"), key="i", fields=["run"])
    base = (
        table("points")
        .transform_lookup(lookup="r", from_=named)
        .encode(x=clock.axis(first, last), y=alt.Y("v:Q", title=None, scale=alt.Scale(domain=list(frame))))
    )
    tips: list[Any] = [
        alt.Tooltip("run:N"),
        alt.Tooltip("x:Q", title=clock.column.removesuffix("_seen"), format=","),
        alt.Tooltip("v:Q", title="value", format=".3f"),
    ]
    chart = alt.layer(
        table("chance").mark_rule(strokeDash=[4, 4]).encode(y="y:Q").properties(name="at_chance"),
        *trajectories.hovered(base, colour, "r", tips, dots),
    )
    return spec(chart.properties(width="container", height=170))


def _told(rows: pl.DataFrame) -> str:
    """Where a whole checkpoint's value starts and ends, beside its null."""
    ordered = rows.sort("step").group_by("run_id", maintain_order=True)
    starts, ends = ordered.first()["value"].to_list(), ordered.last()["value"].to_list()
    text = f"{count(len(ends), 'training run')}: from {span(min(starts), max(starts))} at the first checkpoint to "
    text += f"{span(min(ends), max(ends))} at the last."
    nulls = ordered.last()["chance"].drop_nulls().to_list()
    return f"{text} Chance gives {span(min(nulls), max(nulls))}." if nulls else text


def _in_tokens(rows: pl.DataFrame) -> str:
    """The caption's onset again, by the other clock; '' where no run passes the threshold."""
    found = []
    for line in trajectories.lines(rows):
        where = line.passes()
        if where:
            tokens = dict(rows.filter(pl.col("run_id") == line.run).select("step", "tokens_seen").iter_rows())
            found += [tokens[step] for step in where if tokens[step] is not None]
    return f" In tokens: between {compact(min(found))} and {compact(max(found))}." if found else ""
