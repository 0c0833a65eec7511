"""The regressions of Trott (2025), computed again from the catalog's evidence.

They take heads, checkpoints or runs as their units and are here to show that the published figures follow from the
values in the catalog. Verdicts rest on models as units instead (trends.py): with four sizes these regressions see
36 points where there are four.

Here: the published formulas, and linear mixed models with crossed random intercepts that can be relied on. Not here:
trajectories and onsets (reading/summaries.py).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import stats
from statsmodels.regression.mixed_linear_model import MixedLM, VCSpec

from assets.claims.reading import summaries
from assets.claims.reading.summaries import Quantity

Floats = NDArray[np.float64]

OPTIMISERS = ("powell", "bfgs", "lbfgs")
STARTS = (0.01, 0.3)
"""Variances of the random intercepts, in units of the residual variance, that each optimiser starts from."""
CLOSE = 1e-6
"""Log-likelihoods nearer than this are equal: then the model with fewer random intercepts is kept."""


@dataclass(frozen=True)
class MixedFit:
    """y ~ x with random intercepts: the best fit found.

    Attributes:
        coefficient, standard_error: of x.
        variances: of the random intercepts, by factor; 0 where the likelihood is highest without one.
        residual: residual variance.
        log_likelihood: restricted (REML) or full.
    """

    intercept: float
    coefficient: float
    standard_error: float
    variances: dict[str, float]
    residual: float
    log_likelihood: float
    n: int

    def p(self, df: int) -> float:
        """Two-sided p-value of the coefficient by t(df). An effect between k models has df = k - 2, whatever n is."""
        return float(2 * stats.t.sf(abs(self.coefficient) / self.standard_error, df))


def mixed_model(y: Floats, x: Floats, factors: Mapping[str, NDArray[np.generic]], *, reml: bool = True) -> MixedFit:
    """y ~ x + (1 given factor) for each factor, crossed.

    statsmodels' optimisers stop early and report convergence, and a variance of zero is out of their reach. So every
    subset of the factors is fitted, from several starts and by several optimisers, leaving the others at zero, and the
    highest likelihood is kept.

    Args:
        y, x: (n,).
        factors: by name, the level of each of the n observations.
        reml: restricted likelihood; False = full likelihood.
    """
    scale = float(np.std(y))
    if scale == 0 or np.ptp(x) == 0:
        raise ValueError("y and x must vary")
    design = np.column_stack([np.ones_like(x), x])
    fits = [_least_squares(y / scale, design, reml)]
    for size in range(1, len(factors) + 1):
        for subset in combinations(factors, size):
            fits += _fits(y / scale, design, {name: factors[name] for name in subset}, reml)
    best = fits[0]
    for fit in fits[1:]:
        if fit.log_likelihood > best.log_likelihood + CLOSE:
            best = fit
    jacobian = (len(y) - 2 * reml) * np.log(scale)
    return MixedFit(
        best.intercept * scale,
        best.coefficient * scale,
        best.standard_error * scale,
        {name: best.variances.get(name, 0.0) * scale**2 for name in factors},
        best.residual * scale**2,
        best.log_likelihood - float(jacobian),
        len(y),
    )


def _least_squares(y: Floats, design: Floats, reml: bool) -> MixedFit:
    """The fit without random intercepts; likelihoods are on MixedLM's scale."""
    n, k = design.shape
    effective = n - k if reml else n
    crossed = design.T @ design
    beta = np.linalg.solve(crossed, design.T @ y)
    variance = float(((y - design @ beta) ** 2).sum()) / effective
    likelihood = -0.5 * effective * (np.log(2 * np.pi * variance) + 1)
    if reml:
        likelihood -= 0.5 * np.linalg.slogdet(crossed)[1]
    error = float(np.sqrt(variance * np.linalg.inv(crossed)[1, 1]))
    return MixedFit(float(beta[0]), float(beta[1]), error, {}, variance, float(likelihood), n)


def _fits(y: Floats, design: Floats, factors: Mapping[str, NDArray[np.generic]], reml: bool) -> Iterator[MixedFit]:
    """All fits with these random intercepts, from every start and by every optimiser that got through."""
    indicators = [(levels[:, None] == np.unique(levels)).astype(np.float64) for levels in factors.values()]
    columns = [[[str(level) for level in np.unique(levels)]] for levels in factors.values()]
    components = VCSpec(list(factors), columns, [[indicator] for indicator in indicators])
    model = MixedLM(y, design, groups=np.zeros(len(y)), exog_re=None, exog_vc=components)
    for optimiser, start in product(OPTIMISERS, STARTS):
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                fit = model.fit(reml=reml, method=optimiser, start_params=np.full(len(factors), start))
            error = _standard_error(design, indicators, fit.vcomp, float(fit.scale))
        except np.linalg.LinAlgError:
            continue
        (intercept, coefficient), scale, likelihood = np.asarray(fit.fe_params), float(fit.scale), float(fit.llf)
        if np.isfinite([likelihood, error]).all():
            variances = {name: float(variance) for name, variance in zip(factors, fit.vcomp, strict=True)}
            yield MixedFit(float(intercept), float(coefficient), error, variances, scale, likelihood, len(y))


def _standard_error(design: Floats, indicators: Sequence[Floats], variances: Iterable[float], scale: float) -> float:
    """Of the last coefficient, given the variances: root of the diagonal of (X' V^-1 X)^-1, as lme4 has it.

    statsmodels' own bse_fe takes the whole Hessian, fixed effects with variances: some 1e-3 larger where x is not
    balanced over the groups. V^-1 by Woodbury's identity.
    """
    z = np.hstack([indicator * math.sqrt(variance) for indicator, variance in zip(indicators, variances, strict=True)])
    across = z.T @ design
    inner = across.T @ np.linalg.solve(scale * np.eye(z.shape[1]) + z.T @ z, across)
    return math.sqrt(np.linalg.inv((design.T @ design - inner) / scale)[-1, -1])


def run_quantities(evidence: pl.DataFrame, models: pl.DataFrame, training_runs: pl.DataFrame) -> pl.DataFrame:
    """One row per training run: what the paper computes from its trajectory of the best head's raw value.

    Args:
        evidence: rows of the view `evidence` of one metric.
        models: catalog table models (model_id, n_params).
        training_runs: catalog table training_runs (run_id, seed).

    Returns:
        run_id, model_id, seed, log_params (log10 of n_params), log_onset (log10 of onset_rate), peak, slope, final and
        drop (peak less final); null where a run has none.
    """
    runs = summaries.trajectories(evidence, column="value")
    rows = [
        {
            "run_id": run.run_id,
            "model_id": run.model_id,
            "log_onset": _log10(summaries.onset_rate(run)),
            "peak": summaries.peak(run).value,
            "slope": summaries.slope(run).value,
            "final": summaries.final(run).value,
            "drop": summaries.drop_after_peak(run).value,
        }
        for run in runs.values()
    ]
    sizes = models.select("model_id", log_params=pl.col("n_params").log10())
    seeds = training_runs.select("run_id", "seed")
    return pl.DataFrame(rows).join(sizes, on="model_id").join(seeds, on="run_id").sort("log_params", "seed")


def _log10(quantity: Quantity) -> float | None:
    return float(np.log10(quantity.value)) if quantity.value else None


def by_size(
    runs: pl.DataFrame,
    quantity: Literal["log_onset", "peak", "slope", "final", "drop"],
    intercept: Literal["seed", "model_id"] = "seed",
) -> MixedFit:
    """quantity ~ log10(n_params) + (1 given seed), as published: earlier onset, higher peak, steeper slope.

    Args:
        runs: as from `run_quantities`; runs without the quantity are left out.
        intercept: `model_id` asks the same with the size as a random factor, p by t(models - 2).
    """
    known = runs.drop_nulls(quantity)
    return mixed_model(
        known[quantity].to_numpy(), known["log_params"].to_numpy(), {intercept: known[intercept].to_numpy()}
    )


def value_by_depth(evidence: pl.DataFrame, models: pl.DataFrame) -> MixedFit:
    """value ~ relative depth + (1 given head number) + (1 given model) over all heads of the final checkpoints."""
    heads = evidence.filter("is_final").join(models.select("model_id", "n_layers"), on="model_id")
    depth = (heads["layer"] + 1) / heads["n_layers"]
    factors = {"head": heads["head"].to_numpy(), "model_id": heads["model_id"].to_numpy()}
    return mixed_model(heads["value"].to_numpy(), depth.to_numpy(), factors)


def growth(evidence: pl.DataFrame, training_runs: pl.DataFrame) -> MixedFit:
    """Best head ~ log10(step + 1) + (1 given seed) + (1 given model) over all checkpoints, by maximum likelihood."""
    rows = summaries.summarise(evidence, "best_head", column="value").drop_nulls("step")
    rows = rows.join(training_runs.select("run_id", "seed"), on="run_id")
    factors = {"seed": rows["seed"].to_numpy(), "model_id": rows["model_id"].to_numpy()}
    return mixed_model(rows["value"].to_numpy(), np.log10(rows["step"].to_numpy() + 1.0), factors, reml=False)


@dataclass(frozen=True)
class Likeness:
    """Mean Pearson r of trajectories over pairs of training runs; None where there is no such pair."""

    within: float | None
    between: float | None
    by_model: dict[str, float]


def likeness(evidence: pl.DataFrame) -> Likeness:
    """How alike the trajectories of the best head are, within models and between them."""
    pairs = summaries.similarities(summaries.trajectories(evidence, column="value").values()).drop_nulls("r")
    same = pairs.filter(pl.col("model_a") == pl.col("model_b"))
    other = pairs.filter(pl.col("model_a") != pl.col("model_b"))
    by_model = same.group_by("model_a").agg(pl.col("r").mean()).sort("model_a")
    return Likeness(_mean(same["r"]), _mean(other["r"]), dict(by_model.iter_rows()))


def _mean(values: pl.Series) -> float | None:
    return float(values.to_numpy().mean()) if len(values) else None
