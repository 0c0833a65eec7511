"""How the best head develops over training: one line a training run, one panel a model.

Here: the query over all head metrics of a family, the line chart, and a caption computed from the lines. Not here:
behaviour (repeats.py), single heads (head_maps.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from statistics import median
from typing import Any

import altair as alt
import polars as pl

from reports.charts.figure import Figure, Key, Panel
from reports.charts.theme import Spec, bottom, filled, series, spec, step_axis, table, top
from reports.query import Query
from reports.words import count, number, span

THRESHOLD = 0.3
"""The excess over chance at which a head is said to have formed."""

DOTS = 600
"""Points in a panel that each have a mark of their own for the pointer; of more, lines alone are drawn."""

PLACEBO_PAIRS = """
    SELECT v.variant_id, p.variant_id AS placebo_id
    FROM metric_variants AS v
    JOIN metric_variants AS p
      ON p.metric_id = 'prefix_matching_placebo'
     AND json_extract_string(p.parameters, '$.n') = json_extract_string(v.parameters, '$.n')
     AND json_extract_string(p.parameters, '$.m') = json_extract_string(v.parameters, '$.m')
     AND json_extract_string(p.parameters, '$.bos') = json_extract_string(v.parameters, '$.bos')
    WHERE v.metric_id = 'prefix_matching'"""
SCORES = f"""
WITH placebos AS ({PLACEBO_PAIRS}
),
scores AS (
    SELECT family_id, model_id, run_id, checkpoint_id, step, tokens_seen, is_final, metric_id, variant_id,
        layer, head, value, chance, provenance
    FROM head_scores
    WHERE family_id = $family
      AND metric_id <> 'prefix_matching_placebo'
      AND variant_id NOT IN (SELECT variant_id FROM placebos)
    UNION ALL
    SELECT s.family_id, s.model_id, s.run_id, s.checkpoint_id, s.step, s.tokens_seen, s.is_final, 'induction',
        s.variant_id, s.layer, s.head, coalesce(s.excess - p.excess, s.value - p.value), 0, s.provenance
    FROM head_scores AS s
    JOIN placebos USING (variant_id)
    JOIN head_scores AS p
      ON p.checkpoint_id = s.checkpoint_id AND p.variant_id = placebo_id AND p.layer = s.layer AND p.head = s.head
    WHERE s.family_id = $family AND p.family_id = $family AND p.is_final = s.is_final
)"""
"""Every head's score in a family; prefix matching less its placebo, each over chance, under the name of induction."""


BEST = f"""
WITH placebos AS ({PLACEBO_PAIRS}
),
pairs AS MATERIALIZED (
    SELECT v.measured_id, p.measured_id AS placebo_measured
    FROM evidence_variants AS v
    JOIN placebos USING (variant_id)
    JOIN evidence_variants AS p
      ON p.checkpoint_id = v.checkpoint_id AND p.variant_id = placebo_id AND p.stratum = ''
    WHERE v.family_id = $family AND v.stratum = ''
),
less_placebo AS MATERIALIZED (
    SELECT a.measured_id, a.layer, a.head, coalesce(
        CASE WHEN t.has_excess AND u.has_excess
            THEN (a.value - a.chance) / (1 - a.chance) - (b.value - b.chance) / (1 - b.chance) END,
        a.value - b.value
    ) AS value
    FROM (
        SELECT measured_id, placebo_measured, layer, head, value, chance
        FROM storage.measured_values JOIN pairs USING (measured_id)
        WHERE head IS NOT NULL AND sender_head IS NULL
    ) AS a
    JOIN (
        SELECT measured_id, layer, head, value, chance FROM storage.measured_values
        WHERE head IS NOT NULL AND sender_head IS NULL AND measured_id IN (SELECT placebo_measured FROM pairs)
    ) AS b ON b.measured_id = a.placebo_measured AND b.layer = a.layer AND b.head = a.head
    LEFT JOIN metrics AS t ON t.metric_id = 'prefix_matching'
    LEFT JOIN metrics AS u ON u.metric_id = 'prefix_matching_placebo'
),
tops AS (
    SELECT d.measured_id, d.value, min({{'layer': d.layer, 'head': d.head}}) AS place
    FROM less_placebo AS d
    JOIN (SELECT measured_id, max(value) AS value FROM less_placebo GROUP BY measured_id) AS m
      ON m.measured_id = d.measured_id AND m.value IS NOT DISTINCT FROM d.value
    GROUP BY d.measured_id, d.value
),
best AS (
    SELECT model_id, run_id, metric_id, variant_id, step, tokens_seen, value, layer, head, chance, provenance
    FROM best_heads
    WHERE family_id = $family
      AND metric_id <> 'prefix_matching_placebo'
      AND variant_id NOT IN (SELECT variant_id FROM placebos)
    UNION ALL
    SELECT model_id, run_id, 'induction', variant_id, step, tokens_seen, value, place.layer, place.head, 0, provenance
    FROM tops JOIN evidence_variants USING (measured_id)
)"""
"""The best head of each checkpoint, metric and variant of a family; induction as in SCORES. The rows of heads are read
for induction alone, and of the family's own checkpoints."""


def query(family: str) -> Query:
    """The best head of each checkpoint, metric and variant of a family."""
    return Query(
        BEST
        + """
SELECT model_id, run_id, metric_id, variant_id, step, tokens_seen, value, layer, head, best.chance, provenance,
    coalesce(has_excess, TRUE) AS has_excess
FROM best
JOIN models USING (model_id)
LEFT JOIN metrics USING (metric_id)
WHERE step IS NOT NULL
ORDER BY metric_id, variant_id, n_params NULLS LAST, model_id, run_id, step""",
        {"family": family},
    )


def by_model(frame: pl.DataFrame) -> list[tuple[str, pl.DataFrame]]:
    """The rows of each model, in the order in which the query gives them: from small to large."""
    return [(str(model), rows) for (model,), rows in frame.group_by(["model_id"], maintain_order=True)]


@dataclass(frozen=True)
class Line:
    """One training run's best head over its checkpoints, ascending by step."""

    run: str
    steps: list[int]
    values: list[float]
    chance: float | None
    """None where the metric has no excess over chance."""

    def passes(self, threshold: float = THRESHOLD) -> tuple[int, int] | None:
        """Between which steps the excess over chance passes the threshold and stays past at the next checkpoint."""
        if self.chance is None:
            return None
        past = [(value - self.chance) / (1 - self.chance) > threshold for value in self.values]
        for i in range(1, len(past) - 1):
            if past[i] and past[i + 1] and not past[i - 1]:
                return self.steps[i - 1], self.steps[i]
        return None

    def rise(self) -> int | None:
        """Steps between the last checkpoint in the lower tenth of the way up and the first in the upper tenth."""
        low, high = self.values[0], max(self.values)
        if high - low < 0.1:
            return None
        end = next(i for i, value in enumerate(self.values) if value >= low + 0.9 * (high - low))
        begin = max((i for i in range(end) if self.values[i] <= low + 0.1 * (high - low)), default=0)
        return self.steps[end] - self.steps[begin]


def lines(frame: pl.DataFrame) -> list[Line]:
    """The runs of a frame of one metric and variant, in the order of their ids."""
    found = []
    for (run,), rows in frame.group_by(["run_id"], maintain_order=True):
        known = rows["chance"].drop_nulls()
        chance = (known[0] if known.len() else 0.0) if rows["has_excess"][0] else None
        found.append(Line(str(run), rows["step"].to_list(), rows["value"].to_list(), chance))
    return found


def figures(frame: pl.DataFrame, family: str) -> list[Figure]:
    """One figure per metric and variant that was measured at two steps or more in some run."""
    found = []
    for (metric, variant), rows in frame.group_by(["metric_id", "variant_id"], maintain_order=True):
        if rows["step"].n_unique() > 1:
            alone = frame.filter(pl.col("metric_id") == metric)["variant_id"].n_unique() == 1
            found.append(_figure(rows, str(metric), "" if alone else str(variant), family))
    order = {"induction": 0, "prefix_matching": 0, "previous_token": 1, "previous_token_all": 1}
    return sorted(
        found, key=lambda figure: (order.get(figure.name.removeprefix("over-steps-").split(".")[0], 2), figure.name)
    )


def _figure(rows: pl.DataFrame, metric: str, variant: str, family: str) -> Figure:
    look = series(metric)
    only = rows["model_id"].n_unique() == 1
    frame = (int(rows["step"].max()), bottom(rows["value"]), top(rows["value"]))  # type: ignore[arg-type]
    panels = tuple(
        Panel("" if only else model, _panel(part.to_dicts(), look.colour, frame)) for model, part in by_model(rows)
    )
    return Figure(
        name=f"over-steps-{variant or metric}",
        title=look.label + (f" ({variant})" if variant else ""),
        caption=caption(rows),
        query=query(family),
        panels=panels,
        legend=(Key("best head of one training run", look.colour), Key("chance", "var(--muted)", "dash")),
    )


def _panel(rows: list[dict[str, Any]], colour: str, frame: tuple[int, float, float]) -> Spec:
    points = [
        {"run": r["run_id"], "step": r["step"], "value": r["value"], "head": f"layer {r['layer']}, head {r['head']}"}
        for r in rows
    ]
    chance = sorted({row["chance"] for row in rows if row["chance"] is not None})
    return filled(
        _lines(colour, *frame, len(points) <= DOTS), points=points, chance=[{"y": value} for value in chance[:1]]
    )


@cache
def _lines(colour: str, last: int, low: float, high: float, dots: bool) -> Spec:
    """Lines over steps, on the same scale in all panels of a figure; the run under the pointer stands out."""
    base = table("points").encode(
        x=step_axis(last), y=alt.Y("value:Q", title=None, scale=alt.Scale(domain=[low, high]))
    )
    tips = [
        alt.Tooltip("run:N"),
        alt.Tooltip("step:Q", format=","),
        alt.Tooltip("value:Q", format=".3f"),
        alt.Tooltip("head:N"),
    ]
    chart = alt.layer(
        table("chance").mark_rule(strokeDash=[4, 4]).encode(y="y:Q").properties(name="at_chance"),
        *hovered(base, colour, "run", tips, dots),
    )
    return spec(chart.properties(width="container", height=190))


def hovered(base: alt.Chart, colour: str, run: str, tips: Sequence[alt.Tooltip], dots: bool) -> list[alt.Chart]:
    """A line a run (its field is `run`), that under the pointer stronger; a line shows the first of `tips`.

    Args:
        dots: whether each point is found by the nearest pointer and shows all of `tips`: a mark a point, which takes
            long to draw where there are thousands.
    """
    hover = alt.selection_point(
        name="hover", fields=[run], on="pointerover", clear="pointerout", nearest=dots, empty=False
    )
    line = base.mark_line(color=colour, clip=True).encode(
        detail=f"{run}:N",
        strokeWidth=alt.condition(hover, alt.value(3), alt.value(1.6)),
        opacity=alt.condition(hover, alt.value(1), alt.value(0.65)),
    )
    if not dots:
        return [line.encode(tooltip=[tips[0]]).properties(name="lines").add_params(hover)]
    found = base.mark_circle(color=colour, size=40).encode(
        tooltip=list(tips), opacity=alt.condition(hover, alt.value(0.9), alt.value(0))
    )
    return [line.properties(name="lines"), found.properties(name="dots").add_params(hover)]


def caption(rows: pl.DataFrame) -> str:
    """What the lines show: where they start and end, when they pass the threshold, and how long the rise takes."""
    runs = lines(rows)
    starts, ends = [run.values[0] for run in runs], [run.values[-1] for run in runs]
    n = count(len(runs), "training run")
    course = (
        f"from {span(min(starts), max(starts))} at the first checkpoint to {span(min(ends), max(ends))} at the last"
    )
    first = f"Best head of {n}: {course}."
    passed = [(run, where) for run in runs if (where := run.passes())]
    peak = max(max(run.values) for run in runs)
    if all(run.chance is None for run in runs):
        return f"{first} The highest value is {number(peak)}."
    if not passed:
        return f"{first} No run stays past {THRESHOLD} above chance; the highest value is {number(peak)}."
    low, high = min(where[0] for _, where in passed), max(where[1] for _, where in passed)
    share = f"All {len(runs)}" if len(passed) == len(runs) > 1 else f"{len(passed)} of {len(runs)}"
    second = f"{share} pass {THRESHOLD} above chance, between steps {low:,} and {high:,}"
    return f"{first} {second}{_how_long([run for run, _ in passed])}."


def _how_long(runs: Sequence[Line]) -> str:
    widths = [(width, run.steps[-1]) for run in runs if (width := run.rise()) is not None]
    if not widths:
        return ""
    steps = median(width for width, _ in widths)
    share = median(width / last for width, last in widths)
    return (
        f"; the middle four fifths of the rise take {steps:,.0f} steps in the median run, {share:.0%} of its training"
    )


def drift(frame: pl.DataFrame, behaviour: pl.DataFrame, role: str) -> str:
    """Names a previous-token score that rises in a control while nothing that was measured rewards it; else ''.

    Named only where some run's best head rises by a tenth above its first value, while in the end no run's recall is
    more than .05 above its null and repeats save less than a tenth of a nat.
    """
    rows = frame.filter(pl.col("metric_id") == "previous_token")
    if role != "control" or rows.is_empty() or rows["variant_id"].n_unique() > 1:
        return ""
    last = behaviour.sort("step").group_by(["run_id", "metric_id", "stratum"]).last()
    recall = last.filter(pl.col("metric_id") == "repeat_recall")
    gain = last.filter(pl.col("metric_id") == "repeat_gain")["value"].to_list()
    above_null = (recall["value"] - recall["chance"]).to_list()
    if not gain or not above_null or max(above_null) > 0.05 or max(gain) > 0.1:
        return ""
    runs = lines(rows)
    peaks = [max(run.values) for run in runs if max(run.values) - run.values[0] > 0.1]
    if not peaks:
        return ""
    ends = [run.values[-1] for run in runs]
    said, null = number(max(recall["value"])), number(min(recall["chance"]))
    return (
        f"Drift without reward: in {len(peaks)} of {count(len(runs), 'run')} the best head's previous-token score rises"
        f" by more than 0.1, up to {number(max(peaks))}; it ends at {span(min(ends), max(ends))}. Nothing measured "
        f"here rewards it: recall ends at {said} at most, where guessing from the context gives {null}, and repeats "
        f"save at most {number(max(gain))} nats a token. A rise of this score alone is no sign of in-context copying."
    )
