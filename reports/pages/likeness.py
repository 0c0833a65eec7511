"""How alike a family's models are, to themselves, to each other and to other families: the five axes side by side.

Here: the query and the table's rows. Not here: how likeness is worked out (assets/analyses/correspondences.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from reports.pages.facts import Row
from reports.query import Query

AXES = ("functional", "developmental", "positional", "relational", "configurational")


def query(family: str) -> Query:
    """The statistic that speaks for each axis, of the family's models and of the family beside others."""
    return Query(
        """
SELECT c.construct, c.level, if(a.n_params > b.n_params, c.subject_b, c.subject_a) AS subject_a,
    if(a.n_params > b.n_params, c.subject_a, c.subject_b) AS subject_b, c.axis, c.value, c.chance, c.reason
FROM current_correspondences AS c
LEFT JOIN models AS a ON c.level = 'model' AND a.model_id = c.subject_a
LEFT JOIN models AS b ON c.level = 'model' AND b.model_id = c.subject_b
WHERE c.is_primary AND CASE c.level
    WHEN 'model' THEN a.family_id = $family
    ELSE c.subject_a <> c.subject_b AND $family IN (c.subject_a, c.subject_b)
END
ORDER BY c.construct, c.level = 'family', c.subject_a <> c.subject_b, least(a.n_params, b.n_params),
    greatest(a.n_params, b.n_params), c.subject_a, c.subject_b, c.axis""",
        {"family": family},
    )


@dataclass(frozen=True)
class Mechanism:
    """The table of one mechanism.

    Attributes:
        pairs: a name and the row of each axis, in the order of AXES; pairs that can't be compared at all are left out.
        reasons: why cells are empty, by axis.
    """

    construct: str
    pairs: list[tuple[str, list[Row]]]
    reasons: list[tuple[str, list[str]]]


@dataclass(frozen=True)
class Likeness:
    """What a family's page says of likeness."""

    mechanisms: list[Mechanism]
    query: Query


def likeness_of(catalog: duckdb.DuckDBPyConnection, family: str) -> Likeness:
    """All mechanisms measured in the family."""
    tables: dict[str, dict[tuple[str, str], dict[str, Row]]] = {}
    for row in query(family).rows(catalog):
        pairs = tables.setdefault(row["construct"], {})
        pairs.setdefault((row["subject_a"], row["subject_b"]), {})[row["axis"]] = row
    mechanisms = [_mechanism(construct, pairs, family) for construct, pairs in tables.items()]
    return Likeness([mechanism for mechanism in mechanisms if mechanism.pairs], query(family))


def _mechanism(construct: str, pairs: dict[tuple[str, str], dict[str, Row]], family: str) -> Mechanism:
    shown = {pair: axes for pair, axes in pairs.items() if any(row["value"] is not None for row in axes.values())}
    empty: dict[str, set[str]] = {}
    for axes in shown.values():
        for axis, row in axes.items():
            if row["value"] is None:
                empty.setdefault(axis, set()).add(row["reason"])
    return Mechanism(
        construct,
        [(_named(*pair, family), [axes[axis] for axis in AXES]) for pair, axes in shown.items()],
        [(axis, sorted(empty[axis])) for axis in AXES if axis in empty],
    )


def _named(a: str, b: str, family: str) -> str:
    if a == b:
        return f"{a}, its own runs"
    if family in (a, b):
        return f"family {b if a == family else a}"
    return f"{a} and {b}"
