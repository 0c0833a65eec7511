"""Claims planted true, false or dependent on size, in simulated catalogs of one family: how often a verdict is wrong.

A catalog is four models, as far apart in size as 14m to 410m, of 5 or 9 training runs. Runs scatter by .02 to .05 and
models by .027 around their family, as the best previous-token heads of the published runs do (Trott 2025; trajectories'
peaks and final values). `wrong`: `holds` where the claim was planted false, `fails` where it was planted true, either
where it depends on the model. At level model a catalog counts once, by its first model.

A claim about nearly all pairs of runs ("nine in ten are alike") holds, like one about every run, where no exception was
seen and a mere half is excluded: five or nine runs can't tell nine in ten from all, and the verdict's reason says so.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import polars as pl

from assets.claims.judging import Judging
from assets.claims.reading.evidence import Evidence
from assets.claims.reference import PROPERTIES
from assets.claims.schema import Claim, load_claims
from assets.claims.subjects import Subjects
from tests.validation.tables import Table, share

CATALOGS = 1000
RUNS = (5, 9)
SIZES = (14_067_712, 70_426_624, 162_322_944, 405_334_016)
LOG_SIZE = np.log10(SIZES)
LAYERS, HEADS = 6, 4
SEED_SCATTER, MODEL_SCATTER = 0.03, 0.027
STEPS = (0, 128, 256, 512, 1000, 2000, 4000, 8000, 143_000)
Truth = Literal["true", "false", "dependent"]
Rng = np.random.Generator
Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Planted:
    """A claim, what is true of it at a level, and catalogs in which that is so."""

    claim: Claim
    level: Literal["model", "family"]
    truth: Truth
    words: str
    measure: Callable[[Rng, int], Rows]
    """The rows of the four models' runs, by number of runs each."""


def main() -> None:
    table = Table("claim", "level", "planted", "runs", "holds", "fails", "wrong", "")
    for planted in cases():
        for runs in RUNS:
            words = verdicts(planted, runs)
            wrong = {"true": ["fails"], "false": ["holds"], "dependent": ["holds", "fails"]}[planted.truth]
            shares = [words.count(word) / CATALOGS for word in ("holds", "fails")]
            rate = sum(words.count(word) for word in wrong) / CATALOGS
            said = f"{planted.truth}: {planted.words}"
            told = "above 5 %" if rate > 0.05 else ""
            cells = [share(value, CATALOGS) for value in (*shares, rate)]
            table.row(planted.claim.id, planted.level, said, runs, *cells, told)
    table.print(f"Share of {CATALOGS} catalogs each with these verdicts")


def verdicts(planted: Planted, runs: int) -> list[str]:
    rng = np.random.default_rng(runs)
    return [verdict(planted, planted.measure(rng, runs)) for _ in range(CATALOGS)]


def verdict(planted: Planted, rows: Rows) -> str:
    frame = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    models = [f"m{i}" for i in range(len(SIZES))]
    design = dict.fromkeys(PROPERTIES) | {"attention": "softmax", "n_layers": LAYERS, "architecture": "gpt_neox"}
    subjects = Subjects(
        [{**design, "model_id": m, "family_id": "f", "n_params": n} for m, n in zip(models, SIZES, strict=True)],
        [{"family_id": "f", "role": "natural", "organisation": None}],
        [
            {"run_id": run, "model_id": model, "n_checkpoints": len(STEPS), "last_step": STEPS[-1]}
            for run, model in sorted(frame.select("run_id", "model_id").unique().iter_rows())
        ],
    )
    evidence = Evidence(frame, dict.fromkeys(models, False), dict.fromkeys(models, LAYERS))
    judged = Judging(planted.claim, planted.claim.estimand, subjects, evidence, {}).all()
    subject = "m0" if planted.level == "model" else "f"
    return next(j.ruling.verdict for j in judged if (j.level, j.subject) == (planted.level, subject))


def cases() -> Iterator[Planted]:
    """Every kind of rule; the false ones at the edge of being true where there is one."""
    exists = _claim("prefix-matching-heads-exist", minus=False)
    yield Planted(exists, "model", "true", "best head .75", _finals(lambda x: 0.75 + 0 * x))
    yield Planted(exists, "model", "false", "above in half of the runs", _finals(lambda x: 0.3 + 0 * x, spread=0.0))
    yield Planted(exists, "family", "dependent", "the two larger models", _finals(lambda x: np.where(x > 8, 0.75, 0.1)))
    mean = _claim("prefix-matching-heads-exist", minus=False, rule="mean")
    yield Planted(mean, "model", "false", "mean at the threshold", _finals(lambda x: 0.3 + 0 * x, spread=0.0))
    yield Planted(mean, "model", "true", "mean .03 above it", _finals(lambda x: 0.33 + 0 * x, spread=0.0))
    rises = _claim("larger-higher-previous-token", quantity="final")
    yield Planted(rises, "family", "false", "no trend", _finals(lambda x: 0.5 + 0 * x, "previous_token_all"))
    yield Planted(rises, "family", "false", "falls", _finals(lambda x: 0.5 - 0.2 * (x - 8), "previous_token_all"))
    yield Planted(rises, "family", "true", "rises .2", _finals(lambda x: 0.5 + 0.2 * (x - 8), "previous_token_all"))
    layer = _claim("same-layer-across-seeds")
    yield Planted(layer, "model", "false", "uniform draws", _tops(np.full(LAYERS, 1 / LAYERS)))
    yield Planted(layer, "model", "true", "four in five in one layer", _tops(np.array([0.8, *[0.04] * 5])))
    index = _claim("head-index-is-arbitrary")
    yield Planted(index, "model", "true", "independent heads", _heads(0.0))
    yield Planted(index, "model", "false", "correlation .1, the margin", _heads(0.1))
    yield Planted(index, "model", "false", "correlation .5", _heads(0.5))
    order = _claim("previous-token-before-induction")
    yield Planted(order, "model", "true", "two checkpoints before, nearly always", _onsets(2.0))
    yield Planted(order, "model", "false", "as often after as before", _onsets(0.0))
    yield Planted(order, "model", "false", "two checkpoints after", _onsets(-2.0))
    alike = _claim("trajectories-alike-within-model")
    yield Planted(alike, "model", "true", "runs scatter as published", _curves(SEED_SCATTER))
    yield Planted(alike, "model", "false", "half of the pairs are alike", _curves(0.2 / math.sqrt(2) / 0.6745))
    yield Planted(alike, "model", "false", "nine in ten are, the share claimed", _curves(0.2 / math.sqrt(2) / 1.645))


def _claim(claim_id: str, *, minus: bool = True, rule: str | None = None, quantity: str | None = None) -> Claim:
    content = load_claims([claim_id])[0].model_dump(mode="json")
    estimand = content["estimand"]
    if not minus:
        estimand["of"]["minus"] = None
    if rule:
        estimand["rule"] = rule
    if quantity:
        estimand["of"]["quantity"] = quantity
    return Claim.model_validate({**content, "specifications": {}, "reference_class": "true"})


PARAMETERS = {
    "prefix_matching": '{"input":"repeated","m":2}',
    "previous_token": '{"input":"distinct"}',
    "previous_token_all": "{}",
}
SCHEMA: dict[str, Any] = {
    **dict.fromkeys(["checkpoint_id", "run_id", "model_id", "family_id", "role"], pl.String),
    **dict.fromkeys(["step", "tokens_seen"], pl.Int64),
    "is_final": pl.Boolean,
    **dict.fromkeys(["variant_id", "metric_id", "parameters"], pl.String),
    **dict.fromkeys(["layer", "head"], pl.Int64),
    "stratum": pl.String,
    **dict.fromkeys(["value", "value_a", "value_b", "chance", "excess", "standard_error"], pl.Float64),
    "n": pl.Int64,
    **dict.fromkeys(["provenance", "source_id"], pl.String),
}


def _rows(model: int, run: int, metric: str, scores: Mapping[tuple[int, int], float], step: int = STEPS[-1]) -> Rows:
    """One checkpoint; a head's score is an excess over a chance of 0, its standard error small."""
    run_id = f"m{model}-r{run}"
    fixed = {
        "checkpoint_id": f"{run_id}@{step}",
        "run_id": run_id,
        "model_id": f"m{model}",
        "family_id": "f",
        "role": "natural",
        "step": step,
        "is_final": step == STEPS[-1],
        "variant_id": metric,
        "metric_id": metric,
        "parameters": PARAMETERS[metric],
        "stratum": "",
        "chance": 0.0,
        "standard_error": 0.001,
        "n": 32,
        "provenance": "measured",
        "source_id": "simulated",
    }
    return [
        {**fixed, "layer": layer, "head": head, **dict.fromkeys(["value", "value_a", "value_b", "excess"], value)}
        for (layer, head), value in scores.items()
    ]


def _finals(
    of_size: Callable[[np.ndarray], np.ndarray], metric: str = "prefix_matching", spread: float = MODEL_SCATTER
) -> Callable[[Rng, int], Rows]:
    """The best head at the end: a function of log10 parameters, models and runs scattering around it."""

    def measure(rng: Rng, runs: int) -> Rows:
        means = of_size(LOG_SIZE) + rng.normal(0, spread, len(SIZES))
        return [
            row
            for model, mean in enumerate(means)
            for run, value in enumerate(mean + rng.normal(0, SEED_SCATTER, runs))
            for row in _rows(model, run, metric, {(0, 0): float(value), (0, 1): 0.0})
        ]

    return measure


def _tops(shares: np.ndarray) -> Callable[[Rng, int], Rows]:
    """The layer of the top head, drawn in each run of the one model."""

    def measure(rng: Rng, runs: int) -> Rows:
        found: Rows = []
        for run, top in enumerate(rng.choice(LAYERS, runs, p=shares)):
            scores = {(layer, 0): 0.7 if layer == top else 0.1 for layer in range(LAYERS)}
            found += _rows(0, run, "previous_token_all", scores)
        return found

    return measure


def _heads(correlation: float) -> Callable[[Rng, int], Rows]:
    """All heads' scores in each run of the one model, correlated by index between runs."""

    def measure(rng: Rng, runs: int) -> Rows:
        shared = rng.normal(0, np.sqrt(correlation), (12, 12))
        own = rng.normal(0, np.sqrt(1 - correlation), (runs, 12, 12))
        found: Rows = []
        for run in range(runs):
            scores = {at: float(value) for at, value in np.ndenumerate(0.3 + 0.05 * (shared + own[run]))}
            found += _rows(0, run, "previous_token_all", scores)  # type: ignore[arg-type]
        return found

    return measure


def _onsets(ahead: float) -> Callable[[Rng, int], Rows]:
    """Two heads that form at once, the second this many checkpoints after the first, each scattering by .7 of one."""

    def measure(rng: Rng, runs: int) -> Rows:
        found: Rows = []
        for run in range(runs):
            first, second = 3.5 + np.array([-ahead / 2, ahead / 2]) + rng.normal(0, 0.7, 2)
            for metric, onset in (("previous_token", first), ("prefix_matching", second)):
                for i, step in enumerate(STEPS):
                    found += _rows(0, run, metric, {(0, 0): 0.8 * float(i > onset), (0, 1): 0.0}, step)
        return found

    return measure


def _curves(scatter: float) -> Callable[[Rng, int], Rows]:
    """Trajectories of one shape, each run above or below it by a number of its own."""

    def measure(rng: Rng, runs: int) -> Rows:
        shape = np.linspace(0, 0.8, len(STEPS))
        return [
            row
            for run, off in enumerate(rng.normal(0, scatter, runs))
            for i, step in enumerate(STEPS)
            for row in _rows(0, run, "previous_token_all", {(0, 0): float(shape[i] + off * (i > 0))}, step)
        ]

    return measure
