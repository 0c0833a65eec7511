"""The five axes of correspondence: how alike training runs, models and families are in each mechanism, beside chance.

Within a model the pairs of training runs stand in the view `likeness`, and their mean is the model's row with itself.
Two models are compared by all pairs of one training run of each, two families by all pairs of one model of each. What
can't be compared has a row that says why. Not here: the statistics (assets/likeness).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from itertools import combinations, combinations_with_replacement
from typing import Any

import numpy as np
import polars as pl

from assets.analyses.means_of_likeness import (
    Found,
    Pairs,
    against_thirds,
    of_own_runs,
    of_two_families,
    of_two_models,
)
from assets.analyses.registry import Analysis, Situation
from assets.claims.decide import Rows
from assets.claims.subjects import Subjects
from assets.likeness import configurational, relational
from assets.likeness.between import ACROSS_SUITES, METRICS, WITHIN_SUITE, Between, NotComparable, Trained
from assets.likeness.inputs import Inputs, courses_of
from assets.likeness.registry import Axis, measures
from assets.likeness.tops import mechanisms
from assets.probes.registry import variant_id

RUNS = 10
"""Training runs of a model that are compared with those of other models: the first in the order of ids."""
MODELS = 30
"""Models of a family that are compared with each other, evenly spread over the number of parameters."""
REPRESENTATIVES = 3
"""Models of a family that are compared with those of other families, spread in the same way."""
RELATED = ("induction", "previous_token")
"""The mechanisms whose relation is measured: where one stands to the other, and what it feeds the other."""
NO_RELATION = "relations are measured between previous-token and induction heads only"


class Correspondences(Analysis):
    """See assets/analyses/registry.py, Analysis."""

    name = "correspondences"
    tables = ("correspondences",)

    def rows(self, situation: Situation) -> Mapping[str, Rows]:
        matrix = _Matrix(situation)
        rows = [*matrix.of_models(), *matrix.of_families()]
        return {"correspondences": [{"evaluation_id": situation.evaluation_id, **row} for row in rows]}


class _Matrix:
    """All subjects with what was measured of them."""

    def __init__(self, situation: Situation) -> None:
        self.subjects = situation.material.subjects
        self.metrics = _metrics_of_mechanisms(situation)
        self.trained = {each.model_id: each for each in _trained(situation, self.subjects)}
        self.mechanisms = {m: self._measured(trained) for m, trained in self.trained.items()}
        self.within = _likeness_of_runs(situation)

    def _measured(self, trained: Trained) -> set[str]:
        metrics = {of.metric_id for of in trained.scored.values() if of.runs}
        return {self.metrics[metric_id] for metric_id in metrics & self.metrics.keys()}

    def of_models(self) -> Iterator[dict[str, Any]]:
        """Every two models of a family, and every model with itself: its own training runs."""
        for family_id in self.subjects.roles:
            measured = [m for m in self.subjects.models_of(family_id) if m in self.trained]
            models = _spread(measured, self.subjects, MODELS)
            for construct in self._constructs(models):
                for axis, statistics in sorted(WITHIN_SUITE.items()):
                    for metric_id, statistic in statistics.items():
                        pairs = combinations(models, 2)
                        found = self._of_pairs(pairs, construct, axis, metric_id, statistic, with_interval=models)
                        if axis == "developmental":
                            found = against_thirds(found)
                        own = {(m, m): self._of_runs(m, construct, axis, metric_id, statistic) for m in measured}
                        primary = metric_id == next(iter(statistics))
                        yield from _rows("model", construct, axis, metric_id, {**found, **own}, primary)
                found = {(m, m): self._of_runs(m, construct, "positional", "index_correlation") for m in measured}
                yield from _rows("model", construct, "positional", "index_correlation", found, False)

    def of_families(self) -> Iterator[dict[str, Any]]:
        """Every two families, and every family with itself: its own models."""
        models = {family_id: self._representatives(family_id) for family_id in self.subjects.roles}
        models = {family_id: found for family_id, found in models.items() if found}
        every = sorted(model_id for found in models.values() for model_id in found)
        single = {model_id for found in models.values() for model_id in found if len(found) == 1}
        for construct in self._constructs(every):
            for axis, statistics in sorted(ACROSS_SUITES.items()):
                for metric_id, statistic in statistics.items():
                    pairs = combinations(every, 2)
                    between = self._of_pairs(pairs, construct, axis, metric_id, statistic, with_interval=single)
                    found = {
                        (a, b): of_two_families(models[a], models[b], between)
                        for a, b in combinations_with_replacement(sorted(models), 2)
                        if construct in self._constructs([*models[a], *models[b]])
                    }
                    if axis == "developmental":
                        found = against_thirds(found)
                    primary = metric_id == next(iter(statistics))
                    yield from _rows("family", construct, axis, metric_id, found, primary)

    def _representatives(self, family_id: str) -> list[str]:
        """Models of a family, one of each unit: a tuned model is no evidence beside its base."""
        units: dict[str, str] = {}
        for model_id in self.subjects.models_of(family_id):
            unit = self.subjects.unit_of(model_id)
            if model_id in self.trained and (unit not in units or model_id == unit):
                units[unit] = model_id
        return _spread(sorted(units.values()), self.subjects, REPRESENTATIVES)

    def _constructs(self, models: Iterable[str]) -> list[str]:
        """The mechanisms that were measured in any of the models."""
        return sorted({construct for model_id in models for construct in self.mechanisms[model_id]})

    def _of_pairs(
        self,
        pairs: Iterable[tuple[str, str]],
        construct: str,
        axis: Axis,
        metric_id: str,
        statistic: Between,
        with_interval: Collection[str],
    ) -> dict[tuple[str, str], Found]:
        """All pairs of one training run of a and one of b; pairs of which neither has the mechanism are left out.

        Intervals are worked out for two of the models `with_interval`.
        """
        found = {}
        for a, b in pairs:
            if construct in self._constructs((a, b)):
                try:
                    variant = self._variant(a, b, construct, axis, metric_id)
                    alike = statistic(self.trained[a], self.trained[b], variant)
                    found[a, b] = of_two_models(alike, variant, {a, b} <= {*with_interval})
                except NotComparable as reason:
                    found[a, b] = Found(reason=str(reason))
        return found

    def _variant(self, a: str, b: str, construct: str, axis: Axis, metric_id: str) -> str:
        """On what two models are compared: the first metric in the order of ids that both have on the same inputs, on
        those of the most training runs."""
        of_a, of_b = self.trained[a], self.trained[b]
        if axis == "relational":
            if construct not in RELATED:
                raise NotComparable(NO_RELATION)
            construct = "induction"
            if metric_id == "path_effect_likeness":
                shared = sorted(of_a.linked.keys() & of_b.linked.keys())
                if not shared:
                    raise NotComparable("path_effect was not measured on common inputs")
                return shared[0]
        shared = [v for v in of_a.scored.keys() & of_b.scored.keys() if self._is_of(of_a, v, construct)]
        if not shared:
            raise NotComparable(f"no metric of {construct} was measured on common inputs")
        return min(shared, key=lambda v: (of_a.scored[v].metric_id, -_pairs_on(of_a, of_b, v), v))

    def _is_of(self, trained: Trained, variant: str, construct: str) -> bool:
        scored = trained.scored[variant]
        return bool(scored.runs) and self.metrics.get(scored.metric_id) == construct

    def _of_runs(
        self, model_id: str, construct: str, axis: Axis, metric_id: str, statistic: Between | None = None
    ) -> Found:
        """The mean over the pairs of a model's training runs, as they stand in the view `likeness`; the statistic says
        what limits it, or why there is none."""
        trained = self.trained[model_id]
        try:
            variant = self._variant(model_id, model_id, construct, axis, metric_id)
            compared = trained.linked.get(variant) or trained.scored[variant]
            if len(compared.runs) < 2:
                raise NotComparable("it has one training run")
            limit = statistic(trained, trained, variant).limit if statistic else None
        except NotComparable as reason:
            return Found(reason=str(reason))
        parameters = {**compared.parameters, **({"tolerance": 0} if metric_id == "same_top_layer" else {})}
        stratum = "" if axis == "relational" else f"metric={compared.metric_id}"
        pairs = self.within.get((model_id, variant_id(metric_id, parameters), stratum))
        if pairs is None:
            return Found(reason="undefined for every pair of its training runs")
        return of_own_runs(pairs, variant, limit)


def _pairs_on(a: Trained, b: Trained, variant: str) -> int:
    return len(a.scored[variant].runs) * len(b.scored[variant].runs)


def _rows(
    level: str, construct: str, axis: Axis, metric_id: str, found: Pairs, primary: bool
) -> Iterator[dict[str, Any]]:
    """A row a pair, in order; a statistic beside the primary one has rows only where it can be computed."""
    ordered = sorted((tuple(sorted(pair)), each) for pair, each in found.items())
    for (a, b), each in ordered:
        if primary or each.value is not None:
            low, high = _within_bounds(each.interval, metric_id)
            yield {
                "axis": axis,
                "construct": construct,
                "metric_id": metric_id,
                "is_primary": primary,
                "level": level,
                "subject_a": a,
                "subject_b": b,
                "of_variant": each.variant,
                "value": each.value,
                "chance": each.chance,
                "ci_low": low,
                "ci_high": high,
                "n_pairs": each.n_pairs,
                "reason": each.reason,
            }


def _within_bounds(interval: tuple[float, float] | None, metric_id: str) -> tuple[float | None, float | None]:
    """A mean is not where the statistic can't be."""
    if interval is None:
        return None, None
    lower, upper = _bounds()[metric_id]
    low, high = interval
    return (low if lower is None else max(low, lower)), (high if upper is None else min(high, upper))


@cache
def _bounds() -> dict[str, tuple[float | None, float | None]]:
    every = [*METRICS, *(metric for measure in measures().values() for metric in measure.metrics)]
    return {metric.metric_id: (metric.lower, metric.upper) for metric in every}


def _spread(models: Sequence[str], subjects: Subjects, most: int) -> list[str]:
    """At most so many, evenly spread in the order of their numbers of parameters, first and last included."""
    ordered = sorted(models, key=lambda model_id: (subjects.models[model_id]["n_params"] or 0, model_id))
    places = np.unique(np.linspace(0, len(ordered) - 1, min(most, len(ordered))).round().astype(int))
    return sorted(ordered[place] for place in places)


def _metrics_of_mechanisms(situation: Situation) -> dict[str, str]:
    """The construct of every bounded metric of heads."""
    rows = situation.connection.execute(
        "SELECT metric_id, construct FROM metrics WHERE grain = 'head' AND lower IS NOT NULL AND upper IS NOT NULL "
        "AND metric_id <> 'prefix_matching_placebo' ORDER BY metric_id"
    )
    return dict(rows.fetchall())


def _likeness_of_runs(situation: Situation) -> dict[tuple[str, str, str], pl.DataFrame]:
    """The pairs of training runs by model, variant of the pair metric, and stratum."""
    rows = situation.connection.sql(
        "SELECT model_id, variant_id, stratum, run_a, run_b, value, chance FROM likeness "
        "WHERE axis <> 'representational' ORDER BY ALL"
    ).pl()
    found = rows.partition_by("model_id", "variant_id", "stratum", as_dict=True, include_key=False, maintain_order=True)
    return {(str(model), str(variant), str(stratum)): pairs for (model, variant, stratum), pairs in found.items()}


def _trained(situation: Situation, subjects: Subjects) -> Iterator[Trained]:
    """What was measured of every model of which something was."""
    inputs = Inputs(situation.connection, situation.record)
    courses = {
        (model_id, variant): tuple(courses_of(rows))[:RUNS]
        for (model_id, variant), rows in inputs.courses.partition_by(
            "model_id", "variant_id", as_dict=True, maintain_order=True
        ).items()
    }
    for model_id in subjects.models:
        compared = inputs.compared(configurational.MEASURE, model_id)
        scored = {
            variant_id(of.metric_id, of.parameters): replace(of, runs=of.runs[:RUNS])
            for of in mechanisms(compared.scored)
        }
        linked = inputs.compared(relational.MEASURE, model_id).linked
        if scored:
            yield Trained(
                model_id,
                scored,
                {variant: courses[model_id, variant] for variant in scored if (model_id, variant) in courses},
                {variant_id(of.metric_id, of.parameters): replace(of, runs=of.runs[:RUNS]) for of in linked},
                configurational.most(compared.arrays) if compared.arrays else None,
            )


ANALYSIS = Correspondences()
