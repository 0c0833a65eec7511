"""Where the heads of one training run sit, checkpoint by checkpoint: layer by head maps that a slider moves through.

Here: the query of a run, its maps, what they show. Not here: maps of final checkpoints, many runs to choose from
(head_maps.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import altair as alt
import duckdb
import numpy as np
import polars as pl

from reports.charts.figure import Figure, Panel, Slider
from reports.charts.head_maps import CELL, MAPPED, NARROW, SMALL
from reports.charts.theme import HEAT, Spec, filled, series, spec, table
from reports.charts.trajectories import SCORES
from reports.query import Query
from reports.words import compact, count, number

MAPS = 3
"""Metrics that get a map, the first of MAPPED that were measured."""
VALUES = 60_000
"""Values that a page's maps may hold; of more, evenly spaced checkpoints are shown and the caption says so."""


def query(family: str, model: str) -> Query:
    """Every head's scores on the mapped metrics at every checkpoint of a model's training runs."""
    metrics = ", ".join(f"'{metric}'" for metric in MAPPED)
    return Query(
        SCORES
        + f"""
SELECT run_id, metric_id, variant_id, checkpoint_id, label, step, tokens_seen, layer, head, value
FROM (SELECT * FROM scores WHERE model_id = $model AND value IS NOT NULL AND metric_id IN ({metrics}))
JOIN (SELECT checkpoint_id, label FROM checkpoints) USING (checkpoint_id)
ORDER BY run_id, metric_id, variant_id, step NULLS LAST, checkpoint_id, layer, head""",
        {"family": family, "model": model},
    )


@dataclass(frozen=True)
class Moment:
    """A checkpoint on the slider."""

    checkpoint: str
    label: str
    step: int | None
    tokens: int | None

    def told(self) -> str:
        """`step 1,000 (2.1B tokens)`, or the revision's label where no step is known."""
        if self.step is None:
            return self.label
        return f"step {self.step:,}" + (f" ({compact(self.tokens)} tokens)" if self.tokens is not None else "")


@dataclass(frozen=True)
class Top:
    """The head with the highest score at a checkpoint."""

    value: float
    layer: int
    head: int


@dataclass(frozen=True)
class Maps:
    """A training run's scores on the metrics that are mapped.

    Attributes:
        moments: checkpoints in the order of training.
        scores: by metric, rows of checkpoint_id, layer, head and value, of one variant.
        tops: by metric and checkpoint the best head; of equal ones the first.
    """

    moments: list[Moment]
    scores: dict[str, pl.DataFrame]
    tops: dict[str, dict[str, Top]]


NOTHING = Maps([], {}, {})


def read(catalog: duckdb.DuckDBPyConnection, family: str, model: str) -> dict[str, Maps]:
    """The maps of a model's training runs by run; those of which no head was measured are left out."""
    frame = query(family, model).frame(catalog)
    return {str(run): _maps(rows) for (run,), rows in frame.group_by(["run_id"], maintain_order=True)}


def _maps(rows: pl.DataFrame) -> Maps:
    by_metric = {str(metric): part for (metric,), part in rows.group_by(["metric_id"], maintain_order=True)}
    chosen = [metric for metric in MAPPED if metric in by_metric][:MAPS]
    scores = {
        metric: by_metric[metric].filter(pl.col("variant_id") == by_metric[metric]["variant_id"][0])
        for metric in chosen
    }
    found = pl.concat(scores.values()).select("checkpoint_id", "label", "step", "tokens_seen").unique()
    moments = [Moment(*row) for row in found.sort("step", "checkpoint_id", nulls_last=True).iter_rows()]
    return Maps(moments, scores, {metric: _tops(part) for metric, part in scores.items()})


def _tops(rows: pl.DataFrame) -> dict[str, Top]:
    best = rows.sort("value", "layer", "head", descending=[True, False, False]).unique(
        "checkpoint_id", keep="first", maintain_order=True
    )
    return {name: Top(*row) for name, *row in best.select("checkpoint_id", "value", "layer", "head").iter_rows()}


def figure(maps: Maps, query: Query) -> Figure:
    """The maps of a run with a slider over its checkpoints; a sentence where nothing was measured per head."""
    if not maps.scores:
        named = ", ".join(series(metric).label.lower() for metric in MAPPED)
        sentence = f"No map: none of {named} was measured per head in this training run."
        return Figure("head-maps", "", sentence, query)
    moments = _thinned(maps)
    left_out = len(maps.moments) - len(moments)
    told = [_told(metric, maps) for metric in maps.scores]
    if left_out:
        told.append(f"The slider shows {len(moments)} of {len(maps.moments)} checkpoints, evenly spaced.")
    n_heads = max(int(rows["head"].max()) for rows in maps.scores.values()) + 1  # type: ignore[arg-type]
    return Figure(
        name="head-maps",
        title="",
        caption=" ".join(told),
        query=query,
        panels=tuple(
            Panel(series(metric).label, _map(maps.scores[metric], maps.tops[metric], moments), n_heads < NARROW + 1)
            for metric in maps.scores
        ),
        slider=Slider("Checkpoint", "at", tuple(moment.told() for moment in moments)) if len(moments) > 1 else None,
        heat=True,
    )


def _thinned(maps: Maps) -> list[Moment]:
    """As many checkpoints as the page can hold, evenly spaced, first and last among them."""
    moments = maps.moments
    a_moment = sum(rows.height / rows["checkpoint_id"].n_unique() for rows in maps.scores.values())
    room = max(2, int(VALUES / a_moment))
    if len(moments) <= room:
        return moments
    return [moments[round(i * (len(moments) - 1) / (room - 1))] for i in range(room)]


def _map(scores: pl.DataFrame, tops: dict[str, Top], moments: Sequence[Moment]) -> Spec:
    """A row a head, with its values at all places of the slider: a sixth of the size of a row a value."""
    places = {moment.checkpoint: place for place, moment in enumerate(moments)}
    shown = scores.filter(pl.col("checkpoint_id").is_in(list(places)))
    n_layers, n_heads = (int(shown[key].max()) + 1 for key in ("layer", "head"))  # type: ignore[arg-type]
    values = np.full((n_layers, n_heads, len(moments)), np.nan)
    at = shown["checkpoint_id"].replace_strict(places, return_dtype=pl.Int64).to_numpy()
    values[shown["layer"].to_numpy(), shown["head"].to_numpy(), at] = shown["value"].round(3).to_numpy()
    cells = [
        {"l": layer, "h": head, "v": [None if value != value else value for value in values[layer, head].tolist()]}
        for layer, head in np.argwhere(~np.isnan(values).all(axis=2)).tolist()
    ]
    best = [{"p": place, "l": tops[name].layer, "h": tops[name].head} for name, place in places.items() if name in tops]
    return filled(_grid(n_layers, n_heads, len(moments) - 1), cells=cells, best=best)


@cache
def _grid(n_layers: int, n_heads: int, last: int) -> Spec:
    """Layers upward, heads to the right; the checkpoint's highest value has an outline."""
    place = {
        "x": alt.X("h:O", title="head", axis=alt.Axis(labelAngle=0, domain=False, ticks=False)),
        "y": alt.Y("l:O", title="layer", sort="descending"),
    }
    scored = table("cells").transform_calculate(value="datum.v[at]").transform_filter("isValid(datum.value)")
    tips = [
        alt.Tooltip("l:O", title="layer"),
        alt.Tooltip("h:O", title="head"),
        alt.Tooltip("value:Q", title="value", format=".3f"),
    ]
    fill = alt.Color("value:Q", scale=alt.Scale(type="quantize", domain=[0, 1], range=HEAT), legend=None)
    cell = scored.mark_rect(stroke="var(--page)", strokeWidth=1).encode(color=fill, tooltip=tips, **place)
    best = table("best").transform_filter("datum.p === at")
    best = best.mark_rect(filled=False, stroke="var(--outline)", strokeWidth=2.5).encode(**place)
    chart = alt.layer(cell.properties(name="cells"), best.properties(name="best"))
    chart = chart.add_params(alt.param(name="at", value=last))
    width: Any = n_heads * CELL if n_heads <= SMALL else "container"
    return spec(chart.properties(width=width, height=n_layers * (CELL if n_layers <= 4 else 14)))


def _told(metric: str, maps: Maps) -> str:
    """Where the top head sits at the last checkpoint that has the metric, and since when it has been the top one."""
    label = series(metric).label
    tops = [(moment, top) for moment in maps.moments if (top := maps.tops[metric].get(moment.checkpoint))]
    last, top = tops[-1]
    text = f"{label}: at {last.told()} the highest value is {number(top.value)}, at layer {top.layer}, head {top.head}"
    if len(tops) == 1:
        return f"{text}."
    n_same = 0
    for _, other in reversed(tops):
        if (other.layer, other.head) != (top.layer, top.head):
            break
        n_same += 1
    if n_same == len(tops):
        return f"{text}, the top head at all {count(len(tops), 'checkpoint')}."
    since = "that checkpoint" if n_same == 1 else tops[-n_same][0].told()
    places = len({(t.layer, t.head) for _, t in tops})
    return f"{text}; it has been the top head since {since}. {count(places, 'head')} took the lead in turn."
