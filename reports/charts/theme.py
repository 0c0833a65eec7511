"""How every chart looks: fonts, axes, colours, shared by all pages.

Colours are names of CSS variables that style.css sets for light and for dark, so that one chart fits both. That works
since Vega writes them into the SVG as they stand; it rules out colour scales that interpolate, hence the ten steps.

Here: looks. Not here: what a chart shows.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import altair as alt
from altair.utils import schemapi

from reports.words import VERDICTS, readable

Spec = dict[str, Any]
FONT: Final = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', sans-serif"
CONFIG: Final[dict[str, Any]] = {
    "aria": False,
    "background": "transparent",
    "font": FONT,
    "padding": {"left": 4, "right": 10, "top": 4, "bottom": 4},
    "autosize": {"type": "fit-x", "contains": "padding"},
    "view": {"stroke": None},
    "axis": {
        "labelColor": "var(--muted)",
        "titleColor": "var(--muted)",
        "titleFontWeight": "normal",
        "titleFontSize": 12,
        "labelFontSize": 11,
        "domainColor": "var(--rule)",
        "tickColor": "var(--rule)",
        "gridColor": "var(--grid)",
        "labelOverlap": True,
        "labelLimit": 260,
    },
    "axisX": {"grid": False, "titlePadding": 6},
    "axisY": {"ticks": False, "domain": False, "tickCount": 5},
    "text": {"fill": "var(--ink)", "fontSize": 11},
    "rule": {"color": "var(--muted)"},
    "line": {"strokeCap": "round", "strokeJoin": "round"},
}
HEAT: Final = [f"var(--heat-{step})" for step in range(10)]
"""Ten steps from the page's colour (0) to the strongest (1)."""
VERDICT_COLOURS: Final = {word.verdict: f"var(--v-{word.verdict})" for word in VERDICTS}
SHAPES: Final = {
    "holds": "circle",
    "fails": "cross",
    "mixed": "square",
    "inconclusive": "diamond",
    "insufficient": "triangle-up",
    "not_applicable": "stroke",
}


@dataclass(frozen=True)
class Series:
    """How a metric is named and coloured wherever it is drawn."""

    label: str
    colour: str


KNOWN: Final = {
    "induction": Series("Prefix matching minus placebo", "var(--s-induction)"),
    "prefix_matching": Series("Prefix matching", "var(--s-induction)"),
    "previous_token": Series("Previous token", "var(--s-previous)"),
    "previous_token_all": Series("Previous token (all positions)", "var(--s-previous)"),
    "duplicate_token": Series("Duplicate token", "var(--s-duplicate)"),
    "first_token": Series("First token", "var(--s-first)"),
    "first_token_all": Series("First token (all positions)", "var(--s-first)"),
    "self_attention": Series("Self-attention", "var(--s-other)"),
    "repeat_recall": Series("Recall on repeats", "var(--s-recall)"),
}


def series(metric: str) -> Series:
    """The look of a metric; one that is not known here gets its id in words and a common colour."""
    return KNOWN.get(metric, Series(readable(metric), "var(--s-other)"))


def step_axis(last: int, title: str = "training step", field: str = "step") -> alt.X:
    """The axis of training steps: logarithmic (symlog, so that step 0 has a place) past 2,000 steps, else linear."""
    if last <= 2000:
        return alt.X(
            f"{field}:Q", title=title, scale=alt.Scale(domain=[0, last], nice=False), axis=alt.Axis(tickCount=5)
        )
    decades = [0, 1, *(10**power for power in range(1, 12) if 10**power <= last)]
    labels = "datum.value >= 1000 ? format(datum.value / 1000, ',') + 'k' : format(datum.value, ',')"
    return alt.X(
        f"{field}:Q",
        title=f"{title} (log scale)",
        scale=alt.Scale(type="symlog", constant=1, domain=[0, last], nice=False),
        axis=alt.Axis(values=decades, labelExpr=labels),
    )


def table(name: str) -> alt.Chart:
    """A chart of the rows that `filled` gives it under this name."""
    return alt.Chart(alt.NamedData(name=name))


def spec(chart: alt.TopLevelMixin) -> Spec:
    """A chart as Vega-Lite, without its schema's address and without a theme: the page holds CONFIG once for all.

    It has no rows yet: charts that differ only in those share one, since making it takes longer than drawing it.
    It is checked against Vega-Lite's schema unless altair's debug mode is off.
    """
    made = chart.to_dict(validate=schemapi.DEBUG_MODE)
    return {key: value for key, value in made.items() if key not in ("$schema", "config")}


def filled(chart: Spec, **datasets: list[dict[str, Any]]) -> Spec:
    """The chart with its rows by the names that `table` was given.

    Floats are cut to four decimals, more than a chart can show: smaller pages, and the same bytes every time.
    """
    return {**chart, "datasets": {name: [_rounded(row) for row in rows] for name, rows in datasets.items()}}


def bottom(values: Iterable[float]) -> float:
    """Where an axis begins: at 0, or at the tenth below where values are clearly negative."""
    low = min(values, default=0.0)
    return 0.0 if low > -0.02 else math.floor(low * 10) / 10


def top(values: Iterable[float]) -> float:
    """Where an axis ends: at 1, or at the next whole number where values lie above."""
    return float(max(1, math.ceil(max(values, default=1.0))))


def _rounded(row: dict[str, Any]) -> dict[str, Any]:
    return {key: round(value, 4) if isinstance(value, float) else value for key, value in row.items()}
