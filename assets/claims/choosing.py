"""Values at one head or edge that other metrics choose, and the mean over the edges that were measured.

    fuzzy_prefix_matching of the head with the best prefix_matching minus placebo
    path_effect to that head from the one with the best previous_token

What is read so did not serve to choose where it is read, and is not the largest of many. Not here: the best head by the
metric itself, and summaries over heads (evidence.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from assets.claims.readings import Estimate, Reading, not_formed

if TYPE_CHECKING:
    from assets.claims.evidence import Evidence

HEAD, SENDER = ["layer", "head"], ["sender_layer", "sender_head"]
AT = [*HEAD, *SENDER]


def at_chosen(evidence: Evidence, reading: Reading, run_id: str, variant_id: str) -> Estimate:
    """The value at the head that `at` finds best; of an edge metric, at the edge to it from the one that `sender` does.

    The best of all heads; of an edge metric, of those between which edges were measured, in whatever stratum: readings
    that differ in their stratum alone are of one edge.
    """
    places = evidence.measured_at(run_id, variant_id).select(AT).unique().sort(AT)
    of_edges = places["sender_layer"].is_not_null().any()
    for columns, chooser in ((HEAD, reading.at), (SENDER, reading.sender)):
        if chooser is None:
            continue
        among = places.select(columns).rename(dict(zip(columns, HEAD, strict=True))) if of_edges else None
        best = _best(evidence, chooser, run_id, among)
        if isinstance(best, Estimate):
            return Estimate(None, variant_id=variant_id, defined=best.defined, reason=best.reason)
        places = places.filter(*(pl.col(column) == place for column, place in zip(columns, best, strict=True)))
    return _mean(evidence, reading, run_id, variant_id, places)


def over_edges(evidence: Evidence, reading: Reading, run_id: str, variant_id: str) -> Estimate:
    """The mean over the edges that were measured in every stratum of the variant, so that strata can be compared."""
    measured = evidence.measured_at(run_id, variant_id)
    strata = measured.group_by(AT).agg(pl.col("stratum").n_unique())
    places = strata.filter(pl.col("stratum") == measured["stratum"].n_unique()).select(AT).sort(AT)
    return _mean(evidence, reading, run_id, variant_id, places)


def _mean(evidence: Evidence, reading: Reading, run_id: str, variant_id: str, places: pl.DataFrame) -> Estimate:
    """Its interval is as wide as if all parts erred alike, since they share their sequences."""
    rows = evidence.scores(reading)[variant_id].filter((pl.col("run_id") == run_id) & pl.col("is_final"))
    found = rows.join(places, on=AT, nulls_equal=True).select("value", "low", "high", "standard_error")
    if found.is_empty():
        return Estimate(None, variant_id=variant_id, reason=f"{reading.what()} was not measured")
    known = not found["low"].has_nulls()
    value, low, high, error = found.mean().row(0)
    absent = not_formed(reading, "final", value)
    if absent:
        return Estimate(None, variant_id=variant_id, defined=False, reason=absent)
    return Estimate(value, low, high, error, variant_id) if known else Estimate(value, variant_id=variant_id)


def _best(evidence: Evidence, chooser: Reading, run_id: str, among: pl.DataFrame | None) -> tuple[int, int] | Estimate:
    """Layer and head; an estimate without a value where there is none that counts."""
    best = evidence.estimate(chooser, run_id)
    if best.value is None or best.variant_id is None:
        return best
    heads = evidence.final_heads(chooser, run_id, best.variant_id)
    if among is not None:
        heads = heads.join(among.unique(), on=HEAD).sort(HEAD)
    if heads.is_empty():
        return Estimate(None, reason=f"{chooser.what()} is not known of any head in question")
    layer, head, value = heads.row(heads["value"].arg_max() or 0)[:3]
    absent = not_formed(chooser, "final", value)
    if not absent:
        return layer, head
    return Estimate(None, defined=False, reason=f"among the heads of the edges measured, {absent}")
