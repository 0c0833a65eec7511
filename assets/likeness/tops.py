"""Which scores say what heads do, and which heads are in question: the top ones of a training run.

Induction is prefix_matching less its placebo, so that a head which looks a fixed distance back is none. Not here: what
is compared about them (one module a measure).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from assets.likeness.registry import Heads, Scored
from assets.probes.registry import Parameters


def mechanisms(scored: Sequence[Scored]) -> Iterator[Scored]:
    """Every variant of every metric, prefix_matching less its placebo."""
    yield from inductions(scored)
    yield from (each for each in scored if each.metric_id != "prefix_matching")


def inductions(scored: Sequence[Scored]) -> Iterator[Scored]:
    """Every variant of prefix_matching, less the placebo of the same inputs where that was measured; one whose tokens
    were drawn otherwise than the placebo's is left out."""
    for each in scored:
        if each.metric_id == "prefix_matching":
            placebo = of_inputs(scored, "prefix_matching_placebo", each.parameters)
            if placebo is None:
                yield each
            elif fits(each.parameters, placebo.parameters):
                yield less(each, placebo)


def fits(inputs: Parameters, placebo: Parameters) -> bool:
    """Whether the placebo's tokens were drawn like these inputs."""
    return inputs.keys() <= placebo.keys()


def of_inputs(scored: Sequence[Scored], metric_id: str, inputs: Parameters) -> Scored | None:
    """A metric's variant that was measured on inputs like these: equal wherever both state a parameter, their kind
    (repeated, distinct) aside; the first of several."""
    for each in scored:
        if each.metric_id == metric_id and alike(each.parameters, inputs):
            return each
    return None


def alike(a: Parameters, b: Parameters) -> bool:
    """Whether inputs are equal wherever both state a parameter, their kind aside."""
    return all(a[key] == b[key] for key in a.keys() & b.keys() - {"input"})


def less(scored: Scored, placebo: Scored) -> Scored:
    """The scores less those of the placebo, of the runs in which both have the same heads."""
    beside = {run.checkpoint_id: run for run in placebo.runs}
    runs = []
    for run in scored.runs:
        other = beside.get(run.checkpoint_id)
        if other and np.array_equal(run.layer, other.layer) and np.array_equal(run.head, other.head):
            first = None if run.first is None or other.first is None else run.first - other.first
            runs.append(replace(run, final=run.final - other.final, first=first))
    return replace(scored, runs=tuple(runs), less_placebo=True)


def top(run: Heads) -> tuple[int, int]:
    """(layer, head) of the highest score, the first of several."""
    place = run.final.argmax()
    return int(run.layer[place]), int(run.head[place])


def tops(scored: Scored) -> Mapping[str, tuple[int, int]]:
    """(layer, head) of the top head by checkpoint."""
    return {run.checkpoint_id: top(run) for run in scored.runs}
