"""A family's sizes on one axis: one panel a metric, one colour a model, the median training run and the range of runs.

Here: the aligned charts and when each model passes the threshold. Not here: single runs (trajectories.py), one model on
both clocks (clocks.py).
"""

from __future__ import annotations

from functools import cache
from typing import Any

import altair as alt
import polars as pl

from reports.charts import trajectories
from reports.charts.clocks import token_axis
from reports.charts.figure import Figure, Key, Panel
from reports.charts.theme import Spec, bottom, filled, series, spec, step_axis, table, top
from reports.words import compact, listing

SIZES = 8
"""Colours of models, from small to large (style.css, --size-0 to --size-7)."""
PANELS = 6
"""Metrics drawn, those that the reports name first; the rest stand below, one figure a metric."""


def figure(best: pl.DataFrame, family: str) -> Figure | None:
    """The models side by side; None where fewer than two were measured at two steps or more.

    Args:
        best: the best head of each checkpoint (trajectories.query), models from small to large.
    """
    models = [model for model, rows in trajectories.by_model(best) if rows["step"].n_unique() > 1]
    rows = best.filter(pl.col("model_id").is_in(models))
    order = rows.unique("model_id", maintain_order=True)["model_id"].to_list()
    if len(order) < 2:
        return None
    clock = "step" if rows["tokens_seen"].null_count() else "tokens_seen"
    colours = {model: colour(place, len(order)) for place, model in enumerate(order)}
    drawn = [
        (str(metric), part)
        for (metric,), part in rows.group_by(["metric_id"], maintain_order=True)
        if part["variant_id"].n_unique() == 1 and part["model_id"].n_unique() > 1
    ]
    drawn = sorted(drawn, key=lambda item: _rank(item[0]))[:PANELS]
    if not drawn:
        return None
    return Figure(
        name="sizes",
        title="All sizes on one axis",
        caption=_caption(drawn, clock),
        query=trajectories.query(family),
        panels=tuple(Panel(series(metric).label, _panel(part, clock, colours)) for metric, part in drawn),
        legend=tuple(Key(model, colours[model]) for model in order),
    )


def colour(place: int, n: int) -> str:
    """The colour of the model at this place among n from small to large."""
    return f"var(--size-{round(place * (SIZES - 1) / max(1, n - 1))})"


def _rank(metric: str) -> tuple[int, str]:
    first = ("induction", "prefix_matching", "previous_token", "previous_token_all", "first_token", "first_token_all")
    return (first.index(metric) if metric in first else len(first), metric)


def _middles(rows: pl.DataFrame, clock: str) -> pl.DataFrame:
    """Per model and place on the clock the median, the least and the greatest of the runs' best heads."""
    return rows.group_by(["model_id", clock], maintain_order=True).agg(
        pl.col("value").median().alias("value"),
        pl.col("value").min().alias("low"),
        pl.col("value").max().alias("high"),
        pl.col("chance").first(),
        pl.col("has_excess").first(),
    )


def _panel(rows: pl.DataFrame, clock: str, colours: dict[str, str]) -> Spec:
    points = [
        {
            "model": row["model_id"],
            "colour": colours[row["model_id"]],
            "x": row[clock],
            "value": row["value"],
            "low": row["low"],
            "high": row["high"],
        }
        for row in _middles(rows, clock).sort("model_id", clock, maintain_order=True).to_dicts()
    ]
    ats = [point["x"] for point in points]
    first = min((at for at in ats if at > 0), default=1)
    return filled(_lines(clock, first, max(ats), bottom(rows["value"]), top(rows["value"])), points=points)


@cache
def _lines(clock: str, first: int, last: int, low: float, high: float) -> Spec:
    x = step_axis(last, field="x") if clock == "step" else token_axis(first, last)
    base = table("points").encode(x=x, color=alt.Color("colour:N", scale=None), detail="model:N")
    low_end = alt.Y("low:Q", title=None)
    y = alt.Y("value:Q", title=None, scale=alt.Scale(domain=[low, high]))
    tips: list[Any] = [
        alt.Tooltip("model:N"),
        alt.Tooltip("x:Q", title=clock.removesuffix("_seen"), format=","),
        alt.Tooltip("value:Q", title="median run", format=".3f"),
        alt.Tooltip("low:Q", title="lowest run", format=".3f"),
        alt.Tooltip("high:Q", title="highest run", format=".3f"),
    ]
    chart = alt.layer(
        base.mark_area(opacity=0.12, clip=True).encode(y=low_end, y2="high:Q").properties(name="runs"),
        base.mark_line(strokeWidth=2.2, clip=True).encode(y=y).properties(name="medians"),
        base.mark_circle(size=50, opacity=0).encode(y=y, tooltip=tips).properties(name="dots"),
    )
    return spec(chart.properties(width="container", height=210))


def _caption(drawn: list[tuple[str, pl.DataFrame]], clock: str) -> str:
    told = " ".join(text for metric, rows in drawn if (text := _onsets(metric, rows, clock)))
    unit = "training steps" if clock == "step" else "training tokens"
    lead = (
        f"Best head by {unit}: the line is a model's median run, the band reaches from its lowest run to its highest."
    )
    return f"{lead} {told}".strip()


def _onsets(metric: str, rows: pl.DataFrame, clock: str) -> str:
    """Where each model's median run first stands past the threshold over chance; '' for metrics without excess."""
    middles = _middles(rows, clock)
    if not middles["has_excess"].all():
        return ""
    found: list[tuple[str, str]] = []
    for model, part in trajectories.by_model(middles):
        chance = part["chance"].fill_null(0.0)
        past = part.filter((pl.col("value") - chance) / (1 - chance) > trajectories.THRESHOLD).sort(clock)
        at = past[clock][0] if past.height else None
        found.append((model, "never" if at is None else f"at {at:,}" if clock == "step" else f"at {compact(at)}"))
    label = series(metric).label
    if {where for _, where in found} == {"never"}:
        return f"{label}: no model's median run passes {trajectories.THRESHOLD} above chance."
    return f"{label} passes {trajectories.THRESHOLD} above chance {listing([f'{w} in {m}' for m, w in found])}."
