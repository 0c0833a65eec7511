"""What must be true of the catalog as a whole: each check is a query for faults, which passes where it finds none.

Here: checks of the instruments and of the record. Not here: keys and references, without which nothing is published
(catalog/build.py).
"""

from __future__ import annotations

from dataclasses import dataclass

from catalog.home import Home
from catalog.read import open_catalog


@dataclass(frozen=True)
class Check:
    """A named query whose rows are faults."""

    name: str
    description: str
    faults: str


CHECKS = (
    Check(
        "attention_rows_sum_to_one",
        "The attention that was read sums to one in every row, or to one minus the sink's share, within 1e-4.",
        """
        SELECT checkpoint_id, CAST(json_extract(notes, '$.row_sum_error') AS DOUBLE) AS error FROM current_probe_runs
        WHERE probe = 'attention' AND provenance = 'measured' AND coalesce(error > 1e-4, TRUE) ORDER BY ALL
        """,
    ),
    Check(
        "no_nan",
        "No measurement is NaN, infinite or missing.",
        """
        SELECT checkpoint_id, variant_id, layer, head FROM measurements
        WHERE value IS NULL OR NOT isfinite(value) ORDER BY ALL
        """,
    ),
    Check(
        "metrics_are_registered",
        "Every measurement's metric and variant have a definition.",
        """
        SELECT DISTINCT m.metric_id, m.variant_id FROM measurements AS m
        LEFT JOIN metric_variants AS v ON v.variant_id = m.variant_id AND v.metric_id = m.metric_id
        LEFT JOIN metrics AS t ON t.metric_id = m.metric_id
        WHERE v.variant_id IS NULL OR t.metric_id IS NULL ORDER BY ALL
        """,
    ),
    Check(
        "values_lie_in_range",
        "No value lies outside its metric's bounds by more than rounding.",
        """
        SELECT m.checkpoint_id, m.variant_id, m.layer, m.head, m.value
        FROM measurements AS m JOIN metrics AS t USING (metric_id)
        WHERE m.value < t.lower - 1e-4 OR m.value > t.upper + 1e-4 ORDER BY ALL
        """,
    ),
    Check(
        "likeness_lies_in_range",
        "No likeness of training runs, and no chance level of one, is NaN, infinite or outside its metric's bounds by "
        "more than rounding.",
        """
        SELECT m.pair_run_id, m.variant_id, m.checkpoint_a, m.checkpoint_b, m.layer, m.stratum, m.value, m.chance
        FROM pair_measurements AS m JOIN metrics AS t USING (metric_id)
        WHERE m.value IS NULL OR NOT isfinite(m.value) OR NOT coalesce(isfinite(m.chance), TRUE)
           OR least(m.value, m.chance) < t.lower - 1e-4 OR greatest(m.value, m.chance) > t.upper + 1e-4
        ORDER BY ALL
        """,
    ),
    Check(
        "step_0_is_at_chance",
        "Before training, attention is uniform: measured head scores at step 0 average within .01 of chance, and the "
        "best excess is under .05.",
        """
        SELECT checkpoint_id, variant_id, avg(value - chance) AS mean_off, max(excess) AS best_excess
        FROM current_measurements
        WHERE step = 0 AND provenance = 'measured' AND head IS NOT NULL AND excess IS NOT NULL AND stratum = ''
          AND metric_id IN (SELECT metric_id FROM metrics WHERE method = 'attention')
        GROUP BY ALL HAVING abs(avg(value - chance)) > .01 OR max(excess) > .05 ORDER BY ALL
        """,
    ),
    Check(
        "predictions_precede_measurements",
        "Every prediction was frozen in a build before the first one that holds a measurement of its model.",
        """
        SELECT prediction_id, frozen_since, measured_since FROM prediction_record
        WHERE NOT coalesce(is_frozen_before, TRUE) ORDER BY ALL
        """,
    ),
)


def faults(home: Home) -> dict[str, int]:
    """The number of faults by check, of those that found any."""
    with open_catalog(home) as connection:
        found = {check.name: len(connection.execute(check.faults).fetchall()) for check in CHECKS}
    return {name: count for name, count in found.items() if count}
