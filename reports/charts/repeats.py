"""Behaviour on repeated random tokens: recall beside its null, and the loss on the first and the second copy.

Here: the charts and their captions. Not here: attention (trajectories.py, head_maps.py).
"""

from __future__ import annotations

from functools import cache
from typing import Any

import altair as alt
import polars as pl

from reports.charts.figure import Figure, Key, Panel
from reports.charts.theme import Spec, filled, series, spec, step_axis, table, top
from reports.charts.trajectories import by_model
from reports.query import Query
from reports.words import count, number, span

FIRST, SECOND = "part=first", "part=second"
LOSS_COLOURS = {FIRST: "var(--s-other)", SECOND: "var(--s-loss)"}


def query(family: str) -> Query:
    """All checkpoint-wide values of a family but those by distance or frequency."""
    return Query(
        """
SELECT model_id, run_id, metric_id, variant_id, stratum, step, tokens_seen, is_final, value, chance, standard_error,
    provenance
FROM evidence
JOIN models USING (model_id, family_id)
WHERE family_id = $family AND layer IS NULL AND head IS NULL AND stratum IN ('', 'part=first', 'part=second')
ORDER BY metric_id, variant_id, stratum, n_params NULLS LAST, model_id, run_id, step, checkpoint_id""",
        {"family": family},
    )


def figures(frame: pl.DataFrame, family: str) -> list[Figure]:
    """Recall and loss over training, where two steps or more were measured."""
    found = []
    for metric, make in (("repeat_recall", _recall), ("repeat_loss", _loss)):
        rows = frame.filter((pl.col("metric_id") == metric) & pl.col("step").is_not_null())
        if rows["step"].n_unique() > 1:
            found.append(make(rows, family))
    return found


def _panels(rows: pl.DataFrame, colours: dict[str, str], high: float) -> tuple[Panel, ...]:
    only = rows["model_id"].n_unique() == 1
    chart = _lines(int(rows["step"].max()), high)  # type: ignore[arg-type]
    return tuple(
        Panel("" if only else model, _panel(chart, part.to_dicts(), colours)) for model, part in by_model(rows)
    )


def _panel(chart: Spec, rows: list[dict[str, Any]], colours: dict[str, str]) -> Spec:
    points = [
        {
            "line": f"{row['run_id']} {row['variant_id']} {row['stratum']}",
            "run": row["run_id"],
            "part": row["stratum"].removeprefix("part=") or "value",
            "colour": colours.get(row["stratum"], "var(--s-other)"),
            "step": row["step"],
            "value": row["value"],
        }
        for row in rows
    ]
    nulls = sorted({row["chance"] for row in rows if row["chance"] is not None and row["stratum"] != FIRST})
    return filled(chart, points=points, nulls=[{"y": value} for value in nulls])


@cache
def _lines(last: int, high: float) -> Spec:
    tips = [
        alt.Tooltip("run:N"),
        alt.Tooltip("part:N"),
        alt.Tooltip("step:Q", format=","),
        alt.Tooltip("value:Q", format=".3f"),
    ]
    base = table("points").encode(
        x=step_axis(last),
        y=alt.Y("value:Q", title=None, scale=alt.Scale(domain=[0, high])),
        color=alt.Color("colour:N", scale=None),
    )
    chart = alt.layer(
        table("nulls").mark_rule(strokeDash=[4, 4]).encode(y="y:Q").properties(name="nulls"),
        base.mark_line(strokeWidth=1.6, opacity=0.65).encode(detail="line:N").properties(name="lines"),
        base.mark_circle(size=50, opacity=0).encode(tooltip=tips).properties(name="dots"),
    )
    return spec(chart.properties(width="container", height=190))


def _ends(rows: pl.DataFrame) -> pl.DataFrame:
    """The last value of each run."""
    return rows.sort("step").group_by(["run_id", "variant_id", "stratum"], maintain_order=True).last()


def _recall(rows: pl.DataFrame, family: str) -> Figure:
    last = _ends(rows)
    ends, nulls = last["value"].to_list(), last["chance"].drop_nulls().to_list()
    text = f"Recall ends at {span(min(ends), max(ends))} in {count(last['run_id'].n_unique(), 'training run')}"
    if nulls:
        above = [end - null for end, null in zip(ends, nulls, strict=False)]
        text += f"; guessing among the tokens of the context gives {span(min(nulls), max(nulls))}"
        if max(above) <= 0.05:
            text += ". No run ends more than 0.05 above that"
    return Figure(
        name="recall",
        title="Recall on repeated tokens",
        caption=f"{text}.",
        query=query(family),
        panels=_panels(rows, {"": series("repeat_recall").colour}, 1.0),
        legend=(
            Key("share of repeated tokens predicted", series("repeat_recall").colour),
            Key("guessing from the bag of the context", "var(--muted)", "dash"),
        ),
    )


def _loss(rows: pl.DataFrame, family: str) -> Figure:
    last = _ends(rows)
    first, second = (last.filter(pl.col("stratum") == part)["value"].to_list() for part in (FIRST, SECOND))
    text = "Loss by copy."
    if first and second:
        text = f"The loss ends at {span(min(first), max(first))} nats per token on the first copy and at "
        text += f"{span(min(second), max(second))} on the second."
    null = last.filter(pl.col("stratum") == SECOND)["chance"].drop_nulls().to_list()
    if null:
        text += f" Knowing which tokens occur, but not their order, gives {span(min(null), max(null))} (dashed): "
        text += "a fall to there is no sign of induction."
    return Figure(
        name="loss-on-repeats",
        title="Loss on repeated tokens, nats per token",
        caption=text,
        query=query(family),
        panels=_panels(rows, LOSS_COLOURS, top(rows["value"])),
        legend=(
            Key("first copy", LOSS_COLOURS[FIRST]),
            Key("second copy", LOSS_COLOURS[SECOND]),
            Key("bag of the context", "var(--muted)", "dash"),
        ),
    )


def final_sentence(frame: pl.DataFrame) -> str:
    """Recall and loss at the last checkpoint of a family's runs in one sentence; '' where they were not measured."""
    rows = frame.filter(pl.col("is_final"))
    recall = rows.filter(pl.col("metric_id") == "repeat_recall")
    loss = rows.filter(pl.col("metric_id") == "repeat_loss")
    parts = []
    if recall.height:
        null = recall["chance"].drop_nulls()
        beside = f" (null {number(null[0])})" if null.len() else ""
        parts.append(f"recall on repeats {_span(recall)}{beside}")
    first, second = loss.filter(pl.col("stratum") == FIRST), loss.filter(pl.col("stratum") == SECOND)
    if first.height and second.height:
        parts.append(f"loss {_span(first)} nats per token on the first copy and {_span(second)} on the second")
    return f"At the last checkpoint: {'; '.join(parts)}." if parts else ""


def _span(rows: pl.DataFrame) -> str:
    values = rows["value"].to_list()
    return span(min(values), max(values))
