"""The rows that claims read, and the readings made of them.

Each run is read by the first metric, in the claim's order of preference, that it was measured with; two variants are
never pooled. A run without the placebo that a claim subtracts is read by its score alone and flagged; it is never
compared with runs that are read less theirs.

Here: from rows of the view `evidence` to one number per run, with its interval over token sequences. Not here: what a
claim asks for (readings.py), intervals and summaries of heads (scores.py), trajectories' formulas (summaries.py).
"""

from __future__ import annotations

import json
from collections import Counter, OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from assets.claims.reading import choosing, summaries
from assets.claims.reading.choosing import AT, Place, Value
from assets.claims.reading.readings import FROM_THE_LAST, Estimate, Reading, Scale, not_formed, over_training
from assets.claims.reading.scores import less, summarised, with_intervals
from assets.claims.reading.summaries import Trajectory

KEPT = (
    *("checkpoint_id", "run_id", "model_id", "family_id", "step", "tokens_seen", "is_final"),
    *("variant_id", "layer", "head", "sender_layer", "sender_head", "stratum"),
    *("value", "value_a", "value_b", "chance", "standard_error", "n"),
)
"""Columns of the evidence that readings are made of."""
SCORES_KEPT = 6
"""Kinds of scores held at a time: they are as long as the evidence, and what is made of them is short and kept."""


@dataclass(frozen=True)
class Variant:
    """A metric variant that the evidence holds."""

    variant_id: str
    metric_id: str
    parameters: Mapping[str, Any]


class Evidence:
    """The rows that claims read, and the readings made of them so far (each is made once).

    Args:
        rows: of the view `evidence`, of the metrics that the claims name.
        adds_bos: by model_id, whether its tokenizer puts a BOS token in front: such a model is read with it.
        n_layers: by model_id.
        designs: by model_id, its design properties, for claims that predict from them.
        retests: the same measured again, for claims about methods.
    """

    def __init__(
        self,
        rows: pl.DataFrame,
        adds_bos: Mapping[str, bool | None],
        n_layers: Mapping[str, int | None],
        designs: Mapping[str, Mapping[str, Any]] | None = None,
        retests: Evidence | None = None,
    ) -> None:
        self.retests = retests
        found = rows.select("variant_id", "metric_id", "parameters").unique().sort("variant_id")
        self.variants = [Variant(v, m, json.loads(p or "{}")) for v, m, p in found.iter_rows()]
        self._metric_of = {variant.variant_id: variant.metric_id for variant in self.variants}
        parts = rows.select(KEPT).partition_by("variant_id", as_dict=True)
        self._rows = {str(key[0]): part for key, part in parts.items()}
        self._model_of = dict(rows.select("run_id", "model_id").unique().iter_rows())
        self._adds_bos, self._n_layers, self._designs = adds_bos, n_layers, designs or {}
        self._origins = self._find_origins(rows)
        self._scores: OrderedDict[str, dict[str, pl.DataFrame]] = OrderedDict()
        self._trajectories: dict[str, dict[str, dict[str, Trajectory]]] = {}
        self._finals: dict[str, dict[tuple[str, str], dict[str, Any]]] = {}
        self._heads: dict[tuple[str, str, str], tuple[pl.DataFrame, dict[str, pl.DataFrame]]] = {}
        self._values: dict[tuple[str, str], dict[str, dict[Place, Value]]] = {}
        self._places: dict[str, dict[str, dict[Place, frozenset[str]]]] = {}
        self._matching: dict[str, dict[str, list[str]]] = {}
        self._without_placebo: dict[str, set[tuple[str, str]]] = {}

    @staticmethod
    def _find_origins(rows: pl.DataFrame) -> dict[tuple[str, str], tuple[str, frozenset[str]]]:
        found = rows.group_by("run_id", "variant_id").agg(
            pl.col("provenance").unique().sort(), pl.col("source_id").unique()
        )
        return {
            (run, variant): (", ".join(provenance), frozenset(sources))
            for run, variant, provenance, sources in found.iter_rows()
        }

    def design_of(self, run_id: str) -> Mapping[str, Any]:
        """The design properties of the run's model."""
        return self._designs.get(self._model_of[run_id], {})

    def metric_of(self, variant_id: str) -> str:
        return self._metric_of[variant_id]

    def provenance(self, run_id: str, variant_id: str | None) -> str | None:
        """measured, published, or both where checkpoints differ; None without a variant."""
        return self._origins[run_id, variant_id][0] if variant_id else None

    def sources(self, run_id: str, variant_id: str | None) -> frozenset[str]:
        """Where the values come from."""
        return self._origins[run_id, variant_id][1] if variant_id else frozenset()

    # Which variant

    def matching(self, reading: Reading, run_id: str) -> list[str]:
        """The variants that the reading allows and the run has, the preferred first.

        Order: as the claim names the metrics, then the values of parameters; then beside a placebo, where the claim
        subtracts one; then with BOS where the model's tokenizer puts one, else without; then the one of fewest
        parameters, since others are made by options.
        """
        key = reading.scoring.key()
        if key not in self._matching:
            self._matching[key] = self._rank(reading)
        return self._matching[key].get(run_id, [])

    def _rank(self, reading: Reading) -> dict[str, list[str]]:
        """By run, the variants that the reading allows and the run has, the preferred first."""
        known = {variant.variant_id: variant for variant in self.variants}
        ranked: dict[str, list[tuple[tuple[int, ...], bool, bool, int, str]]] = {}
        for variant_id, frame in self.scores(reading).items():
            parameters = known[variant_id].parameters
            place = reading.rank(known[variant_id].metric_id, parameters) or ()
            for run_id in frame["run_id"].unique():
                bos = bool(self._adds_bos.get(self._model_of[run_id]))
                unusual = parameters.get("bos", bos) != bos
                alone = self.lacks_placebo(reading, run_id, variant_id)
                ranked.setdefault(run_id, []).append((place, alone, unusual, len(parameters), variant_id))
        return {run_id: [variant for *_, variant in sorted(found)] for run_id, found in ranked.items()}

    def lacks_placebo(self, reading: Reading, run_id: str, variant_id: str | None) -> bool:
        """Whether the claim subtracts a placebo that the run was not measured with: it is read by its score alone."""
        key = reading.scoring.key()
        if key not in self._without_placebo:
            self.scores(reading)
        return (variant_id, run_id) in self._without_placebo[key]

    def shared(self, reading: Reading, run_ids: Iterable[str]) -> str | None:
        """The variant that most of the runs have, the preferred one among equals: what can be compared between them."""
        way = self._shared_way(reading, run_ids)
        return way[0] if way else None

    def not_shared(self, reading: Reading, run_ids: Sequence[str]) -> dict[str, str]:
        """The runs that can't be compared with most of these, with why."""
        way = self._shared_way(reading, run_ids)
        return {run_id: why for run_id in run_ids if (why := self._why_not_shared(reading, run_id, way))}

    def _why_not_shared(self, reading: Reading, run_id: str, way: tuple[str, bool] | None) -> str:
        ranked = self.matching(reading, run_id)
        if way is None or not ranked:
            return self.why_missing(reading)
        variant_id, alone = way
        if variant_id not in ranked:
            return f"not measured as {variant_id}, which most runs have"
        if self.lacks_placebo(reading, run_id, variant_id) == alone:
            return ""
        return f"measured {'with' if alone else 'without'} {reading.minus}, unlike most runs"

    def _shared_way(self, reading: Reading, run_ids: Iterable[str]) -> tuple[str, bool] | None:
        """The variant that most of the runs have, and whether without the placebo."""
        counts: Counter[tuple[str, bool]] = Counter()
        ranks: Counter[tuple[str, bool]] = Counter()
        for run_id in run_ids:
            for rank, variant in enumerate(self.matching(reading, run_id)):
                way = variant, self.lacks_placebo(reading, run_id, variant)
                counts[way] += 1
                ranks[way] += rank
        return min(counts, key=lambda way: (-counts[way], ranks[way] / counts[way], way), default=None)

    @staticmethod
    def why_missing(reading: Reading) -> str:
        """Why a run has no variant that fits, in words."""
        return f"no measurement of {' or '.join(reading.metrics)}"

    # Scores of heads

    def scores(self, reading: Reading) -> dict[str, pl.DataFrame]:
        """By variant, one row per checkpoint and head: value on the claim's scale, halves, error, low, high."""
        key = reading.scoring.key()
        if key not in self._scores:
            self._without_placebo[key] = set()
            allowed = [v for v in self.variants if reading.rank(v.metric_id, v.parameters) is not None]
            made = {v.variant_id: self._scored(v, reading) for v in allowed}
            self._scores[key] = {variant: frame for variant, frame in made.items() if frame.height}
            while len(self._scores) > SCORES_KEPT:
                self._scores.popitem(last=False)
        self._scores.move_to_end(key)
        return self._scores[key]

    def _scored(self, variant: Variant, reading: Reading) -> pl.DataFrame:
        frame = self._on_scale(variant.variant_id, reading.strata, reading.scale)
        if reading.minus:
            placebo = self.placebo_of(variant.variant_id, reading.minus)
            other = self._on_scale(placebo, [""], reading.scale) if placebo else frame.clear()
            lessened = less(frame, other)
            alone = frame.filter(~pl.col("run_id").is_in(lessened["run_id"].unique().implode()))
            self._without_placebo[reading.scoring.key()] |= {
                (variant.variant_id, run) for run in alone["run_id"].unique()
            }
            frame = pl.concat([lessened, alone])
        return with_intervals(frame)

    def placebo_of(self, variant_id: str, metric_id: str) -> str | None:
        """The placebo's variant that has every parameter of this one, equal but for the input: tokens drawn alike."""
        own = next(variant.parameters for variant in self.variants if variant.variant_id == variant_id)
        asked = {key: value for key, value in own.items() if key != "input"}.items()
        for other in self.variants:
            if other.metric_id == metric_id and asked <= other.parameters.items():
                return other.variant_id
        return None

    def _on_scale(self, variant_id: str, strata: Sequence[str], scale: Scale) -> pl.DataFrame:
        """The rows of a variant with value, halves and standard error on the scale, without what is no number.

        Of each run those of the first stratum that it has."""
        place = pl.col("stratum").replace_strict({name: i for i, name in enumerate(strata)}, default=None)
        chance = pl.col("chance")
        span = 1 - chance if scale == "excess" else pl.lit(1.0)
        base = pl.lit(0.0) if scale == "value" else chance
        return (
            self._rows[variant_id]
            .filter(place == place.min().over("run_id"))
            .with_columns(
                *((pl.col(name) - base) / span for name in ("value", "value_a", "value_b")),
                standard_error=pl.col("standard_error") / span,
            )
            .filter(pl.col("value").is_finite())
            .drop("chance")
        )

    # One number per run

    def trajectories(self, reading: Reading) -> dict[str, dict[str, Trajectory]]:
        """By variant and run, the summary of the heads over the checkpoints with a known step."""
        reduced = reading.reducing
        key = reduced.key()
        if key not in self._trajectories:
            reduction: Any = "best_head" if reduced.summary == "single" else reduced.summary
            self._trajectories[key] = {
                variant: summaries.trajectories(frame, reduction, column="value", threshold=reduced.past, k=reduced.k)
                for variant, frame in self.scores(reading).items()
            }
        return self._trajectories[key]

    def estimate(self, reading: Reading, run_id: str, variant_id: str | None = None) -> Estimate:
        """The reading of one run, by its preferred variant or by the one named, which it must have."""
        chosen = variant_id or next(iter(self.matching(reading, run_id)), None)
        others = [self.estimate(other, run_id) for other in (reading.given, reading.at, reading.sender) if other]
        for absent in sorted((other for other in others if other.value is None), key=lambda other: other.defined):
            if chosen or not absent.defined:
                return replace(absent, variant_id=chosen)
        if chosen is None:
            return Estimate(None, reason=self.why_missing(reading))
        if reading.at:
            return choosing.at_chosen(self, reading, run_id, chosen)
        if reading.summary == "mean":
            return choosing.over_edges(self, reading, run_id, chosen)
        if reading.quantity in FROM_THE_LAST:
            return self._from_the_last(reading, run_id, chosen)
        trajectory = self.trajectories(reading)[chosen].get(run_id)
        if trajectory is None:
            return Estimate(None, variant_id=chosen, reason="no checkpoint with a known step")
        return over_training(reading, trajectory, chosen)

    def _from_the_last(self, reading: Reading, run_id: str, variant_id: str) -> Estimate:
        found = self._final_rows(reading).get((variant_id, run_id))
        if found is None:
            return Estimate(None, variant_id=variant_id, reason="the final checkpoint was not measured so")
        absent = not_formed(reading, "final", found["value"])
        if absent:
            return Estimate(None, variant_id=variant_id, defined=False, reason=absent)
        if reading.quantity == "final":
            return Estimate(found["value"], found["low"], found["high"], found["standard_error"], variant_id)
        if reading.quantity == "top_layer":
            return Estimate(float(found["layer"]), variant_id=variant_id)
        n_layers = self._n_layers.get(self._model_of[run_id])
        if n_layers is None:
            return Estimate(None, variant_id=variant_id, reason="the model's number of layers is not known")
        return Estimate(summaries.relative_depth(found["layer"], n_layers), variant_id=variant_id)

    def compared(self, reading: Reading, run_ids: Sequence[str]) -> dict[str, Estimate]:
        """The reading of runs that are compared with each other: of one variant, over one grid of checkpoints.

        The grid is the one that most runs have; runs with more checkpoints are read at these only, runs that lack one
        of them are left out, since slopes, peaks and onsets depend on where one looks.
        """
        variant, apart = self.shared(reading, run_ids), self.not_shared(reading, run_ids)
        found = {run_id: Estimate(None, reason=why) for run_id, why in apart.items()}
        alike = [run_id for run_id in run_ids if run_id not in apart]
        if variant is None or reading.quantity in FROM_THE_LAST:
            found |= {run_id: self.estimate(reading, run_id, variant) for run_id in alike}
            return {run_id: found[run_id] for run_id in run_ids}
        held = self.trajectories(reading)[variant]
        grids = Counter(tuple(held[run_id].step.tolist()) for run_id in alike if run_id in held)
        grid = max(grids, key=lambda steps: (grids[steps], len(steps), steps), default=())
        for run_id in alike:
            if run_id not in held:
                found[run_id] = self.estimate(reading, run_id, variant)
                continue
            lacking = sorted(set(grid) - set(held[run_id].step.tolist()))
            if lacking:
                reason = f"lacks the checkpoint of step {lacking[0]}, which most runs have"
                found[run_id] = Estimate(None, variant_id=variant, reason=reason)
            else:
                found[run_id] = over_training(reading, summaries.at_steps(held[run_id], grid), variant)
        return {run_id: found[run_id] for run_id in run_ids}

    def final_heads(self, reading: Reading, run_id: str, variant_id: str) -> pl.DataFrame:
        """The heads of a run's final checkpoint: layer, head, value, low, high; in the order of layer and head.

        With split: halves, the value is that of the half on which heads are chosen.
        """
        key = (reading.scoring.key(), reading.split, variant_id)
        if key not in self._heads:
            chosen_by = pl.col("value_a" if reading.split == "halves" else "value").alias("value")
            frame = self.scores(reading)[variant_id].filter(pl.col("is_final") & chosen_by.is_not_null())
            heads = frame.select("run_id", "layer", "head", chosen_by, "low", "high").sort("layer", "head")
            parts = heads.partition_by("run_id", as_dict=True, include_key=False)
            self._heads[key] = heads.drop("run_id").clear(), {str(run): part for (run,), part in parts.items()}
        nothing, found = self._heads[key]
        return found.get(run_id, nothing)

    def final_values(self, reading: Reading, variant_id: str) -> Mapping[str, Mapping[Place, Value]]:
        """By run and place, what the final checkpoint has."""
        key = (reading.scoring.key(), variant_id)
        if key not in self._values:
            finals = self.scores(reading)[variant_id].filter(pl.col("is_final"))
            found: dict[str, dict[Place, Value]] = {}
            for run_id, *row in finals.select("run_id", *AT, "value", "low", "high", "standard_error").iter_rows():
                found.setdefault(run_id, {})[Place(*row[:4])] = Value(*row[4:])
            self._values[key] = found
        return self._values[key]

    def final_places(self, variant_id: str) -> Mapping[str, Mapping[Place, frozenset[str]]]:
        """By run and place, the strata in which the final checkpoint was measured there."""
        if variant_id not in self._places:
            finals = self._rows[variant_id].filter(pl.col("is_final"))
            found: dict[str, dict[Place, frozenset[str]]] = {}
            for run_id, *at, strata in finals.group_by("run_id", *AT).agg("stratum").sort("run_id", *AT).iter_rows():
                found.setdefault(run_id, {})[Place(*at)] = frozenset(strata)
            self._places[variant_id] = found
        return self._places[variant_id]

    def _final_rows(self, reading: Reading) -> dict[tuple[str, str], dict[str, Any]]:
        """By variant and run, the summary at the final checkpoint: value, low, high, standard_error, layer."""
        key = reading.model_copy(update={"quantity": "final", "formed_above": None, "since_step": 0}).key()
        if key not in self._finals:
            self._finals[key] = {
                (variant, row["run_id"]): row
                for variant, frame in self.scores(reading).items()
                for row in summarised(frame.filter(pl.col("is_final")), reading).iter_rows(named=True)
            }
        return self._finals[key]
