"""What a unit must pass before a claim is decided on it, in this order: reference class, instrument, number of units.

Here: the first gate and the numbers of the third. Not here: the second (instruments.py), what happens to units that
passed (judging.py).
"""

from __future__ import annotations

from typing import Literal

from assets.claims.reference import Predicate, explain
from assets.claims.subjects import Run

RUNS_NEEDED = 5
MODELS_NEEDED = 2
FAMILIES_NEEDED = 5


def outside(predicate: Predicate, run: Run) -> tuple[Literal["missing", "undefined"], str] | None:
    """Why a run is not among those that the claim is about, or is not known to be; None where it is."""
    inside = predicate.evaluate(run.properties)
    if inside:
        return None
    told = explain(predicate, run.properties)
    if inside is None:
        return "missing", f"whether the claim is about this model is not known: {told}"
    return "undefined", f"outside of its reference class: {told}"
