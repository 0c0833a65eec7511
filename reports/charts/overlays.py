"""Several metrics of the same runs in one panel, a colour each: what comes first, what comes together.

Here: the overlay of head metrics, and induction heads beside recall. Not here: one metric by itself (trajectories.py,
repeats.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import altair as alt
import polars as pl

from reports.charts import repeats
from reports.charts.figure import Figure, Key, Panel
from reports.charts.theme import Spec, bottom, filled, series, spec, step_axis, table, top
from reports.charts.trajectories import by_model
from reports.words import count, listing, number

DRAWN = ("model_id", "run_id", "metric_id", "variant_id", "step", "value")
RISES = 0.3
"""By how much a value must rise for its half-way point to be spoken of."""


def together(frame: pl.DataFrame, metrics: Sequence[str], most: int) -> Spec | None:
    """Several metrics of the same runs in one panel, a colour each: which comes first. None without two steps.

    Args:
        most: training runs drawn; the first ones are.
    """
    rows = frame.filter(pl.col("metric_id").is_in(list(metrics)))
    rows = rows.filter(pl.col("run_id").is_in(rows["run_id"].unique(maintain_order=True).head(most).implode()))
    if rows.is_empty() or rows["step"].n_unique() < 2:
        return None
    points = [
        {
            "line": f"{row['run_id']} {row['variant_id']}",
            "run": row["run_id"],
            "metric": series(row["metric_id"]).label,
            "colour": series(row["metric_id"]).colour,
            "step": row["step"],
            "value": row["value"],
        }
        for row in rows.to_dicts()
    ]
    return filled(_coloured(int(rows["step"].max()), bottom(rows["value"]), top(rows["value"])), points=points)  # type: ignore[arg-type]


@cache
def _coloured(last: int, low: float, high: float) -> Spec:
    """Thin lines over steps, each in the colour that its rows name."""
    chart = (
        table("points")
        .mark_line(strokeWidth=1.6, opacity=0.7, clip=True)
        .encode(
            x=step_axis(last),
            y=alt.Y("value:Q", title=None, scale=alt.Scale(domain=[low, high])),
            color=alt.Color("colour:N", scale=None),
            detail="line:N",
            tooltip=["run:N", "metric:N"],
        )
    )
    return spec(chart.properties(width="container", height=140))


def legend(metrics: Sequence[str]) -> tuple[Key, ...]:
    """One entry a colour: metrics of one construct share theirs."""
    first = {series(metric).colour: Key(series(metric).label, series(metric).colour) for metric in reversed(metrics)}
    return tuple(reversed(first.values()))


def named(metrics: Sequence[str]) -> str:
    """Metrics in running text."""
    return listing([series(metric).label.lower() for metric in metrics])


def recall_figure(best: pl.DataFrame, behaviour: pl.DataFrame, family: str) -> Figure | None:
    """Induction heads and recall in the same panel; None where not both were measured at two steps or more."""
    induction = best.filter(pl.col("metric_id") == "induction").select(DRAWN)
    recall = behaviour.filter((pl.col("metric_id") == "repeat_recall") & pl.col("step").is_not_null()).select(DRAWN)
    metrics = ("induction", "repeat_recall")
    if min(induction["step"].n_unique(), recall["step"].n_unique()) < 2:
        return None
    rows = pl.concat([induction, recall])
    drawn = [(model, together(part, metrics, part["run_id"].n_unique())) for model, part in by_model(rows)]
    panels = tuple(Panel(model if len(drawn) > 1 else "", chart) for model, chart in drawn if chart is not None)
    caption = _told(induction, recall)
    return Figure(
        "recall-with-heads", "Induction heads and recall", caption, repeats.query(family), panels, legend(metrics)
    )


def _told(induction: pl.DataFrame, recall: pl.DataFrame) -> str:
    """Whether head and recall pass half of their rise at the same or at neighbouring checkpoints, run by run."""
    halves = {
        run: (_half_way(rows), _half_way(recall.filter(pl.col("run_id") == run)))
        for (run,), rows in induction.group_by(["run_id"], maintain_order=True)
    }
    both = [(head, said) for head, said in halves.values() if head is not None and said is not None]
    if not both:
        highest = number(max(induction["value"]))
        return f"In none of {count(len(halves), 'run')} do both rise: the best head stays at or below {highest}."
    steps = [step for (_, head), (_, said) in both for step in (head, said)]
    beside = sum(abs(head[0] - said[0]) <= 1 for head, said in both)
    return (
        f"In {len(both)} of {count(len(halves), 'run')} the best head's score and recall both rise. They pass half of "
        f"their rise at the same checkpoint or at neighbouring ones in {beside} of these, between steps "
        f"{min(steps):,} and {max(steps):,}."
    )


def _half_way(rows: pl.DataFrame) -> tuple[int, int] | None:
    """Number and step of the first checkpoint past half of the rise from the first value to the greatest."""
    steps, values = rows["step"].to_list(), rows["value"].to_list()
    if not values or max(values) - values[0] < RISES:
        return None
    half = (values[0] + max(values)) / 2
    return next((i, step) for i, (step, value) in enumerate(zip(steps, values, strict=True)) if value >= half)
