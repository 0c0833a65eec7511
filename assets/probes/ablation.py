"""Probe `ablation`: what is lost when heads are taken out, beyond what is lost with other heads of the same layers.

Heads are ranked by induction (prefix_matching minus its placebo) on the even-numbered sequences, and taken out on the
odd-numbered ones: their output before the projection is replaced by zero, by its mean over the even-numbered sequences
at that position, or by what it is on another sequence. Not here: single connections (path_effect.py), how outputs are
replaced (assets/models/engine/replay.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import numpy as np
from pydantic import AfterValidator, Field

from assets.probes.causal import Head, halves, head_scores, once, ranked, sites_of
from assets.probes.head_sets import control_sets, count_of
from assets.probes.inputs import Shape, sample, size_for
from assets.probes.registry import Measurement, Metric, Parameters, Probe, Result, Setting
from assets.probes.samples import over_sequences, refuse_nan
from assets.probes.text_loss import ladder_of
from assets.probes.texts import corpus_parameter, text_of, windows
from assets.study import Strict

if TYPE_CHECKING:
    import torch

    from assets.models.engine.heads import Replacement
    from assets.models.engine.loaded import LoadedModel
    from assets.models.engine.replay import Kept
    from assets.models.engine.sites import Sites

Kind = Literal["zero", "mean", "resample"]
Outcome = Literal["repeat_loss", "icl_score"]

MAX_CONTROLS = 50
"""Control sets of a set: all there are, or as many as this, drawn."""

CROSBIE = "Crosbie and Shutova 2025, Induction Heads as an Essential Mechanism for Pattern Matching, arXiv:2407.07011"
OUTCOMES = (
    "Outcomes: repeat_loss, the mean loss on x[n+1..2n-1] of n random tokens x repeated; icl_score on text (of the "
    "late token alone: loss_at_500, of the early one: loss_at_50, and the like for shorter contexts)."
)
METRICS = (
    Metric(
        "ablation_effect",
        construct="induction",
        method="intervention",
        grain="head_set",
        unit="nats per token",
        definition="Change of the outcome when the heads of the stratum's set are ablated (set=top2%: the share of "
        "heads with the highest prefix_matching minus placebo, one at least), positive = harm. Heads are chosen on the "
        "even-numbered sequences, effects are of the odd-numbered ones. Kinds: an ablated head's output before the "
        "output projection is zero, its mean at the position over the even-numbered sequences, or that on another "
        f"sequence (resample). {OUTCOMES}",
        citation="Olsson et al. 2022, In-context Learning and Induction Heads, arXiv:2209.11895",
    ),
    Metric(
        "specific_ablation_effect",
        construct="induction",
        method="intervention",
        grain="head_set",
        unit="nats per token",
        definition="ablation_effect minus the mean effect of control sets: as many heads of the same layers, none of "
        f"the set. All control sets where there are at most {MAX_CONTROLS}, else {MAX_CONTROLS} drawn; each sequence "
        "is compared with all of these, or with some in turn (the notes of the probe run say how many).",
        citation=CROSBIE,
        chance_rule="0: other heads of the same layers do as much.",
    ),
    Metric(
        "head_ablation_effect",
        construct="induction",
        method="intervention",
        grain="head",
        unit="nats per token",
        definition="Change of the outcome when this head alone is ablated, by exact replacement; positive = harm. "
        "Kinds and outcomes as in ablation_effect.",
        citation="Michel et al. 2019, Are Sixteen Heads Really Better than One?, arXiv:1905.10650",
    ),
)


class Options(Strict):
    """What is ablated, and on how much; None = by the family's role."""

    kinds: Annotated[tuple[Kind, ...], AfterValidator(once)] | None = None
    outcomes: Annotated[tuple[Outcome, ...], AfterValidator(once)] | None = None
    """icl_score on language models takes long windows of text and many of them: a study asks for it."""
    sets: Annotated[tuple[str, ...], AfterValidator(once)] | None = None
    """`top2` and `top2%`: so many heads, such a share of all."""
    n_sequences: int | None = Field(default=None, ge=4)
    """Of each outcome; half of them serve to choose heads and for means."""
    controls: int | None = Field(default=None, ge=0, le=MAX_CONTROLS)
    """Control sets that each sequence is compared with."""
    sweep: int | None = Field(default=None, ge=0)
    """Sequences on which every head is ablated by itself; 0: that is left out."""


class Chosen(NamedTuple):
    """Options, each as stated or by the family's role."""

    kinds: tuple[Kind, ...]
    outcomes: tuple[Outcome, ...]
    sets: tuple[str, ...]
    n_sequences: int
    controls: int
    sweep: int

    @classmethod
    def of(cls, setting: Setting) -> Chosen:
        usual = NATURAL if setting.role == "natural" else SMALL
        options = setting.options if isinstance(setting.options, Options) else Options()
        return usual._replace(**{name: value for name, value in options if value is not None})


KINDS: tuple[Kind, ...] = ("zero", "mean", "resample")
SMALL = Chosen(KINDS, ("repeat_loss", "icl_score"), ("top1", "top2"), n_sequences=48, controls=50, sweep=8)
NATURAL = Chosen(KINDS, ("repeat_loss",), ("top1", "top2%", "top5%"), n_sequences=16, controls=3, sweep=0)


class Case(NamedTuple):
    """What heads are ablated on.

    Attributes:
        parameters: of the variant.
        token_ids: int64 (sequences, tokens); four at least, since one can't be resampled from itself.
        at: int64 (positions,), whose next tokens' losses make the outcomes.
        outcomes: by name, each made of losses (..., positions).
    """

    parameters: Parameters
    token_ids: torch.Tensor
    at: np.ndarray
    outcomes: Mapping[str, Callable[[np.ndarray], np.ndarray]]


class AblationProbe(Probe):
    """See assets/probes/registry.py, Probe."""

    name = "ablation"
    metrics = METRICS
    checkpoints = "final"
    redraws = True
    Options = Options
    cost = (
        "For each sequence and kind of ablation half a forward pass a set or control set, with the language-model head "
        "on half the positions; the sweep: half a pass a head and sequence. Memory: each decoder layer's output."
    )

    def parameters(self, setting: Setting) -> Parameters:
        chosen = Chosen.of(setting)
        listed = {"kinds": "+".join(chosen.kinds), "outcomes": "+".join(chosen.outcomes), "sets": "+".join(chosen.sets)}
        counts = {"n_sequences": chosen.n_sequences, "controls": chosen.controls, "sweep": chosen.sweep}
        text = corpus_parameter(setting) if "icl_score" in chosen.outcomes else {}
        return {**size_for(setting), **listed, **counts, **text}

    def measure(self, model: LoadedModel, setting: Setting) -> Result:
        chosen, shape = Chosen.of(setting), Shape.of(self.parameters(setting))
        sites = sites_of(model)
        ranking = ranked(head_scores(model, shape, setting.sample_seed)["induction"])
        n_heads = {layer: site.n_heads for layer, site in sites.items()}
        sets = []
        for name in chosen.sets:
            heads = frozenset(ranking[: count_of(name, len(ranking))])
            controls = control_sets(heads, n_heads, MAX_CONTROLS, setting.sample_seed)
            sets.append(Set(f"set={name}", heads, controls, min(chosen.controls, len(controls))))

        measurements: list[Measurement] = []
        shared = True
        for outcome in chosen.outcomes:
            sweep = chosen.sweep if outcome == "repeat_loss" else 0
            ablations = Ablations(model, sites, CASES[outcome](model, setting, shape))
            measurements += ablations.measurements(chosen.kinds, sets, sweep)
            shared = shared and ablations.shares
        notes = {
            each.stratum: {
                "heads": sorted(each.heads),
                "control_sets": len(each.controls),
                "of_them_a_sequence": each.n_in_turn,
            }
            for each in sets
        }
        return Result(measurements, notes={**notes, "shares_layers": shared})


def repeats_case(model: LoadedModel, setting: Setting, shape: Shape) -> Case:
    """Repeated random tokens; the loss on the second copy, its first token left out."""
    parameters: Parameters = {"input": "repeated", "n": shape.n, "m": shape.m, "bos": model.adds_bos}
    at = np.arange(shape.n, 2 * shape.n - 1) + model.adds_bos
    tokens = sample(model, "repeated", shape, setting.sample_seed)
    return Case(parameters, tokens, at, {"repeat_loss": lambda losses: losses.mean(-1)})


def text_case(model: LoadedModel, setting: Setting, shape: Shape) -> Case:
    """Windows of text, or of a walk; the loss of a late token, of an early one, and their difference."""
    ladder = ladder_of(model)
    parameters: Parameters = {
        "input": "text",
        "corpus": text_of(model, setting),
        "bos": model.adds_bos,
        "length": ladder.length,
    }
    at = np.array([ladder.early, ladder.late]) - 2 + model.adds_bos
    outcomes: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        ladder.icl_score: lambda losses: losses[..., 1] - losses[..., 0],
        f"loss_at_{ladder.late}": lambda losses: losses[..., 1],
        f"loss_at_{ladder.early}": lambda losses: losses[..., 0],
    }
    return Case(parameters, windows(model, setting, ladder.length, shape.n_sequences, least=4), at, outcomes)


CASES: Mapping[Outcome, Callable[[LoadedModel, Setting, Shape], Case]] = {
    "repeat_loss": repeats_case,
    "icl_score": text_case,
}


class Set(NamedTuple):
    """Heads that are ablated together, and their control sets, of which each sequence takes n_in_turn."""

    stratum: str
    heads: frozenset[Head]
    controls: Sequence[frozenset[Head]]
    n_in_turn: int

    def in_turn(self, number: int) -> list[frozenset[Head]]:
        """The control sets of a sequence."""
        return [self.controls[(number * self.n_in_turn + i) % len(self.controls)] for i in range(self.n_in_turn)]


class Ablations:
    """Ablations of one model on the second half of a case's sequences."""

    def __init__(self, model: LoadedModel, sites: Sites, case: Case) -> None:
        import torch

        from assets.models.engine.heads import mean_outputs, nothing
        from assets.models.engine.replay import Replay

        reference, self._tokens = halves(case.token_ids)
        self._case, self._at = case, torch.from_numpy(case.at)
        self._heads = [(layer, head) for layer, site in sites.items() for head in range(site.n_heads)]
        self._checkpoint_id = model.checkpoint_id
        self._zero, self._mean = nothing(model, sites), mean_outputs(model, sites, reference)
        self._replay = Replay(model, sites)
        self.shares = self._replay.shares

    def measurements(self, kinds: Sequence[Kind], sets: Sequence[Set], sweep: int) -> Iterator[Measurement]:
        """Effects of the sets, and beyond those of their control sets; of each head, on the first `sweep` sequences."""
        losses: dict[Kind, list[np.ndarray]] = {kind: [] for kind in kinds}
        alone = []
        previous = self._keep(len(self._tokens) - 1)
        for number in range(len(self._tokens)):
            kept = self._keep(number)
            replacements = {"zero": self._zero, "mean": self._mean, "resample": previous.z}
            wanted = [*(each.heads for each in sets), *(heads for each in sets for heads in each.in_turn(number))]
            for kind in kinds:
                losses[kind].append(self._losses(kept, wanted, replacements[kind]))
            if number < sweep:
                alone.append(self._losses(kept, [frozenset({head}) for head in self._heads], self._zero))
            previous = kept
        for kind in kinds:
            yield from self._of_sets(kind, sets, np.stack(losses[kind]))
        if alone:
            yield from self._of_heads(np.stack(alone))

    def _keep(self, number: int) -> Kept:
        return self._replay.keep(self._tokens[number : number + 1], self._at)

    def _losses(self, kept: Kept, sets: Sequence[frozenset[Head]], replacement: Replacement) -> np.ndarray:
        """Of one sequence, nats: unchanged, then with each set replaced; (1 + sets, positions)."""
        replaced = self._replay.replaced(kept, sets, replacement)
        losses = -np.concatenate([kept.log_probability[None].cpu().numpy(), replaced.cpu().numpy()])
        refuse_nan(losses, "losses", self._checkpoint_id)
        return losses

    def _of_sets(self, kind: Kind, sets: Sequence[Set], losses: np.ndarray) -> Iterator[Measurement]:
        for outcome, effects in self._effects(losses):
            begin = len(sets)
            for column, each in enumerate(sets):
                effect, end = effects[:, column], begin + each.n_in_turn
                yield self._measurement("ablation_effect", kind, outcome, effect, stratum=each.stratum)
                if end > begin:
                    beyond = effect - effects[:, begin:end].mean(1)
                    about = {"stratum": each.stratum, "chance": 0.0}
                    yield self._measurement("specific_ablation_effect", kind, outcome, beyond, **about)
                begin = end

    def _of_heads(self, losses: np.ndarray) -> Iterator[Measurement]:
        for outcome, effects in self._effects(losses):
            for (layer, head), effect in zip(self._heads, effects.T, strict=True):
                yield self._measurement("head_ablation_effect", "zero", outcome, effect, layer=layer, head=head)

    def _effects(self, losses: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
        """By outcome (sequences, sets), from losses (sequences, 1 + sets, positions)."""
        for name, outcome_of in self._case.outcomes.items():
            outcome = outcome_of(losses.astype(np.float64))
            yield name, outcome[:, 1:] - outcome[:, :1]

    def _measurement(self, metric_id: str, kind: Kind, outcome: str, effects: np.ndarray, **about: Any) -> Measurement:
        parameters = {**self._case.parameters, "kind": kind, "outcome": outcome}
        (summary,) = over_sequences(effects[:, None])
        return Measurement(metric_id, parameters, **about, **summary)


PROBE = AblationProbe()
