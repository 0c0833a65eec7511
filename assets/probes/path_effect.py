"""Probe `path_effect`: how much of an induction head's prefix matching hangs on what a previous-token head tells its
keys, and nothing else.

Both are chosen on the even-numbered sequences, the effect is measured on the odd-numbered ones. Not here: how a head's
output is cut from the keys of another (assets/models/engine/key_path.py), what ablating whole heads does (ablation.py).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import numpy as np
from pydantic import AfterValidator, Field, PositiveInt

from assets.probes.attention import repeated_readouts
from assets.probes.causal import Head, halves, head_scores, once, ranked, sites_of
from assets.probes.inputs import Shape, sample, size_for
from assets.probes.registry import Measurement, Metric, NotApplicable, Parameters, Probe, Result, Setting
from assets.probes.samples import ratios_over_sequences, refuse_nan
from assets.study import Strict

if TYPE_CHECKING:
    import torch

    from assets.models.engine.loaded import LoadedModel
    from assets.models.engine.readouts import Readout
    from assets.models.engine.sites import Sites

Kind = Literal["zero", "mean"]

LEAST = 0.05
"""Prefix matching above chance that a receiver must have for a share of it to mean something."""

METRICS = (
    Metric(
        "path_effect",
        construct="induction",
        method="intervention",
        grain="edge",
        unit="share",
        definition="(clean - cut) / (clean - chance) of an induction head's prefix_matching, when a previous-token "
        "head's output (sender) is removed, down to zero or to its mean at the position over the even-numbered "
        "sequences, from the residual stream that enters the induction head's layer as its **key** input alone, "
        "normalisation recomputed, all else clean; the ratio of means over sequences. With grouped keys the "
        "group's key is cut and one query head read. Senders: heads with the highest previous_token; receivers: with "
        "the highest prefix_matching minus placebo, in later layers; chosen on the even-numbered sequences, measured "
        f"on the odd-numbered ones. Not given where clean - chance < {LEAST}. Stratum sender=random: the mean effect "
        "of other heads of the sender's layer, drawn.",
        citation="Elhage et al. 2021, A Mathematical Framework for Transformer Circuits; path patching: Wang et al. "
        "2022, Interpretability in the Wild, arXiv:2211.00593",
        chance_rule="0: the receiver's keys need nothing of the sender.",
    ),
)


class Options(Strict):
    """Which connections are cut, on how much; None = by the family's role."""

    kinds: Annotated[tuple[Kind, ...], AfterValidator(once)] = ("zero", "mean")
    top: PositiveInt = 3
    """Senders, and receivers."""
    random: PositiveInt = 4
    """Other heads of a sender's layer that it is held against, at most."""
    n_sequences: int | None = Field(default=None, ge=4)
    """Half of them serve to choose heads and for means."""


class Edge(NamedTuple):
    """A connection from a sender, which other heads of its layer are held against, to a receiver."""

    sender: Head
    others: Sequence[Head]
    receiver: Head


@dataclass
class Cuts:
    """Prefix matching on the measured sequences.

    Attributes:
        clean: by receiving layer, (sequences, heads).
        chance: by receiving layer.
        cut: the same as clean without a sender, by sender, kind and receiving layer.
    """

    clean: dict[int, np.ndarray]
    chance: dict[int, float]
    cut: dict[tuple[Head, Kind, int], np.ndarray]


class PathEffectProbe(Probe):
    """See assets/probes/registry.py, Probe."""

    name = "path_effect"
    metrics = METRICS
    checkpoints = "final"
    Options = Options
    cost = (
        "Two forward passes a sequence; for each sender, its control heads and kind one pass of its layer, and of the "
        "layer of each receiver. Memory: what each part of each layer returns, of a batch of sequences."
    )

    def parameters(self, setting: Setting) -> Parameters:
        options = _options(setting)
        n_sequences = options.n_sequences or (16 if setting.role == "natural" else 32)
        counts = {"n_sequences": n_sequences, "top": options.top, "random": options.random}
        return {**size_for(setting), **counts, "kinds": "+".join(options.kinds)}

    def measure(self, model: LoadedModel, setting: Setting) -> Result:
        options, shape = _options(setting), Shape.of(self.parameters(setting))
        sites = sites_of(model)
        if len(sites) < 2:
            raise NotApplicable("It attends in one layer: no head reads what another wrote.")
        scores = head_scores(model, shape, setting.sample_seed)
        edges = _edges(scores, options, setting.sample_seed)
        if not edges:
            raise NotApplicable("No head of a later layer can match prefixes.")
        reference, measured = halves(sample(model, "repeated", shape, setting.sample_seed))
        readout = repeated_readouts(shape, model.adds_bos)["prefix_matching"]
        cuts = _cuts(model, sites, edges, options.kinds, readout, reference, measured)
        parameters: Parameters = {"input": "repeated", "n": shape.n, "m": shape.m, "bos": model.adds_bos}
        strong = [edge for edge in edges if _gap(cuts, edge.receiver) >= LEAST]
        measurements = [
            found for edge in strong for kind in options.kinds for found in _effects(cuts, edge, kind, parameters)
        ]
        weak = sorted({edge.receiver for edge in edges} - {edge.receiver for edge in strong})
        return Result(measurements, notes={"receivers_at_chance": weak})


def _options(setting: Setting) -> Options:
    return setting.options if isinstance(setting.options, Options) else Options()


def _edges(scores: Mapping[str, Mapping[Head, float]], options: Options, sample_seed: int) -> list[Edge]:
    """From each sender to each receiver of a later layer."""
    first, last = min(scores["previous_token"])[0], max(scores["induction"])[0]
    senders = ranked({head: score for head, score in scores["previous_token"].items() if head[0] < last})[: options.top]
    receivers = ranked({head: score for head, score in scores["induction"].items() if head[0] > first})[: options.top]
    generator = np.random.default_rng(sample_seed)
    found = []
    for sender in senders:
        others = [head for head in sorted(scores["previous_token"]) if head[0] == sender[0] and head not in senders]
        drawn = generator.permutation(len(others))[: options.random]
        found += [
            Edge(sender, [others[n] for n in drawn], receiver) for receiver in receivers if receiver[0] > sender[0]
        ]
    return found


def _cuts(
    model: LoadedModel,
    sites: Sites,
    edges: Sequence[Edge],
    kinds: Sequence[Kind],
    readout: Readout,
    reference: torch.Tensor,
    measured: torch.Tensor,
) -> Cuts:
    """
    Raises:
        NotApplicable: the model's keys can't be had apart from all else, or its layers do not add up.
    """
    from assets.models.engine.calls import UnknownStructureError
    from assets.models.engine.heads import kept_at_once, mean_outputs, nothing
    from assets.models.engine.key_path import opened

    replacements = {"zero": nothing(model, sites), "mean": mean_outputs(model, sites, reference)}
    senders = sorted({head for edge in edges for head in (edge.sender, *edge.others)})
    layers = sorted({edge.receiver[0] for edge in edges})
    parts: dict[Any, list[np.ndarray]] = {}
    chance: dict[int, float] = {}

    def keep(key: Any, scores: torch.Tensor) -> None:
        refuse_nan(scores.cpu().numpy(), "attention probabilities", model.checkpoint_id)
        parts.setdefault(key, []).append(scores.cpu().numpy())

    try:
        for batch in measured.split(kept_at_once(model, measured.shape[1])):
            with opened(model, sites, batch, readout) as path:
                path.check(senders[0][0], layers[-1])
                for layer in layers:
                    chance[layer] = path.chance(layer)
                    keep(layer, path.scores(layer))
                for (layer, head), kind in itertools.product(senders, kinds):
                    removed = path.contribution(layer, head, replacements[kind][layer][:, :, head])
                    for later in layers:
                        if later > layer:
                            keep(((layer, head), kind, later), path.scores(later, removed))
    except UnknownStructureError as error:
        raise NotApplicable(f"What a head adds to another's keys can't be told: {error}.") from None
    joined = {key: np.concatenate(found).astype(np.float64) for key, found in parts.items()}
    clean = {layer: joined.pop(layer) for layer in layers}
    return Cuts(clean, chance, joined)


def _gap(cuts: Cuts, receiver: Head) -> float:
    """Prefix matching above chance of a receiver."""
    layer, head = receiver
    return float(cuts.clean[layer][:, head].mean()) - cuts.chance[layer]


def _effects(cuts: Cuts, edge: Edge, kind: Kind, parameters: Parameters) -> Iterator[Measurement]:
    """Of the sender, and of the others in its place."""
    layer, head = edge.receiver
    clean, chance = cuts.clean[layer][:, head], cuts.chance[layer]
    lost = {"": [edge.sender], "sender=random": edge.others}
    for stratum, senders in lost.items():
        if not senders:
            continue
        cut = np.mean([cuts.cut[sender, kind, layer][:, head] for sender in senders], axis=0)
        (summary,) = ratios_over_sequences((clean - cut)[:, None], (clean - chance)[:, None])
        if summary is None:
            continue
        yield Measurement(
            "path_effect",
            {**parameters, "kind": kind},
            layer=layer,
            head=head,
            sender_layer=edge.sender[0],
            sender_head=edge.sender[1],
            stratum=stratum,
            chance=0.0,
            **summary,
        )


PROBE = PathEffectProbe()
