"""What a claim expects of a model that nobody has measured, from how it came out in others.

The probability that the claim holds, by the share of training runs in which it held: the mean over the models of the
family and one more, which stands for all other models (their mean share with half a success and half a failure added,
Jeffreys). The claim's quantity (of an onset, the middle of its interval): of a trend, the line through the family's
models, carried on to the new model's property; else partial pooling over models. Intervals are for one training run.
Models that we trained say nothing about natural ones, nor these about them.

Beside each stand what it must beat: the base rate (the plain mean over models), and `same as the last size`: the next
smaller model of the family.

Here: forecasts from results. Not here: when they are frozen (assets/publish/freezing.py), how they are scored
(assets/analyses/prediction_scores.py), the rules that make results (judging.py).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from scipy import stats

from assets.claims.decide import Material
from assets.claims.estimands.base import Estimand
from assets.claims.estimands.onset_alike import OnsetAlike
from assets.claims.estimands.onset_trend import OnsetTrend
from assets.claims.estimands.separation import Separation
from assets.claims.estimands.trend import Trend, place
from assets.claims.judging import EVALUATED, Judging
from assets.claims.reference import explain
from assets.claims.schema import Claim
from assets.claims.statistics.partial_pooling import forecast
from assets.claims.statistics.pooling import CONFIDENCE, finite
from assets.claims.subjects import OF_RUNS, Subjects
from assets.claims.verdicts import counted, number

MODELS_FOR_A_LAW = 3
"""A line through two models shows no scatter, so that nothing says how far it can be trusted."""


@dataclass(frozen=True)
class Result:
    """How a claim came out: in a training run, or in a model where runs are not decided singly.

    Attributes:
        holds: None where that is undecided, or not what is asked (a trend's quantity).
        estimate: the claim's quantity.
    """

    model_id: str
    holds: bool | None
    estimate: float | None
    variant_id: str | None


@dataclass(frozen=True)
class Expected:
    """A forecast; the columns of catalog table `predictions` explain each field."""

    basis: str
    level: Literal["run", "model"] = "run"
    probability: float | None = None
    base_rate: float | None = None
    last_probability: float | None = None
    variant_id: str | None = None
    unit: str | None = None
    estimate: float | None = None
    pi_low: float | None = None
    pi_high: float | None = None
    base_estimate: float | None = None
    last_estimate: float | None = None


def results(claim: Claim, material: Material) -> list[Result]:
    """Every decided training run (or model), in the order of ids."""
    subjects, estimand = material.subjects, claim.estimand
    judging = Judging(claim, estimand, subjects, material.evidence, material.faults)
    if estimand.unit == "model":
        return [
            Result(judged.subject, _holds(judged.ruling.verdict), judged.ruling.estimate, judged.runs[0].variant_id)
            for judged in judging.all()
            if judged.level == "model" and judged.ruling.verdict in EVALUATED
        ]
    return [
        Result(subjects.runs[run.run_id].model_id, _holds(run.outcome), run.estimate, run.variant_id)
        for run in judging.outcomes.values()
        if run.state == "decided"
    ]


def _holds(word: str | None) -> bool | None:
    return {"h": True, "holds": True, "f": False, "fails": False}.get(word or "")


def expect(claim: Claim, material: Material, model_id: str) -> Expected:
    """What the claim expects of a model in the catalog, whatever was measured of that model itself."""
    return expect_from(claim, material.subjects, results(claim, material), model_id)


def expect_from(claim: Claim, subjects: Subjects, found: Sequence[Result], model_id: str) -> Expected:
    """The same from results."""
    design = subjects.models[model_id]
    level: Literal["run", "model"] = "model" if claim.estimand.unit == "model" else "run"
    outside, provided = _membership(claim, design)
    if outside:
        return Expected(outside, level)
    natural = design["role"] == "natural"
    others = [
        result
        for result in found
        if result.model_id != model_id and (subjects.models[result.model_id]["role"] == "natural") == natural
    ]
    pool = "natural models" if natural else "models trained here"
    if not others:
        return Expected(f"nothing to go by: the claim was decided in no other of the {pool}{provided}", level)
    by = _Others(claim, subjects, others, design)
    expected = by.quantity(by.probability(Expected("", level)))
    return replace(expected, basis=f"{expected.basis}{provided}")


def _membership(claim: Claim, design: Mapping[str, Any]) -> tuple[str, str]:
    """Why the claim says nothing about the model (or nothing), and what it is provided that nobody can know yet."""
    predicate = claim.predicate
    if predicate.evaluate(design):
        return "", ""
    unknown = [c for c in predicate.comparisons() if design.get(c.name) is None]
    if predicate.evaluate(design) is None and unknown and all(c.name in OF_RUNS for c in unknown):
        return "", f"; provided that {' and '.join(map(str, unknown))}"
    word = "outside of its reference class" if predicate.evaluate(design) is False else "may be outside of its class"
    return f"{word}: {explain(predicate, {**dict.fromkeys(OF_RUNS, math.inf), **design})}", ""


@dataclass(frozen=True)
class _Quantity:
    """A quantity forecast, or why there is none, with what it rests on in words."""

    told: str
    estimate: float | None = None
    low: float | None = None
    high: float | None = None


class _Others:
    """What the other models say about one model; models of one parent are one."""

    def __init__(self, claim: Claim, subjects: Subjects, others: Sequence[Result], design: Mapping[str, Any]) -> None:
        self.claim, self.subjects, self.design = claim, subjects, design
        first: dict[str, str] = {}
        self.others = [replace(r, model_id=first.setdefault(subjects.unit_of(r.model_id), r.model_id)) for r in others]
        self.family = set(subjects.models_of(design["family_id"]))
        self.last = self._next_smaller()

    def probability(self, expected: Expected) -> Expected:
        """Adds the probability and what it must beat."""
        outcomes: dict[str, list[float]] = {}
        for result in self.others:
            if result.holds is not None:
                outcomes.setdefault(result.model_id, []).append(float(result.holds))
        if not outcomes:
            return expected
        shares = {model_id: float(np.mean(each)) for model_id, each in outcomes.items()}
        own = [share for model_id, share in shares.items() if model_id in self.family]
        rest = [share for model_id, share in shares.items() if model_id not in self.family]
        told = [
            f"a share of {number(float(np.mean(each)))} in {counted(len(each), noun)}{where}"
            for each, noun, where in ((own, "model", " of its family"), (rest, "other model", ""))
            if each
        ]
        return replace(
            expected,
            basis=f"holds in {' and '.join(told)}",
            probability=probability(own, rest),
            base_rate=float(np.mean(list(shares.values()))),
            last_probability=shares.get(self.last or ""),
        )

    def quantity(self, expected: Expected) -> Expected:
        """Adds the quantity, by the variant that most models have."""
        values = self._values()
        if values is None:
            return expected
        variant_id, by_model = values
        means = {model_id: float(np.mean(each)) for model_id, each in by_model.items()}
        within = 0.0 if expected.level == "model" else _within(list(by_model.values()))
        estimand = self.claim.estimand
        made = (
            self._on_the_line(estimand, means, within) if isinstance(estimand, Trend) else self._pooled(means, within)
        )
        return replace(
            expected,
            basis="; ".join(part for part in (expected.basis, made.told) if part),
            variant_id=variant_id,
            unit=_unit(estimand),
            estimate=made.estimate,
            pi_low=made.low,
            pi_high=made.high,
            base_estimate=float(np.mean(list(means.values()))),
            last_estimate=means.get(self.last or ""),
        )

    def _values(self) -> tuple[str | None, dict[str, list[float]]] | None:
        """The quantity in each run, by model; of one variant, since two are never pooled. A trend is one family's.

        None where no model has it, or where it is but an outcome (all of them 0 or 1), which the probability is about.
        """
        of_family = self.claim.estimand.unit == "family"
        told = [r for r in self.others if r.estimate is not None and (r.model_id in self.family or not of_family)]
        if {r.estimate for r in told} <= {0.0, 1.0}:
            return None
        models = Counter(variant for variant, _ in {(r.variant_id, r.model_id) for r in told})
        variant_id = max(models, key=lambda variant: (models[variant], variant or ""))
        found: dict[str, list[float]] = {}
        for result in told:
            if result.variant_id == variant_id:
                found.setdefault(result.model_id, []).append(result.estimate or 0.0)
        return variant_id, found

    def _pooled(self, means: Mapping[str, float], within: float) -> _Quantity:
        families = [self.subjects.models[model_id]["family_id"] for model_id in means]
        found = forecast(list(means.values()), families, self.design["family_id"], within=within)
        over = f"{counted(found.n, 'model')} of {counted(len(set(families)), 'family')}"
        return _Quantity(f"quantity by partial pooling over {over}", found.mean, found.low, found.high)

    def _on_the_line(self, trend: Trend | OnsetTrend, means: Mapping[str, float], within: float) -> _Quantity:
        known = {m: x for m in means if (x := self.subjects.models[m][trend.over])}
        named = sorted(known, key=lambda m: (known[m], m))
        if not self.design[trend.over]:
            return _Quantity(f"no law: {trend.over} of the model is not known")
        if len(set(known.values())) < MODELS_FOR_A_LAW:
            return _Quantity(f"no law: {counted(len(named), 'model')} of its family, {MODELS_FOR_A_LAW} are needed")
        x = [place(known[m], trend.scale) for m in named]
        line = line_forecast(x, [means[m] for m in named], place(self.design[trend.over], trend.scale), within)
        told = f"law through {', '.join(named)}: slope {number(line.slope)}, t({len(named) - 2})"
        return _Quantity(told, line.value, line.low, line.high)

    def _next_smaller(self) -> str | None:
        """The largest model of the family that is smaller than the new one and has results."""
        size = self.design["n_params"]
        sizes = {m: self.subjects.models[m]["n_params"] for m in {r.model_id for r in self.others} & self.family}
        smaller = {m: n for m, n in sizes.items() if n and size and n < size}
        return max(smaller, key=lambda m: (smaller[m], m)) if smaller else None


def _unit(estimand: Estimand) -> str:
    """Of the quantity in one run (or model)."""
    if isinstance(estimand, Trend | Separation):
        return estimand.of.unit
    return f"log10 {estimand.clock}" if isinstance(estimand, OnsetTrend | OnsetAlike) else estimand.in_unit


def _within(runs: Sequence[Sequence[float]]) -> float:
    """Variance between training runs of a model, pooled over models; 0 where no model has two."""
    df = sum(len(each) - 1 for each in runs)
    squares = sum(float(np.var(each)) * len(each) for each in runs)
    return squares / df if df else 0.0


def probability(own: Sequence[float], others: Sequence[float]) -> float:
    """That a claim holds in a run of a new model, by the shares in which it held in models of its family and others."""
    elsewhere = (sum(others) + 0.5) / (len(others) + 1)
    return (sum(own) + elsewhere) / (len(own) + 1)


@dataclass(frozen=True)
class Line:
    """A line carried on to a new point, with the prediction interval there."""

    value: float
    low: float
    high: float
    slope: float


def line_forecast(x: Sequence[float], y: Sequence[float], new: float, within: float) -> Line:
    """The least-squares line through k models, carried on to one training run of a new model.

    The interval is t(k-2) times the root of s^2 (1 + 1/k + (new - mean)^2 / Sxx) + within, where s^2 is the variance of
    model means around the line and `within` that between the runs of a model.
    """
    xs, ys = finite(x), finite(y)
    line = stats.linregress(xs, ys)
    rest = ys - line.intercept - line.slope * xs
    k = xs.size
    spread = 1 + 1 / k + (new - xs.mean()) ** 2 / ((xs - xs.mean()) ** 2).sum()
    error = math.sqrt(float(rest @ rest) / (k - 2) * spread + within)
    value = float(line.intercept + line.slope * new)
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, k - 2)) * error
    return Line(value, value - half, value + half, float(line.slope))
