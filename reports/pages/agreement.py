"""Do the metrics of a construct agree? The multitrait-multimethod matrix of Campbell and Fiske (1959) over heads.

A trait is a construct (what is meant), a method is how it is measured. Metrics of one construct by different methods
should order the heads of a training run alike, and more so than metrics of different constructs by one method do.
Here: the queries, the matrix's cells, the sentence. Not here: the rest of the page (mechanism.py), drawing
(charts/agreement.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any, Final

from reports.pages.facts import Row
from reports.query import Query
from reports.words import count, number, readable

SHOWN = 12
"""Heads that the table of disagreement lists."""
STRENGTHS: Final = ((0.7, "very strong"), (0.5, "strong"), (0.3, "moderate"), (0.1, "weak"), (0.0, "none"))
"""From which absolute correlation on a word is used; they only name the shades of colour."""
KINDS: Final = {
    (True, False): "validity",
    (True, True): "same method",
    (False, True): "other, same method",
    (False, False): "other, other method",
}
"""What a cell is, by (same construct, same method)."""

RANKED = """
WITH scores AS (
    SELECT h.family_id, h.run_id, h.checkpoint_id, h.metric_id, m.construct, m.method, h.layer, h.head, h.value
    FROM head_scores AS h
    JOIN metrics AS m USING (metric_id)
    JOIN families AS f USING (family_id)
    WHERE h.is_final AND f.role <> 'control' AND h.value IS NOT NULL
    QUALIFY h.variant_id = min(h.variant_id) OVER (PARTITION BY h.checkpoint_id, h.metric_id)
),
pairs AS (
    SELECT a.family_id, a.run_id, a.layer, a.head, a.metric_id AS metric_a, b.metric_id AS metric_b,
        a.construct = b.construct AS same_construct, a.method = b.method AS same_method,
        a.value AS value_a, b.value AS value_b
    FROM scores AS a
    JOIN scores AS b USING (checkpoint_id, layer, head)
    WHERE a.construct = $construct AND (b.construct <> $construct OR a.metric_id < b.metric_id)
),
ranked AS (
    SELECT *, count(*) OVER pair AS n_heads,
        rank() OVER (pair ORDER BY value_a) + (count(*) OVER (pair_of_runs_and_a) - 1) / 2 AS rank_a,
        rank() OVER (pair ORDER BY value_b) + (count(*) OVER (pair_of_runs_and_b) - 1) / 2 AS rank_b
    FROM pairs
    WINDOW pair AS (PARTITION BY run_id, metric_a, metric_b),
        pair_of_runs_and_a AS (PARTITION BY run_id, metric_a, metric_b, value_a),
        pair_of_runs_and_b AS (PARTITION BY run_id, metric_a, metric_b, value_b)
)"""
"""Heads of final checkpoints with their ranks (ties share the mean) among the heads that both metrics scored."""


def correlations_query(construct: str) -> Query:
    """Spearman's correlation over the heads of each training run, then its mean and spread over runs.

    Rows without a family are over all runs. Controls are left out: their heads hardly differ.
    """
    return Query(
        RANKED
        + """,
of_runs AS (
    SELECT metric_a, metric_b, same_construct, same_method, family_id, run_id,
        nullif(corr(rank_a, rank_b), 'NaN') AS rho
    FROM ranked
    GROUP BY ALL
    HAVING count(*) >= 5
)
SELECT metric_a, metric_b, same_construct, same_method, family_id, count(*) AS n_runs,
    avg(rho) AS rho, stddev_samp(rho) AS spread, min(rho) AS low, max(rho) AS high,
    quantile_cont(rho, 0.25) AS quarter, quantile_cont(rho, 0.75) AS three_quarters
FROM of_runs
WHERE rho IS NOT NULL
GROUP BY GROUPING SETS (
    (metric_a, metric_b, same_construct, same_method), (metric_a, metric_b, same_construct, same_method, family_id)
)
ORDER BY metric_a, metric_b, family_id NULLS FIRST""",
        {"construct": construct},
    )


def apart_query(construct: str) -> Query:
    """The heads whose ranks differ most between two metrics of the construct, as a share of the heads ranked.

    Runs in which one of the two gives all heads the same value rank nothing and are left out.
    """
    return Query(
        RANKED
        + f"""
SELECT metric_a, metric_b, run_id, layer, head, value_a, value_b, n_heads,
    CAST(n_heads + 1 - rank_a AS DOUBLE) AS place_a, CAST(n_heads + 1 - rank_b AS DOUBLE) AS place_b,
    abs(rank_a - rank_b) / (n_heads - 1) AS apart
FROM ranked
WHERE same_construct AND n_heads >= 5
  AND NOT ends_with(metric_a, '_placebo') AND NOT ends_with(metric_b, '_placebo')
WINDOW pair AS (PARTITION BY run_id, metric_a, metric_b)
QUALIFY min(value_a) OVER pair < max(value_a) OVER pair AND min(value_b) OVER pair < max(value_b) OVER pair
ORDER BY apart DESC, n_heads DESC, metric_a, metric_b, run_id, layer, head
LIMIT {SHOWN}""",
        {"construct": construct},
    )


def is_placebo(metric: str) -> bool:
    """Whether a metric is a control of another one (prefix_matching_placebo) and not meant to measure the thing."""
    return metric.endswith("_placebo")


def strength(rho: float) -> str:
    """A word for a correlation's size, with `opposite` where it is negative."""
    word = next(word for least, word in STRENGTHS if abs(rho) >= least)
    return f"{word}, opposite" if rho < 0 and word != "none" else word


def shade(rho: float) -> str:
    """The class of a cell's colour, by sign and size."""
    step = next(4 - i for i, (least, _) in enumerate(STRENGTHS) if abs(rho) >= least)
    return f"rho-{'minus' if rho < 0 else 'plus'}-{step}"


@dataclass(frozen=True)
class Cell:
    """A correlation of the matrix, or on its diagonal a reliability; None where there is none."""

    kind: str
    rho: float | None
    spread: float | None = None
    n: int = 0

    @property
    def word(self) -> str:
        return "" if self.rho is None else strength(self.rho)

    @property
    def shade(self) -> str:
        return "" if self.rho is None else shade(self.rho)


@dataclass(frozen=True)
class Matrix:
    """Metrics of the construct (rows) by these and all others that score heads (columns, rows of `metrics`)."""

    columns: list[Row]
    rows: list[tuple[Row, list[Cell]]]


def matrix(own: Sequence[Row], others: Sequence[Row], found: Sequence[Row], reliability: Mapping[str, Row]) -> Matrix:
    """The matrix of metrics that were correlated with some other one; empty without any.

    Args:
        own: the construct's metrics.
        found: the correlations over all runs.
        reliability: by metric, its mean reliability over models.
    """
    by_pair = {(row["metric_a"], row["metric_b"]): row for row in found}
    by_pair |= {(b, a): row for (a, b), row in by_pair.items()}
    known = {metric for pair in by_pair for metric in pair}
    columns = [metric for metric in [*own, *others] if metric["metric_id"] in known]
    rows = [
        (metric, [_cell(metric, other, by_pair, reliability) for other in columns])
        for metric in own
        if metric["metric_id"] in known
    ]
    return Matrix(columns, rows)


def _cell(a: Row, b: Row, by_pair: Mapping[tuple[str, str], Row], reliability: Mapping[str, Row]) -> Cell:
    if a["metric_id"] == b["metric_id"]:
        row = reliability.get(a["metric_id"], {})
        return Cell("reliability", row.get("mean_split_half"), None, row.get("n_models", 0))
    kind = KINDS[a["construct"] == b["construct"], a["method"] == b["method"]]
    if is_placebo(a["metric_id"]) or is_placebo(b["metric_id"]):
        kind = "placebo"
    pair = by_pair.get((a["metric_id"], b["metric_id"]))
    return Cell(kind, pair["rho"], pair["spread"], pair["n_runs"]) if pair else Cell(kind, None)


def by_kind(found: Sequence[Row]) -> dict[str, list[float]]:
    """Correlations over all runs by what they are, placebos left out."""
    kinds: dict[str, list[float]] = {kind: [] for kind in KINDS.values()}
    for row in found:
        if not is_placebo(row["metric_a"]) and not is_placebo(row["metric_b"]):
            kinds[KINDS[row["same_construct"], row["same_method"]]].append(row["rho"])
    return kinds


def told(construct: str, own: Sequence[Row], found: Sequence[Row]) -> str:
    """What the matrix says: do methods agree about the construct, and more than one method does about several."""
    if all(metric["grain"] != "head" for metric in own):
        return "None of these metrics scores single heads, so that there is nothing to hold against each other here."
    kinds = by_kind(found)
    validity, same, rival = kinds["validity"], kinds["same method"], kinds["other, same method"]
    name = readable(construct).lower()
    if not validity:
        text = f"No two methods scored the same heads for {name}"
        if same:
            return (
                f"{text}: its metrics by one method correlate {number(mean(same))} on average "
                f"({count(len(same), 'pair')}), which may be the method's doing as well as the mechanism's."
            )
        return f"{text}, so that nothing can be said about agreement."
    text = f"Metrics of {name} by different methods correlate {number(mean(validity))} on average"
    n_runs = max(row["n_runs"] for row in found if row["same_construct"] and not row["same_method"])
    text += f" ({strength(mean(validity))}; {count(len(validity), 'pair')}, {count(n_runs, 'run')} at most)"
    if not rival:
        return f"{text}. No metric of another mechanism by one of these methods scored the same heads."
    size = mean(abs(rho) for rho in rival)
    beside = f"metrics of other mechanisms by the same method do ({number(size)} in size, {count(len(rival), 'pair')})"
    if mean(validity) > size:
        return f"{text}, more than {beside}: the mechanism shows through the method."
    return f"{text}, no more than {beside}: the scores depend on the method at least as much as on the mechanism."


def families_of(found: Sequence[Row]) -> list[tuple[str, list[dict[str, Any]]]]:
    """Correlations of the construct's own pairs by family: a pair's name and its rows."""
    pairs: dict[str, list[dict[str, Any]]] = {}
    for row in found:
        if row["same_construct"] and row["family_id"] is not None:
            pairs.setdefault(f"{row['metric_a']} and {row['metric_b']}", []).append(row)
    return list(pairs.items())
