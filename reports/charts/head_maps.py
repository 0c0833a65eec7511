"""Where the heads sit: layer by head maps of the final checkpoint, and the attention around the induction target.

Here: the maps, their run menu, the offset profile. Not here: development (trajectories.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import Any

import altair as alt
import polars as pl

from reports.charts.figure import Choice, Figure, Key, Panel
from reports.charts.theme import HEAT, Spec, filled, series, spec, table
from reports.charts.trajectories import SCORES, by_model
from reports.query import Query
from reports.words import count, listing, number

MAPPED = ("induction", "prefix_matching", "previous_token", "previous_token_all", "first_token", "first_token_all")
"""Metrics that get a map, in order of preference."""
MAPS = 2
CELLS = 12_000
"""Values that one page's maps may hold; training runs beyond that are left out, and the caption says so."""
STRONG = 0.3
"""Attention that is spoken of in the profile of offsets."""
CELL = 34
"""Size of a cell of a small map in pixels."""
SMALL, NARROW = 6, 10
"""A map of up to SMALL heads a layer has cells of that size, one of fewer than NARROW does not fill its column."""


def query(family: str) -> Query:
    """All heads of the final checkpoints of a family."""
    return Query(
        SCORES
        + """
SELECT model_id, run_id, metric_id, variant_id, layer, head, value, chance
FROM scores
JOIN models USING (model_id)
WHERE is_final = TRUE
ORDER BY n_params NULLS LAST, model_id, metric_id, variant_id, run_id, layer, head""",
        {"family": family},
    )


def figures(frame: pl.DataFrame, family: str) -> list[Figure]:
    """One figure a model: maps of the first metrics of MAPPED that were measured, one training run at a time."""
    models = by_model(frame)
    cells = sum(_mapped(part).height for _, part in models)
    return [_figure(model, part, family, min(1.0, CELLS / max(1, cells))) for model, part in models]


def _mapped(frame: pl.DataFrame) -> pl.DataFrame:
    """The rows of the metrics that get a map: the first of MAPPED that were measured, one variant each."""
    measured = frame["metric_id"].unique().to_list()
    metrics = [metric for metric in MAPPED if metric in measured][:MAPS]
    chosen = [_first_variant(frame.filter(pl.col("metric_id") == metric)) for metric in metrics]
    return pl.concat(chosen) if chosen else frame.clear()


def _figure(model: str, frame: pl.DataFrame, family: str, share: float) -> Figure:
    """The maps of a model, with so large a share of its runs to choose from."""
    mapped = _mapped(frame)
    if mapped.is_empty():
        sentence = f"No map: none of {', '.join(series(m).label.lower() for m in MAPPED)} was measured per head here."
        return Figure(f"heads-{model}", model, sentence, query(family))
    runs = mapped["run_id"].unique(maintain_order=True).to_list()
    kept = runs[: max(1, int(len(runs) * share))]
    maps = [
        (series(str(metric)).label, rows) for (metric,), rows in mapped.group_by(["metric_id"], maintain_order=True)
    ]
    narrow = max(mapped["head"].to_list()) < NARROW
    left_out = f" {len(kept)} of {len(runs)} runs can be chosen here." if len(kept) < len(runs) else ""
    return Figure(
        name=f"heads-{model}",
        title=model,
        caption=" ".join(_where(label, rows) for label, rows in maps) + left_out,
        query=query(family),
        panels=tuple(Panel(label, _map(rows, kept), narrow) for label, rows in maps),
        choice=Choice("Training run", "run", tuple(kept)) if len(kept) > 1 else None,
        heat=True,
    )


def _first_variant(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.filter(pl.col("variant_id") == rows["variant_id"].sort()[0])


def _map(rows: pl.DataFrame, runs: Sequence[str]) -> Spec:
    """Layers upward, heads to the right; the run's highest value has an outline."""
    kept = rows.filter(pl.col("run_id").is_in(list(runs)))
    top = kept.group_by("run_id").agg(pl.col("value").max().alias("top"))
    cells = [
        {
            "r": row["run_id"],
            "l": row["layer"],
            "h": row["head"],
            "v": row["value"],
            "t": int(row["value"] == row["top"]),
        }
        for row in kept.join(top, on="run_id", maintain_order="left").to_dicts()
    ]
    n_layers, n_heads = (int(kept[key].max()) + 1 for key in ("layer", "head"))  # type: ignore[arg-type]
    return filled(_grid(n_layers, n_heads, runs[0]), cells=cells)


@cache
def _grid(n_layers: int, n_heads: int, first: str) -> Spec:
    run = alt.param(name="run", value=first)
    base = (
        table("cells")
        .transform_filter("datum.r === run")
        .encode(
            x=alt.X("h:O", title="head", axis=alt.Axis(labelAngle=0, domain=False, ticks=False)),
            y=alt.Y("l:O", title="layer", sort="descending"),
        )
    )
    tips = [
        alt.Tooltip("l:O", title="layer"),
        alt.Tooltip("h:O", title="head"),
        alt.Tooltip("v:Q", title="value", format=".3f"),
    ]
    fill = alt.Color("v:Q", scale=alt.Scale(type="quantize", domain=[0, 1], range=HEAT), legend=None)
    cell = base.mark_rect(stroke="var(--page)", strokeWidth=1).encode(color=fill, tooltip=tips)
    best = base.transform_filter("datum.t === 1").mark_rect(filled=False, stroke="var(--outline)", strokeWidth=2.5)
    chart = alt.layer(cell.properties(name="cells"), best.properties(name="best")).add_params(run)
    width = n_heads * CELL if n_heads <= SMALL else "container"
    return spec(chart.properties(width=width, height=n_layers * (CELL if n_layers <= 4 else 14)))


def _where(label: str, rows: pl.DataFrame) -> str:
    """In which layer and head the highest value sits, over all runs."""
    ordered = rows.sort(["run_id", "value", "layer", "head"], descending=[False, True, False, False])
    tops = ordered.group_by(["run_id"], maintain_order=True).first()
    values = tops["value"].to_list()
    if tops.height == 1:
        return (
            f"{label}: the highest value, {number(values[0])}, is at layer {tops['layer'][0]}, head {tops['head'][0]}."
        )
    layers = Counter(tops["layer"].to_list())
    parts = [f"layer {layer} in {n}" for layer, n in sorted(layers.items(), key=lambda item: (-item[1], item[0]))]
    heads = tops.select("layer", "head").unique().height
    return (
        f"{label}: the top head sits in {listing(parts)} of {count(tops.height, 'run')}, at "
        f"{'one place' if heads == 1 else f'{heads} different places'} (layer, head)."
    )


def profile_query(family: str) -> Query:
    """The highest score of any head at each offset from the induction target, final checkpoints."""
    return Query(
        """
SELECT model_id, run_id, variant_id, CAST(replace(stratum, 'offset=', '') AS INTEGER) AS "offset", max(value) AS value
FROM evidence
WHERE family_id = $family AND metric_id = 'offset_profile' AND is_final AND head IS NOT NULL
GROUP BY ALL
ORDER BY variant_id, model_id, run_id, "offset\"""",
        {"family": family},
    )


def profile_figure(frame: pl.DataFrame, family: str) -> Figure | None:
    """Attention around the target by offset, one line a run; None where it was not measured."""
    if frame.is_empty():
        return None
    rows = _first_variant(frame)
    only = rows["model_id"].n_unique() == 1
    panels = tuple(Panel("" if only else model, _profile(part.to_dicts())) for model, part in by_model(rows))
    return Figure(
        name="offsets",
        title="Attention around the induction target",
        caption=_offsets_told(rows),
        query=profile_query(family),
        panels=panels,
        legend=(Key("highest of all heads at that offset, one training run", series("induction").colour),),
    )


def _offsets_told(rows: pl.DataFrame) -> str:
    """At which offset each run's strongest attention lies, of the runs where some head attends there at all."""
    best = rows.sort(["value", "offset"], descending=[True, False]).group_by("run_id", maintain_order=True).first()
    strong = best.filter(pl.col("value") > STRONG)["offset"].to_list()
    if not strong:
        return f"No head gives any of these offsets more than {number(max(rows['value']))} of its attention."
    places = [f"{'0, the target itself,' if o == 0 else f'{o:+d}'} in {n}" for o, n in sorted(Counter(strong).items())]
    text = f"Some head gives one of these offsets more than {STRONG} of its attention in {len(strong)} of "
    text += f"{count(best.height, 'run')}: offset {listing(places)}."
    return f"{text} A model that solves the task one position off would peak beside 0."


def _profile(rows: list[dict[str, Any]]) -> Spec:
    points = [{"run": row["run_id"], "offset": row["offset"], "value": row["value"]} for row in rows]
    return filled(_profile_lines(), points=points)


@cache
def _profile_lines() -> Spec:
    tips = [alt.Tooltip("run:N"), alt.Tooltip("offset:Q"), alt.Tooltip("value:Q", format=".3f")]
    chart = (
        table("points")
        .mark_line(color=series("induction").colour, opacity=0.7, strokeWidth=1.6, point=alt.OverlayMarkDef(size=28))
        .encode(
            x=alt.X("offset:O", title="offset from the target, tokens", axis=alt.Axis(labelAngle=0)),
            y=alt.Y("value:Q", title=None, scale=alt.Scale(domain=[0, 1])),
            detail="run:N",
            tooltip=tips,
        )
    )
    return spec(chart.properties(width="container", height=190))
