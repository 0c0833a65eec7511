"""What a plan costs: minutes and gigabytes, from what measuring cost here before. For `status`; torch-free.

A probe's time on a model is the median over the model's checkpoints; where the model was never measured, that of the
model nearest in size, in proportion to parameters x layers; where no model was, it is unknown and said to be.
Not here: making and fetching (each source knows its own), what is due (plan.py).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from assets.models.sources import TrainingRun, source_named
from assets.probes.plan import RunPlan
from catalog.home import Home
from catalog.read import rows_or_none

SIZES = "SELECT model_id, n_params * n_layers FROM models WHERE n_params IS NOT NULL AND n_layers IS NOT NULL"
BYTES = """
    SELECT r.model_id, CAST(median(w.bytes) AS BIGINT) FROM checkpoint_weights AS w
    JOIN checkpoints AS c USING (checkpoint_id) JOIN training_runs AS r USING (run_id) GROUP BY ALL
"""
SECONDS = """
    SELECT p.probe, r.model_id, median(p.duration_s) FROM probe_runs AS p
    JOIN checkpoints AS c USING (checkpoint_id) JOIN training_runs AS r USING (run_id)
    WHERE p.provenance = 'measured' AND p.status <> 'failed' AND p.duration_s IS NOT NULL GROUP BY ALL
"""


@dataclass(frozen=True)
class Rates:
    """What is known from before.

    Attributes:
        seconds: of one execution, by probe and model.
        sizes: parameters x layers, by model.
        bytes: of one checkpoint's weights, by model.
    """

    seconds: Mapping[str, Mapping[str, float]]
    sizes: Mapping[str, float]
    bytes: Mapping[str, int]

    def of(self, probe: str, model_id: str, size: float | None) -> float | None:
        """Seconds of a probe on a checkpoint of a model of this size (parameters x layers); None if unknown."""
        known = self.seconds.get(probe, {})
        if model_id in known:
            return known[model_id]
        sized = [name for name in known if self.sizes.get(name)]
        if not size or not sized:
            return None
        nearest = min(sized, key=lambda name: (abs(math.log(self.sizes[name] / size)), name))
        return known[nearest] * size / self.sizes[nearest]


@dataclass(frozen=True)
class Cost:
    """Of a training run's due checkpoints, or of several runs'.

    Attributes:
        seconds: on one worker, as far as known.
        bytes: to fetch, as far as known.
        unknown: what is not among them: probes, `making or fetching`, `bytes to fetch`.
    """

    seconds: float = 0.0
    bytes: int = 0
    unknown: frozenset[str] = frozenset()


def rates(home: Home) -> Rates:
    """What the catalog tells; nothing where there is none."""
    seconds: dict[str, dict[str, float]] = {}
    for probe, model_id, median in rows_or_none(home, SECONDS) or []:
        seconds.setdefault(probe, {})[model_id] = median
    return Rates(seconds, dict(rows_or_none(home, SIZES) or []), dict(rows_or_none(home, BYTES) or []))


def cost_of(plan: RunPlan, known: Rates, home: Home) -> Cost:
    """Of what is due in a training run."""
    run, source = plan.run, source_named(plan.run.kind, plan.run.run_id)
    unknown: set[str] = set()
    seconds, size = 0.0, known.sizes.get(run.model.model_id) or _stated_size(run)
    for task in (task for checkpoint in plan.due for task in checkpoint.tasks):
        each = known.of(task.probe, run.model.model_id, size)
        seconds += each or 0.0
        unknown |= {task.probe} if each is None else set()
    planned = [checkpoint.planned for checkpoint in plan.due]
    had = source.seconds(run, planned, home) if planned else 0.0
    unknown |= {"making or fetching"} if had is None else set()
    sizes = [source.to_fetch(run, each, home) for each in planned]
    fetched = [known.bytes.get(run.model.model_id) if n is None else n for n in sizes]
    unknown |= {"bytes to fetch"} if None in fetched else set()
    return Cost(seconds + (had or 0.0), sum(n or 0 for n in fetched), frozenset(unknown))


def _stated_size(run: TrainingRun) -> float | None:
    stated = run.model.design
    return stated["n_params"] * stated["n_layers"] if {"n_params", "n_layers"} <= stated.keys() else None


def total(costs: Iterable[Cost], n_workers: int) -> Cost:
    """Of several training runs spread over workers: none is split, so no less than the longest takes."""
    costs = list(costs)
    spread = sum(cost.seconds for cost in costs) / n_workers
    return Cost(
        max([spread, *(cost.seconds for cost in costs)]),
        sum(cost.bytes for cost in costs),
        frozenset().union(*(cost.unknown for cost in costs)),
    )
