"""Where the heads of one training run sit, checkpoint by checkpoint: layer by head maps that a slider moves through.

Here: the query of a run, its maps, what they show. Not here: maps of final checkpoints, many runs to choose from
(head_maps.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from typing import Any

import altair as alt
import duckdb

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


def query(family: str, run: str) -> Query:
    """Every head's scores at every checkpoint of a training run."""
    return Query(
        SCORES
        + """
SELECT metric_id, variant_id, checkpoint_id, label, step, tokens_seen, layer, head, value
FROM (SELECT * FROM scores WHERE run_id = $run)
JOIN (SELECT checkpoint_id, label FROM checkpoints) USING (checkpoint_id)
ORDER BY metric_id, variant_id, step NULLS LAST, checkpoint_id, layer, head""",
        {"family": family, "run": run},
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
    """A training run's scores by metric, checkpoint and head, of the metrics that are mapped.

    Attributes:
        moments: checkpoints in the order of training.
        scores: by metric and checkpoint, the value by (layer, head).
    """

    moments: list[Moment]
    scores: dict[str, dict[str, dict[tuple[int, int], float]]]

    def top(self, metric: str, checkpoint: str) -> Top | None:
        """The best head; of equal ones the first."""
        heads = self.scores[metric].get(checkpoint)
        if not heads:
            return None
        place = min(heads, key=lambda at: (-heads[at], at))
        return Top(heads[place], *place)


def read(catalog: duckdb.DuckDBPyConnection, family: str, run: str) -> Maps:
    """The scores of a run, one variant a metric."""
    rows = query(family, run).rows(catalog)
    by_metric = {metric: list(part) for metric, part in groupby(rows, key=lambda row: row["metric_id"])}
    chosen = [metric for metric in MAPPED if metric in by_metric][:MAPS]
    moments: dict[str, Moment] = {}
    scores: dict[str, dict[str, dict[tuple[int, int], float]]] = {}
    for metric in chosen:
        variant = by_metric[metric][0]["variant_id"]
        for row in by_metric[metric]:
            if row["variant_id"] == variant and row["value"] is not None:
                name = row["checkpoint_id"]
                moments.setdefault(name, Moment(name, row["label"], row["step"], row["tokens_seen"]))
                scores.setdefault(metric, {}).setdefault(name, {})[row["layer"], row["head"]] = row["value"]
    ordered = sorted(moments.values(), key=lambda m: (m.step is None, m.step or 0, m.checkpoint))
    return Maps(ordered, scores)


def figure(maps: Maps, family: str, run: str) -> Figure:
    """The maps of a run with a slider over its checkpoints; a sentence where nothing was measured per head."""
    if not maps.scores:
        named = ", ".join(series(metric).label.lower() for metric in MAPPED)
        sentence = f"No map: none of {named} was measured per head in this training run."
        return Figure("head-maps", "", sentence, query(family, run))
    moments = _thinned(maps)
    left_out = len(maps.moments) - len(moments)
    told = [_told(metric, maps) for metric in maps.scores]
    if left_out:
        told.append(f"The slider shows {len(moments)} of {len(maps.moments)} checkpoints, evenly spaced.")
    heads = {head for tops in maps.scores.values() for scores in tops.values() for _, head in scores}
    return Figure(
        name="head-maps",
        title="",
        caption=" ".join(told),
        query=query(family, run),
        panels=tuple(
            Panel(series(metric).label, _map(maps.scores[metric], moments), max(heads) < NARROW)
            for metric in maps.scores
        ),
        slider=Slider("Checkpoint", "at", tuple(moment.told() for moment in moments)) if len(moments) > 1 else None,
        heat=True,
    )


def _thinned(maps: Maps) -> list[Moment]:
    """As many checkpoints as the page can hold, evenly spaced, first and last among them."""
    moments = maps.moments
    a_moment = sum(max(len(heads) for heads in tops.values()) for tops in maps.scores.values())
    room = max(2, VALUES // max(1, a_moment))
    if len(moments) <= room:
        return moments
    return [moments[round(i * (len(moments) - 1) / (room - 1))] for i in range(room)]


def _map(scores: dict[str, dict[tuple[int, int], float]], moments: Sequence[Moment]) -> Spec:
    """A row a head, with its values at all places of the slider: a sixth of the size of a row a value."""
    heads = sorted({head for moment in moments for head in scores.get(moment.checkpoint, {})})
    columns = [scores.get(moment.checkpoint, {}) for moment in moments]
    cells = [
        {"l": layer, "h": head, "v": [_short(column.get((layer, head))) for column in columns]} for layer, head in heads
    ]
    n_layers, n_heads = (max(place[i] for place in heads) + 1 for i in (0, 1))
    return filled(_grid(n_layers, n_heads, len(moments) - 1), cells=cells)


def _short(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


@cache
def _grid(n_layers: int, n_heads: int, last: int) -> Spec:
    """Layers upward, heads to the right; the checkpoint's highest value has an outline."""
    base = (
        table("cells")
        .transform_calculate(value="datum.v[at]")
        .transform_filter("isValid(datum.value)")
        .encode(
            x=alt.X("h:O", title="head", axis=alt.Axis(labelAngle=0, domain=False, ticks=False)),
            y=alt.Y("l:O", title="layer", sort="descending"),
        )
    )
    tips = [
        alt.Tooltip("l:O", title="layer"),
        alt.Tooltip("h:O", title="head"),
        alt.Tooltip("value:Q", title="value", format=".3f"),
    ]
    fill = alt.Color("value:Q", scale=alt.Scale(type="quantize", domain=[0, 1], range=HEAT), legend=None)
    cell = base.mark_rect(stroke="var(--page)", strokeWidth=1).encode(color=fill, tooltip=tips)
    best = (
        base.transform_joinaggregate(top="max(value)")
        .transform_filter("datum.value === datum.top")
        .mark_rect(filled=False, stroke="var(--outline)", strokeWidth=2.5)
    )
    chart = alt.layer(cell.properties(name="cells"), best.properties(name="best"))
    chart = chart.add_params(alt.param(name="at", value=last))
    width: Any = n_heads * CELL if n_heads <= SMALL else "container"
    return spec(chart.properties(width=width, height=n_layers * (CELL if n_layers <= 4 else 14)))


def _told(metric: str, maps: Maps) -> str:
    """Where the top head sits at the last checkpoint that has the metric, and since when it has been the top one."""
    label = series(metric).label
    tops = [(moment, top) for moment in maps.moments if (top := maps.top(metric, moment.checkpoint))]
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
    since = tops[-n_same][0].told()
    places = len({(t.layer, t.head) for _, t in tops})
    return f"{text}; it has been the top head since {since}. {count(places, 'head')} took the lead in turn."
