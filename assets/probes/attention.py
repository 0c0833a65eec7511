"""Probe `attention`: what heads look at on random tokens, repeated and not.

One forward pass a batch and input serves all metrics. Most are a set of (query, key) positions, whose attention
A[query, key] counts; two are of whole rows: their entropy, and what learned sinks take of them. Not here: what the
model predicts (repeats.py), how attention is read (assets/models/engine).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from assets.probes.inputs import Kind, Shape, Size, sample, size_for, with_bos_as_set
from assets.probes.registry import Measurement, Metric, NotApplicable, Parameters, Probe, Result, Setting
from assets.probes.samples import over_sequences, refuse_nan

if TYPE_CHECKING:
    from assets.models.engine.loaded import LoadedModel
    from assets.models.engine.read import AttentionReading
    from assets.models.engine.readouts import Readout

OFFSETS = range(-3, 4)
SHUFFLED = "control=shuffled"
"""Stratum of a metric read at targets that were dealt to other queries: a known group for the instrument."""
OLSSON = "Olsson et al. 2022, In-context Learning and Induction Heads, arXiv:2209.11895"
UNIFORM = "Mean over queries of (wanted keys that the query can see) / (keys that it can see), by the layer's own mask."


def _metric(metric_id: str, construct: str, citation: str, definition: str) -> Metric:
    return Metric(
        metric_id,
        construct=construct,
        method="attention",
        grain="head",
        unit="probability",
        definition=definition,
        citation=citation,
        lower=0.0,
        upper=1.0,
        has_excess=True,
        chance_rule=UNIFORM,
    )


METRICS = (
    _metric(
        "prefix_matching",
        "induction",
        OLSSON,
        "On repeated random tokens x: for each query i in repeats 2..m, the sum over earlier j with x[j-1] = x[i] of "
        "A[i,j]; mean over queries, then sequences.",
    ),
    _metric(
        "prefix_matching_placebo",
        "induction",
        "This project",
        "A[i,j] at the positions of prefix_matching on random tokens without any repeat. A head that looks a fixed "
        "distance back scores the same on both: induction is prefix_matching minus this, per head.",
    ),
    _metric(
        "offset_profile",
        "induction",
        "This project",
        "prefix_matching with the wanted keys moved by the offset in the stratum, -3 to 3; queries whose moved key "
        "would lie before the first random token or after the query are left out. Shows heads that solve the task one "
        "position off.",
    ),
    _metric(
        "previous_token",
        "previous_token",
        "Elhage et al. 2021, A Mathematical Framework for Transformer Circuits; first position left out",
        "On distinct random tokens: mean over i >= 2 of A[i,i-1]; at i = 1 the previous token is also the first.",
    ),
    _metric(
        "duplicate_token",
        "duplicate_token",
        "Wang et al. 2022, Interpretability in the Wild, arXiv:2211.00593",
        "On repeated random tokens x: for each i with an earlier equal token, the sum over j < i with x[j] = x[i] of "
        "A[i,j]; mean over queries, then sequences.",
    ),
    _metric(
        "first_token",
        "sink",
        "Xiao et al. 2023, Efficient Streaming Language Models with Attention Sinks, arXiv:2309.17453",
        "On distinct random tokens: mean over i >= 1 of A[i,0]; position 0 is the BOS token where the model adds one.",
    ),
    _metric("self_attention", "self_attention", "This project", "On distinct random tokens: mean over i of A[i,i]."),
    Metric(
        "attention_entropy",
        construct="attention_entropy",
        method="attention",
        grain="head",
        unit="share of the largest entropy",
        definition="On distinct random tokens: mean over i >= 1 of the entropy of A[i,:] over the logarithm of the "
        "number of keys that i sees; queries that see one key are left out. Beside a learned sink: of how the rest of "
        "the row is shared out.",
        citation="Shannon 1948, A Mathematical Theory of Communication; normalised by the largest that the mask allows",
        lower=0.0,
        upper=1.0,
        chance_rule="1, that of uniform attention over the keys that the query can see; there is no excess over it.",
    ),
    Metric(
        "sink_share",
        construct="sink",
        method="attention",
        grain="head",
        unit="probability",
        definition="On distinct random tokens: mean over queries of what a learned sink takes of the row, whose "
        "attention to keys sums to one minus it. Layers with learned sinks only.",
        citation="OpenAI 2025, gpt-oss-120b & gpt-oss-20b Model Card, arXiv:2508.10925",
        lower=0.0,
        upper=1.0,
    ),
)
OF_ROWS = ("attention_entropy", "sink_share")
"""Read on distinct tokens, and not from pairs."""


class AttentionProbe(Probe):
    """See assets/probes/registry.py, Probe. A portable one reads in blocks even where the fused kernel applies."""

    name = "attention"
    version = 2
    redraws = True
    Options = Size
    metrics = METRICS
    cost = "Two forward passes of the model's body a sequence, without the language-model head."

    def __init__(self, portable: bool = False) -> None:
        self.portable = portable

    def parameters(self, setting: Setting) -> Parameters:
        return size_for(setting)

    def measure(self, model: LoadedModel, setting: Setting) -> Result:
        from assets.models.engine.read import NoAttentionError, read_attention

        model, shape = with_bos_as_set(model, setting), Shape.of(self.parameters(setting))
        readings = {}
        for kind, readouts in READOUTS.items():
            tokens = sample(model, kind, shape, setting.sample_seed)
            try:
                readings[kind] = read_attention(
                    model, tokens, readouts(shape, model.adds_bos), self.portable, rows=kind == "distinct"
                )
            except NoAttentionError as error:
                raise NotApplicable(str(error)) from None
        return Result(
            [found for reading in readings.values() for found in _measurements(reading, shape, model)],
            readings["repeated"].implementation,
            {"row_sum_error": max(reading.row_sum_error for reading in readings.values())},
        )


def repeated_readouts(shape: Shape, bos: bool) -> dict[str, Readout]:
    """What is read on repeated tokens, by metric and stratum, joined by a space."""
    token = np.concatenate([[-1] * bos, np.tile(np.arange(shape.n), shape.m)])
    query, twin = np.nonzero(np.tril(token[:, None] == token[None, :], k=-1))
    prefix = twin + 1 < query
    query_of, target = query[prefix], twin[prefix] + 1

    def moved(offset: int) -> Readout:
        key = target + offset
        kept = (key >= int(bos)) & (key <= query_of)
        return query_of[kept], key[kept]

    profile = {f"offset_profile offset={offset}": moved(offset) for offset in OFFSETS}
    return {**_with_control({"prefix_matching": (query_of, target), "duplicate_token": (query, twin)}), **profile}


def distinct_readouts(shape: Shape, bos: bool) -> dict[str, Readout]:
    """What is read on distinct tokens, by metric."""
    position = np.arange(bos + shape.m * shape.n)
    return {
        "prefix_matching_placebo": repeated_readouts(shape, bos)["prefix_matching"],
        **_with_control({"previous_token": (position[2:], position[2:] - 1)}),
        "first_token": (position[1:], np.zeros_like(position[1:])),
        "self_attention": (position, position),
    }


def _with_control(readouts: dict[str, Readout]) -> dict[str, Readout]:
    """Beside each readout itself with shuffled targets, whose score is at chance whatever the head looks for."""
    return readouts | {f"{name} {SHUFFLED}": _shuffled(*readout) for name, readout in readouts.items()}


def _shuffled(query: np.ndarray, key: np.ndarray) -> Readout:
    """The keys dealt to other queries, without pairs that are true or look ahead; the same deal each time."""
    dealt = np.random.default_rng(0).permutation(key)
    true = set(zip(query.tolist(), key.tolist(), strict=True))
    kept = [k <= q and (q, k) not in true for q, k in zip(query.tolist(), dealt.tolist(), strict=True)]
    return query[kept], dealt[kept]


READOUTS: dict[Kind, Callable[[Shape, bool], dict[str, Readout]]] = {
    "repeated": repeated_readouts,
    "distinct": distinct_readouts,
}


def _variant(metric_id: str, shape: Shape, bos: bool) -> Parameters:
    """Metrics of distinct tokens are of 2n of them; where a study has another number of blocks, the variant says so."""
    if metric_id in {"previous_token", "first_token", "self_attention", *OF_ROWS}:
        blocks = {} if shape.m == 2 else {"m": shape.m}
        return {"input": "distinct", "n": shape.n, **blocks, "bos": bos}
    kind = "distinct" if metric_id == "prefix_matching_placebo" else "repeated"
    return {"input": kind, "n": shape.n, "m": shape.m, "bos": bos}


def _measurements(reading: AttentionReading, shape: Shape, model: LoadedModel) -> Iterator[Measurement]:
    """One a layer, head, metric and stratum.

    Raises:
        UserError: the model yields NaN.
    """
    for layer, name, values, chance in _values(reading):
        metric_id, _, stratum = name.partition(" ")
        refuse_nan(values, f"attention probabilities of layer {layer} ({metric_id})", model.checkpoint_id)
        parameters = _variant(metric_id, shape, model.adds_bos)
        for head, summary in enumerate(over_sequences(values)):
            yield Measurement(metric_id, parameters, layer=layer, head=head, stratum=stratum, chance=chance, **summary)


def _values(reading: AttentionReading) -> Iterator[tuple[int, str, np.ndarray, float | None]]:
    """Layer, metric and stratum, values (sequences, heads), level of chance."""
    for (layer, name), score in reading.scores.items():
        yield layer, name, score.values, score.chance
    for layer, values in reading.entropy.items():
        yield layer, "attention_entropy", values, 1.0
    for layer, values in reading.sink_share.items():
        yield layer, "sink_share", values, None


PROBE = AttentionProbe()
