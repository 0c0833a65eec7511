"""Training runs made by hand, with scores, courses and arrays of which the likeness is known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from assets.likeness.registry import Course, Heads, PairMeasurement, Scored
from assets.probes.registry import Parameters

INPUTS: Parameters = {"input": "repeated", "n": 24, "m": 2, "bos": False}
DISTINCT: Parameters = {"input": "distinct", "n": 24, "bos": False}


def heads(name: str, final: Sequence[Sequence[float]], first: Sequence[Sequence[float]] | None = None) -> Heads:
    """A training run whose scores stand by layer and head."""
    places = [(layer, head) for layer, scores in enumerate(final) for head in range(len(scores))]
    layer, head = np.array(places).T
    return Heads(
        f"{name}@step9", layer, head, np.concatenate(final), None if first is None else np.concatenate(list(first))
    )


def scored(*runs: Heads, metric_id: str = "prefix_matching", span: float | None = 1.0) -> Scored:
    return Scored(metric_id, DISTINCT if metric_id == "previous_token" else INPUTS, span, runs)


def course(name: str, steps: Sequence[int], best: Sequence[float], model_id: str = "m") -> Course:
    return Course(f"{name}@step{steps[-1]}", model_id, np.array(steps), np.array(best, dtype=np.float64))


def one(found: Sequence[PairMeasurement], metric_id: str, **fields: object) -> PairMeasurement:
    """The only measurement of a metric with these fields."""
    (match,) = [
        m for m in found if m.metric_id == metric_id and all(getattr(m, name) == want for name, want in fields.items())
    ]
    return match
