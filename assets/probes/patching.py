"""Probe `patching`: how much of the recall of repeated tokens comes back when one head's output is put back.

Clean: random tokens repeated. Corrupt: the same second half after a first half of other tokens, so that nothing there
predicts it. What a head writes on the clean sequence is patched into the corrupt one. Attribution estimates this for
all heads at once, to first order: a screen, never a verdict; exact patching has the last word. Not here: what is lost
when heads are taken out (ablation.py), how outputs are replaced (assets/models/engine/replay.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from assets.probes.causal import Head, ranked, sites_of
from assets.probes.inputs import Shape, sample, size_for
from assets.probes.registry import Measurement, Metric, Parameters, Probe, Result, Setting
from assets.probes.samples import Summary, over_sequences, ratios_over_sequences, refuse_nan
from assets.study import Strict

if TYPE_CHECKING:
    import torch

    from assets.models.engine.loaded import LoadedModel
    from assets.models.engine.replay import Replay
    from assets.models.engine.sites import Sites

LEAST = 0.05
"""Nats per token that the clean run must be better by for a share of it to mean something."""

OUTCOME = (
    "Clean: n random tokens x repeated; corrupt: the same second half after a first half of n other tokens, all "
    "distinct. Outcome: mean log-probability of the second half's x[n+1..2n-1]."
)
METRICS = (
    Metric(
        "activation_patching",
        construct="induction",
        method="intervention",
        grain="head",
        unit="share",
        definition=f"(patched - corrupt) / (clean - corrupt) when the head's output before the output projection is "
        "replaced, in the corrupt run, by that in the clean run (direction: clean into corrupt), at all positions; the "
        f"ratio of means over sequences. {OUTCOME} Not given where clean - corrupt < {LEAST}. Of models with "
        "many heads only those of the largest attribution are patched.",
        citation="Meng et al. 2022, Locating and Editing Factual Associations in GPT, arXiv:2202.05262; Heimersheim "
        "and Nanda 2024, How to Use and Interpret Activation Patching, arXiv:2404.15255",
        chance_rule="0: the head brings nothing back.",
    ),
    Metric(
        "attribution",
        construct="induction",
        method="intervention",
        grain="head",
        unit="nats per token",
        definition="(z_clean - z_corrupt) times the gradient of the outcome at the corrupt run, z the head's output "
        f"before the output projection at all positions: patched - corrupt to first order. {OUTCOME} A screen, never a "
        "verdict.",
        citation="Nanda 2023, Attribution Patching; Syed et al. 2023, arXiv:2310.10348",
        chance_rule="0: the head brings nothing back.",
    ),
)


class Options(Strict):
    """On how much, and of how many heads; None = by the family's role."""

    n_sequences: int | None = Field(default=None, ge=2)
    screen: int | None = Field(default=None, ge=0)
    """Heads that are patched, those of the largest absolute attribution; 0: all."""


class PatchingProbe(Probe):
    """See assets/probes/registry.py, Probe."""

    name = "patching"
    metrics = METRICS
    checkpoints = "final"
    redraws = True
    Options = Options
    cost = (
        "For each sequence three forward passes, one backward pass and half a pass a patched head, with the "
        "language-model head on half the positions. Memory: what every layer makes of a sequence."
    )

    def parameters(self, setting: Setting) -> Parameters:
        options = setting.options if isinstance(setting.options, Options) else Options()
        n_sequences, screen = (8, 16) if setting.role == "natural" else (16, 0)
        chosen = {"screen": screen if options.screen is None else options.screen}
        return {**size_for(setting), "n_sequences": options.n_sequences or n_sequences, **chosen}

    def measure(self, model: LoadedModel, setting: Setting) -> Result:
        import torch

        from assets.models.engine.replay import Replay

        parameters = self.parameters(setting)
        shape = Shape.of(parameters)
        sites = sites_of(model)
        clean, corrupt = pairs_of(sample(model, "distinct", shape, setting.sample_seed), shape.n)
        at = torch.arange(shape.n, 2 * shape.n - 1) + model.adds_bos

        attributions = _attributions(model, sites, clean, corrupt, at)
        heads = ranked({head: abs(float(values.mean())) for head, values in attributions.items()})
        patched = sorted(heads[: int(parameters["screen"]) or None])
        replay = Replay(model, sites)
        runs = [_outcomes(replay, *pair, at, patched) for pair in zip(clean.split(1), corrupt.split(1), strict=True)]
        outcomes = np.stack(runs)
        refuse_nan(outcomes, "log-probabilities", model.checkpoint_id)
        gain = outcomes[:, 0] - outcomes[:, 1]
        variant: Parameters = {"direction": "clean_into_corrupt", "n": shape.n, "bos": model.adds_bos}

        summaries = over_sequences(np.stack(list(attributions.values()), axis=1))
        measurements = list(_measurements("attribution", variant, attributions, summaries))
        if gain.mean() >= LEAST:
            numerators = outcomes[:, 2:] - outcomes[:, 1:2]
            shares = ratios_over_sequences(numerators, np.repeat(gain[:, None], len(patched), axis=1))
            measurements += _measurements("activation_patching", variant, patched, shares)
        notes = {"clean_minus_corrupt": float(gain.mean()), "patched": patched, "shares_layers": replay.shares}
        return Result(measurements, notes=notes)


def pairs_of(distinct: torch.Tensor, n: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Clean and corrupt sequences, from corrupt ones, (sequences, 2n) or one more with BOS: distinct tokens."""
    clean = distinct.clone()
    clean[:, -2 * n : -n] = distinct[:, -n:]
    return clean, distinct


def _attributions(
    model: LoadedModel, sites: Sites, clean: torch.Tensor, corrupt: torch.Tensor, at: torch.Tensor
) -> dict[Head, np.ndarray]:
    """By head, (sequences,), nats per token."""
    from assets.models.engine.attribution import attribute
    from assets.models.engine.heads import head_outputs, kept_at_once

    parts: dict[int, list[np.ndarray]] = {layer: [] for layer in sites}
    n_sequences = kept_at_once(model, clean.shape[1], len(at))
    for batch, corrupted in zip(clean.split(n_sequences), corrupt.split(n_sequences), strict=True):
        found = attribute(model, sites, corrupted, at, head_outputs(model, sites, batch))
        for layer, values in found.items():
            parts[layer].append(values.cpu().numpy())
    joined = {layer: np.concatenate(of_batches) for layer, of_batches in parts.items()}
    refuse_nan(np.concatenate(list(joined.values()), axis=1), "gradients", model.checkpoint_id)
    return {(layer, head): values[:, head] for layer, values in joined.items() for head in range(values.shape[1])}


def _outcomes(
    replay: Replay, clean: torch.Tensor, corrupt: torch.Tensor, at: torch.Tensor, heads: Sequence[Head]
) -> np.ndarray:
    """Mean log-probabilities of one pair of sequences: clean, corrupt, then with each head patched."""
    given, kept = replay.keep(clean, at), replay.keep(corrupt, at)
    patched = replay.replaced(kept, [frozenset({head}) for head in heads], given.z)
    rows = [given.log_probability, kept.log_probability, *patched]
    return np.array([row.double().mean().item() for row in rows])


def _measurements(
    metric_id: str, variant: Parameters, heads: Iterable[Head], summaries: Iterable[Summary | None]
) -> Iterator[Measurement]:
    for (layer, head), summary in zip(heads, summaries, strict=True):
        if summary is not None:
            yield Measurement(metric_id, variant, layer=layer, head=head, chance=0.0, **summary)


PROBE = PatchingProbe()
