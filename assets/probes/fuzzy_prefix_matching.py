"""Probe `fuzzy_prefix_matching`: do induction heads match tokens that are alike, too, or equal ones alone?

A block of n tokens is followed by a second block, of three kinds: its own copy (part=exact), a neighbour of each of its
tokens (part=fuzzy), tokens that are neighbours of none of it (part=control). Each is read as prefix_matching is: from
the i-th token of the second block to the token after the i-th of the first. All tokens of a sequence are members of
pairs that are not neighbours of each other's, and those of the control are drawn as those of the fuzzy block are, so
that only the likeness differs. A head that looks a fixed distance back scores the same on all three.

    fuzzy_prefix_matching = (fuzzy - control) / (exact - control)

is a ratio of means over sequences, with the jackknife's standard error: 0 where equal tokens alone match, 1 where
likeness does as well as equality. Heads that hardly match at all (exact - control below .1) have none. Not here: which
tokens are neighbours (neighbours.py).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from assets.probes import attention
from assets.probes.inputs import Shape, refuse_length, with_bos
from assets.probes.neighbours import NEIGHBOURS
from assets.probes.registry import Measurement, Metric, NotApplicable, Parameters, Probe, Result, Setting
from assets.probes.samples import Summary, over_sequences, ratios_over_sequences, refuse_nan
from assets.study import Strict

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from assets.models.engine.loaded import LoadedModel
    from assets.models.engine.read import AttentionReading

PARTS = ("exact", "fuzzy", "control")
FLOOR = 0.1
"""Of exact - control, below which the ratio is left out."""

FUZZY_PREFIX_MATCHING = Metric(
    "fuzzy_prefix_matching",
    construct="fuzzy_induction",
    method="attention",
    grain="head",
    unit="ratio",
    definition="On n random tokens x followed by y: mean attention from y[i] to x[i+1], as prefix_matching reads it, "
    "where y[i] is a neighbour of x[i] (part=fuzzy), a neighbour of no x[j] (part=control), x[i] itself (part=exact); "
    "then (fuzzy - control) / (exact - control), of sums over sequences. Heads with exact - control below "
    f"{FLOOR} have none.",
    citation="Olsson et al. 2022, arXiv 2209.11895 (argument 4, heads that match similar tokens); score: this project",
    has_excess=True,
    chance_rule="0: equal tokens alone match. Parts: uniform attention's, as prefix_matching.",
)


class Options(Strict):
    """Size of the inputs; None = by the family's role."""

    n: int | None = Field(default=None, ge=2)
    """Tokens in a block."""
    n_sequences: int | None = Field(default=None, ge=2)


class FuzzyPrefixMatchingProbe(Probe):
    """See assets/probes/registry.py, Probe."""

    name = "fuzzy_prefix_matching"
    redraws = True
    checkpoints = "final"
    metrics = (FUZZY_PREFIX_MATCHING,)
    Options = Options
    cost = "Three forward passes of the model's body a sequence and set of neighbours; the embedding's nearest rows."

    def parameters(self, setting: Setting) -> Parameters:
        options = setting.options if isinstance(setting.options, Options) else Options()
        n, n_sequences = (50, 16) if setting.role == "natural" else (16, 64)
        return {"n": options.n or n, "m": 2, "n_sequences": options.n_sequences or n_sequences}

    def measure(self, model: LoadedModel, setting: Setting) -> Result:
        """A set of neighbours that the model has too few of is left out, and named in the notes."""
        shape = Shape.of(self.parameters(setting))
        refuse_length(model, shape.m * shape.n + model.adds_bos)
        found: list[Measurement] = []
        readings: list[AttentionReading] = []
        left_out: dict[str, str] = {}
        for neighbours in NEIGHBOURS:
            try:
                inputs = draw_inputs(model, neighbours, shape, setting.sample_seed)
            except NotApplicable as why:
                left_out[neighbours] = str(why)
                continue
            parts = {part: _read(model, tokens, shape) for part, tokens in inputs.items()}
            readings += parts.values()
            found += _measurements(model, neighbours, shape, parts)
        if not readings:
            raise NotApplicable(" ".join(f"{name}: {why}" for name, why in left_out.items()))
        row_sum_error = max(reading.row_sum_error for reading in readings)
        return Result(found, readings[0].implementation, {"row_sum_error": row_sum_error, "left_out": left_out})


def draw_inputs(model: LoadedModel, neighbours: str, shape: Shape, sample_seed: int) -> dict[str, NDArray[np.int64]]:
    """By part, int64 (n_sequences, 2n), without BOS.

    Raises:
        NotApplicable: the model has too few pairs of neighbours.
    """
    digest = hashlib.sha256(f"{neighbours} {sample_seed}".encode()).digest()
    generator = np.random.default_rng(int.from_bytes(digest[:8], "big"))
    pairs = NEIGHBOURS[neighbours](model, generator)
    drawn = np.stack([pairs.draw(2 * shape.n, generator) for _ in range(shape.n_sequences)])
    first, fuzzy, control = drawn[:, : shape.n, 0], drawn[:, : shape.n, 1], drawn[:, shape.n :, 0]
    return {part: np.hstack([first, second]) for part, second in zip(PARTS, (first, fuzzy, control), strict=True)}


def _read(model: LoadedModel, tokens: NDArray[np.int64], shape: Shape) -> AttentionReading:
    import torch

    from assets.models.engine.read import NoAttentionError, read_attention

    readout = attention.repeated_readouts(shape, model.adds_bos)["prefix_matching"]
    try:
        return read_attention(model, with_bos(model, torch.from_numpy(tokens)), {"prefix_matching": readout})
    except NoAttentionError as error:
        raise NotApplicable(str(error)) from None


def _measurements(
    model: LoadedModel, neighbours: str, shape: Shape, parts: dict[str, AttentionReading]
) -> Iterator[Measurement]:
    """The parts of every head, and the ratio of those that match."""
    parameters: Parameters = {"neighbours": neighbours, "n": shape.n, "m": shape.m, "bos": model.adds_bos}
    for layer, name in parts["exact"].scores:
        scores = {part: reading.scores[layer, name] for part, reading in parts.items()}
        for part, score in scores.items():
            refuse_nan(score.values, f"attention probabilities of layer {layer} ({part})", model.checkpoint_id)
            for head, summary in enumerate(over_sequences(score.values)):
                yield _of_head(parameters, layer, head, f"part={part}", score.chance, summary)
        exact, fuzzy, control = (scores[part].values for part in PARTS)
        matches = (exact - control).mean(0) >= FLOOR
        for head, ratio in enumerate(ratios_over_sequences(fuzzy - control, exact - control)):
            if matches[head] and ratio is not None:
                yield _of_head(parameters, layer, head, "", 0.0, ratio)


def _of_head(
    parameters: Parameters, layer: int, head: int, stratum: str, chance: float, summary: Summary
) -> Measurement:
    return Measurement(
        "fuzzy_prefix_matching", parameters, layer=layer, head=head, stratum=stratum, chance=chance, **summary
    )


PROBE = FuzzyPrefixMatchingProbe()
