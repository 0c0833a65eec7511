"""Values at one head or edge that other metrics choose, and the mean over the edges that were measured.

    fuzzy_prefix_matching of the head with the best prefix_matching minus placebo
    path_effect to that head from the one with the best previous_token

What is read so did not serve to choose where it is read, and is not the largest of many. Not here: the best head by the
metric itself, and summaries over heads (scores.py).
"""

from __future__ import annotations

from collections.abc import Collection
from statistics import fmean
from typing import TYPE_CHECKING, NamedTuple

from assets.claims.reading.readings import Estimate, Reading, not_formed

if TYPE_CHECKING:
    from assets.claims.reading.evidence import Evidence

Head = tuple[int | None, ...]
"""(layer, head)"""


class Place(NamedTuple):
    """A head, or an edge from a sender to it; all None where a metric has one value per checkpoint."""

    layer: int | None
    head: int | None
    sender_layer: int | None
    sender_head: int | None


class Value(NamedTuple):
    """A value with its interval over token sequences; None without a standard error."""

    value: float
    low: float | None
    high: float | None
    standard_error: float | None


AT = Place._fields
RECEIVER, SENDER = slice(0, 2), slice(2, 4)


def at_chosen(evidence: Evidence, reading: Reading, run_id: str, variant_id: str) -> Estimate:
    """The value at the head that `at` finds best; of an edge metric, at the edge to it from the one that `sender` does.

    The best of all heads; of an edge metric, of those between which edges were measured, in whatever stratum: readings
    that differ in their stratum alone are of one edge.
    """
    places = list(evidence.final_places(variant_id).get(run_id, {}))
    of_edges = any(place.sender_layer is not None for place in places)
    for chooser, end in ((reading.at, RECEIVER), (reading.sender, SENDER)):
        if chooser is None:
            continue
        best = _best(evidence, chooser, run_id, {tuple(place)[end] for place in places} if of_edges else None)
        if isinstance(best, Estimate):
            return Estimate(None, variant_id=variant_id, defined=best.defined, reason=best.reason)
        places = [place for place in places if place[end] == best]
    return _mean(evidence, reading, run_id, variant_id, places)


def over_edges(evidence: Evidence, reading: Reading, run_id: str, variant_id: str) -> Estimate:
    """The mean over the edges that were measured in every stratum of the variant, so that strata can be compared."""
    measured = evidence.final_places(variant_id).get(run_id, {})
    strata = frozenset().union(*measured.values())
    return _mean(evidence, reading, run_id, variant_id, [place for place, own in measured.items() if own == strata])


def _mean(evidence: Evidence, reading: Reading, run_id: str, variant_id: str, places: Collection[Place]) -> Estimate:
    """Its interval is as wide as if all parts erred alike, since they share their sequences."""
    values = evidence.final_values(reading, variant_id).get(run_id, {})
    found = [values[place] for place in places if place in values]
    if not found:
        return Estimate(None, variant_id=variant_id, reason=f"{reading.what()} was not measured")
    value, low, high, error = (
        None if any(part is None for part in parts) else fmean(part or 0.0 for part in parts)
        for parts in zip(*found, strict=True)
    )
    absent = not_formed(reading, "final", value or 0.0)
    if absent:
        return Estimate(None, variant_id=variant_id, defined=False, reason=absent)
    return Estimate(value, low, high, error, variant_id)


def _best(evidence: Evidence, chooser: Reading, run_id: str, among: Collection[Head] | None) -> Head | Estimate:
    """The head; an estimate without a value where there is none that counts."""
    best = evidence.estimate(chooser, run_id)
    if best.value is None or best.variant_id is None:
        return best
    rows = evidence.final_heads(chooser, run_id, best.variant_id).iter_rows()
    heads = {(layer, head): value for layer, head, value, *_ in rows if among is None or (layer, head) in among}
    if not heads:
        return Estimate(None, reason=f"{chooser.what()} is not known of any head in question")
    top = max(heads, key=lambda head: heads[head])
    absent = not_formed(chooser, "final", heads[top])
    if not absent:
        return top
    return Estimate(None, defined=False, reason=f"among the heads of the edges measured, {absent}")
