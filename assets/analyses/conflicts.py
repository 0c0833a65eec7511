"""Claims that cannot both be right about the same training run, and the cheapest measurement that would tell.

Computed from what claims imply (implied.py), for training runs inside the reference classes of both: regions of one
number that exclude each other (a level above .3 and one below .1; two laws), and, within a family, slopes of one
quantity that differ in sign (a law that knows no size, and a trend that falls with it). Claims on different quantities,
or that differ in strength alone, are no conflict.

The cheapest measurement: among the models inside both classes (of the family, for slopes), one on which neither claim's
metrics were measured, of least parameters x checkpoints.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, groupby

from assets.analyses.implied import quantities, quantity, regions, sign
from assets.analyses.registry import Analysis, Situation
from assets.claims.decide import Rows
from assets.claims.estimands.onset_trend import OnsetTrend
from assets.claims.estimands.trend import Trend
from assets.claims.schema import Claim
from assets.claims.verdicts import counted, number

CHECKPOINTS = """
SELECT run_id, arg_max(checkpoint_id, (is_final, step)) AS last, count(*) AS n
FROM checkpoints WHERE availability NOT IN ('missing', 'refused')
GROUP BY run_id
"""


class Conflicts(Analysis):
    """Pairs of claims that imply different values for the same checkpoint."""

    name = "conflicts"
    tables = ("conflicts",)

    def rows(self, situation: Situation) -> Mapping[str, Rows]:
        checkpoints = {run: (last, n) for run, last, n in situation.connection.execute(CHECKPOINTS).fetchall()}
        found: Rows = []
        for a, b in combinations(sorted(situation.claims, key=lambda claim: claim.id), 2):
            pair = Pair(a, b, situation, checkpoints)
            for run_id, reason, next_measurement in [*pair.of_regions(), *pair.of_slopes()]:
                found.append(
                    {
                        "evaluation_id": situation.evaluation_id,
                        "claim_a": a.id,
                        "claim_b": b.id,
                        "checkpoint_id": checkpoints[run_id][0],
                        "reason": reason,
                        "next_measurement": next_measurement,
                    }
                )
        return {"conflicts": found}


@dataclass(frozen=True)
class Pair:
    """Two claims, with what they are about.

    Attributes:
        checkpoints: by training run, the last one and how many there are, of those that can be measured.
    """

    a: Claim
    b: Claim
    situation: Situation
    checkpoints: Mapping[str, tuple[str, int]]

    def of_regions(self) -> Iterator[tuple[str, str, str]]:
        """Training runs whose number would have to lie in two places, with the reason and the next measurement."""
        shared = self._shared() if quantities(self.a.estimand) & quantities(self.b.estimand) else []
        for run_id in shared:
            design = self.situation.material.subjects.runs[run_id].properties
            for one in regions(self.a.estimand, design):
                for other in regions(self.b.estimand, design):
                    if one.excludes(other):
                        yield run_id, f"{self._says(one.words, other.words)}.", self._next(shared)

    def of_slopes(self) -> Iterator[tuple[str, str, str]]:
        """Training runs of families in which one quantity would have to go two ways."""
        trends = [claim.estimand for claim in (self.a, self.b) if isinstance(claim.estimand, Trend | OnsetTrend)]
        if not trends or quantity(self.a.estimand) != quantity(self.b.estimand):
            return
        subjects = self.situation.material.subjects
        over, scale = trends[0].over, trends[0].scale
        by_family = sorted(self._shared(), key=lambda run_id: subjects.runs[run_id].family_id)
        for _, together in groupby(by_family, lambda run_id: subjects.runs[run_id].family_id):
            shared = list(together)
            designs = [subjects.runs[run_id].properties for run_id in shared]
            if len({design[over] for design in designs if design.get(over)}) < 2:
                continue
            signs = [sign(claim.estimand, over, scale, designs) for claim in (self.a, self.b)]
            if None in signs or signs[0] == signs[1]:
                continue
            words = [{1: "rises", 0: "does not change", -1: "falls"}[s or 0] + f" with {over}" for s in signs]
            for run_id in shared:
                told = [
                    self._here(claim, word, run_id, shared, over)
                    for claim, word in zip((self.a, self.b), words, strict=True)
                ]
                yield run_id, f"{self._says(*told)}.", self._next(shared)

    def _says(self, one: str, other: str) -> str:
        return f"{self.a.id}: {one}; {self.b.id}: {other}"

    def _shared(self) -> list[str]:
        """Runs inside both reference classes that have a checkpoint."""
        runs = self.situation.material.subjects.runs
        inside = [r for r in runs if r in self.checkpoints]
        return [r for r in inside if all(c.predicate.evaluate(runs[r].properties) for c in (self.a, self.b))]

    def _here(self, claim: Claim, words: str, run_id: str, shared: Sequence[str], over: str) -> str:
        """What a claim about a slope says of this run: the value of its law, or its place beside its neighbours."""
        design = self.situation.material.subjects.runs[run_id].properties
        found = regions(claim.estimand, design)
        if found:
            return f"{words}: {found[0].words}"
        means = self._means(claim, shared, over)
        size = design.get(over) or 0
        beside = [(max((x for x in means if x < size), default=None), "above" if "rises" in words else "below")]
        beside += [(min((x for x in means if x > size), default=None), "below" if "rises" in words else "above")]
        told = [f"{way} the {number(means[x])} of {over} {number(x)}" for x, way in beside if x is not None]
        return f"{words}: {' and '.join(told)}" if told and "not" not in words else words

    def _means(self, claim: Claim, run_ids: Sequence[str], over: str) -> dict[float, float]:
        """By property, the mean of the claim's quantity over the measured runs of that size."""
        runs, evidence = self.situation.material.subjects.runs, self.situation.material.evidence
        values: dict[float, list[float]] = {}
        for run in claim.estimand.sample(evidence, run_ids):
            if run.estimate is not None and runs[run.run_id].properties.get(over):
                values.setdefault(runs[run.run_id].properties[over], []).append(run.estimate)
        return {x: sum(found) / len(found) for x, found in values.items()}

    def _next(self, run_ids: Sequence[str]) -> str:
        """The cheapest unmeasured training run among these, in words."""
        runs = self.situation.material.subjects.runs
        missing = {run_id: self._unmeasured(run_id) for run_id in run_ids}
        models = {runs[run_id].model_id for run_id in run_ids if not missing[run_id]}
        costs = {
            run_id: (runs[run_id].properties["n_params"] or float("inf")) * self.checkpoints[run_id][1]
            for run_id in run_ids
            if missing[run_id]
        }
        if not costs:
            return "Every training run inside both reference classes is measured: only further models can tell."
        cheapest = min(costs, key=lambda run_id: (runs[run_id].model_id in models, costs[run_id], run_id))
        n = counted(self.checkpoints[cheapest][1], "checkpoint")
        size = runs[cheapest].properties["n_params"]
        cost = f"{n} of {number(size)} parameters" if size else n
        return f"{', '.join(missing[cheapest])} on {cheapest} ({cost})."

    def _unmeasured(self, run_id: str) -> list[str]:
        """The metrics that the claims read first and that the run lacks."""
        evidence = self.situation.material.evidence
        readings = [r for claim in (self.a, self.b) for r in claim.estimand.readings().values()]
        return sorted({reading.metrics[0] for reading in readings if not evidence.matching(reading, run_id)})


ANALYSIS = Conflicts()
