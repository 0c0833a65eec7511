"""Do trajectories tell the models of a family apart? Each model against its neighbour in a design property.

Not here: likeness of the runs of one model (similarity.py), the permutation and the interval
(statistics/separating.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import Field, model_validator

from assets.claims import gates
from assets.claims.estimands.base import OverModels, Placed
from assets.claims.estimands.similarity import Statistic, compared, trajectories
from assets.claims.outcomes import Outcome, Ruling, RunOutcome
from assets.claims.reading.evidence import Evidence
from assets.claims.reading.readings import Reading
from assets.claims.statistics.pooling import Floats, Interval, standard_error
from assets.claims.statistics.separating import METHOD, grouped_jackknife, separation
from assets.claims.statistics.separating import Separation as Parted
from assets.claims.statistics.trends import ALPHA, holm, neighbours
from assets.claims.verdicts import counted, number


@dataclass(frozen=True)
class _Pair:
    lower: str
    upper: str
    parted: Parted | None
    """None where runs have no checkpoints in common."""
    p: float | None = None
    """Corrected for the number of pairs."""

    def outcome(self, threshold: float) -> Outcome:
        if self.parted is None or self.p is None:
            return "u"
        if self.parted.interval.below(threshold):
            return "f"
        return "h" if self.p < ALPHA and self.parted.interval.above(threshold) else "u"

    def told(self, threshold: float) -> str:
        if self.parted is None or self.p is None:
            return f"{self.lower} and {self.upper}: some of their runs have no three checkpoints in common"
        i = self.parted.interval
        words = {"h": "told apart", "u": "not decided"}
        real = "a difference, but " if self.p < ALPHA else "not told apart, "
        words["f"] = f"{real}smaller than {number(threshold)}"
        said = f"{number(i.estimate)} [{number(i.low)}, {number(i.high)}], Holm p {number(self.p)}"
        return f"{self.lower} and {self.upper} {said}: {words[self.outcome(threshold)]}"


class Separation(OverModels):
    """Runs of a model are more alike than runs of it and its neighbour, by more than the threshold.

    Of each neighbouring pair: h if labels permuted among its runs seldom give as much (Holm over the pairs) and the
    interval lies above the threshold; f if it lies below, however surely there is a difference; else u.
    """

    kind: Literal["separation"]
    of: Reading
    statistic: Statistic
    threshold: float = Field(ge=0)
    """The least difference that matters, in the unit of the statistic."""

    @model_validator(mode="after")
    def _reads_trajectories(self) -> Separation:
        if self.of.quantity != "final" or self.of.split != "whole":
            raise ValueError("separation compares whole trajectories: leave quantity and split out")
        return self

    def words(self, metric: str | None = None) -> str:
        return f"likeness of trajectories, within models less between neighbours, of {self.of.what(metric)}"

    @property
    def in_unit(self) -> str:
        return {"largest_gap": "gap between less within", "correlation": "correlation within less between"}[
            self.statistic
        ]

    def readings(self) -> dict[str, Reading]:
        return {"of": self.of}

    def sample(self, evidence: Evidence, run_ids: Sequence[str]) -> list[RunOutcome]:
        return trajectories(evidence, self.of, run_ids)

    def over_models(self, evidence: Evidence, units: Mapping[str, Placed], delta: float | None) -> Ruling:
        """All pairs h: holds; all f: fails; some of each: mixed; else inconclusive. Models of few runs are left out."""
        ordered = sorted(units, key=lambda name: (units[name].x, name))
        enough = [name for name in ordered if len(units[name].runs) >= gates.RUNS_NEEDED]
        values = len({units[name].x for name in enough})
        if values < gates.MODELS_NEEDED:
            had = f"{counted(len(enough), 'model')} of the {gates.MODELS_NEEDED} that are needed"
            if len(enough) > values:
                had = f"one value of {self.over} in {counted(len(enough), 'model')}"
            return Ruling("insufficient", f"Only {had} with {gates.RUNS_NEEDED} training runs.", unit=self.in_unit)
        pairs = self._pairs(evidence, {name: units[name] for name in enough})
        found = [pair.outcome(self.threshold) for pair in pairs]
        told = "; ".join(pair.told(self.threshold) for pair in pairs)
        left = [name for name in ordered if name not in enough]
        few = f" Left out, with fewer than {gates.RUNS_NEEDED} runs: {', '.join(left)}." if left else ""
        mean = _mean(pairs, {name: len(units[name].runs) for name in enough})
        return Ruling(
            "holds" if set(found) == {"h"} else "fails" if set(found) == {"f"} else _some(found),
            f"{told}.{few}",
            mean.estimate,
            mean.low,
            mean.high,
            unit=self.in_unit,
            flips=self._flips(pairs),
            standard_error=standard_error(mean, mean.n - len(enough)),
        )

    def _pairs(self, evidence: Evidence, models: Mapping[str, Placed]) -> list[_Pair]:
        pairs = []
        for lower, upper in neighbours(models, lambda name: models[name].x):
            alike = self._likeness(evidence, [*models[lower].runs, *models[upper].runs])
            known = np.isfinite(alike[np.triu_indices(len(alike), 1)]).all()
            pairs.append(_Pair(lower, upper, separation(alike, len(models[lower].runs)) if known else None))
        corrected = iter(holm([pair.parted.p for pair in pairs if pair.parted is not None]))
        return [_Pair(p.lower, p.upper, p.parted, next(corrected) if p.parted else None) for p in pairs]

    def _likeness(self, evidence: Evidence, runs: Sequence[RunOutcome]) -> Floats:
        values = compared(evidence, self.of, runs, self.statistic)
        return -values if self.statistic == "largest_gap" else values

    def _flips(self, pairs: Sequence[_Pair]) -> tuple[dict[str, str], ...]:
        undecided = [f"{p.lower} and {p.upper}" for p in pairs if p.outcome(self.threshold) == "u"]
        return ({"when": f"more runs that decide {', '.join(undecided)}", "becomes": "mixed"},) if undecided else ()


def _some(found: Sequence[Outcome]) -> Literal["mixed", "inconclusive"]:
    return "mixed" if "h" in found and "f" in found else "inconclusive"


def _mean(pairs: Sequence[_Pair], sizes: Mapping[str, int]) -> Interval:
    """The mean difference over the pairs, in the middle of its interval, every run left out in turn."""
    parted = [(pair, pair.parted) for pair in pairs if pair.parted is not None]
    if not parted:
        return Interval(None, None, None, 0, METHOD, reason="no pair of models can be compared")
    mean = sum(found.interval.estimate or 0.0 for _, found in parted) / len(parted)
    without = {name: np.full(n, mean) for name, n in sizes.items()}
    for pair, found in parted:
        change = (found.left_out - (found.interval.estimate or 0.0)) / len(parted)
        without[pair.lower] += change[: sizes[pair.lower]]
        without[pair.upper] += change[sizes[pair.lower] :]
    by_labels = sum(found.variance for _, found in parted) / len(parted) ** 2
    return grouped_jackknife(mean, list(without.values()), more=by_labels)
