"""Probe `text_attention`: what heads look at on text, measured as published studies measured it.

- Trott (2025), sentences: each is a sequence by itself, without BOS. Ours are of the setting's corpus (the paper's:
  Natural Stories and Dundee), and several go through the model together, which changes nothing.
- Trott (2025), repeated tokens, as the study's published code draws them: prefix_matching on 50 ids of the whole
  embedding, special and untrained ones among them, twice, without BOS (variant tokens=all).
- Gu et al. (2025), attention sinks: windows of 64 tokens. Their figure of a model, the share over samples, layers and
  heads, is the mean of the sink_rate of its heads.

Not here: random ordinary tokens (attention.py), how a corpus is cut (texts.py), published values (assets/published).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from assets.probes import attention
from assets.probes.inputs import Shape, sample
from assets.probes.registry import Measurement, Metric, NotApplicable, Parameters, Probe, Result, Setting
from assets.probes.samples import over_sequences, refuse_nan
from assets.probes.texts import corpus_parameter, sentences, text_of, windows
from assets.study import Strict

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from assets.models.engine.loaded import LoadedModel
    from assets.models.engine.read import AttentionReading, Score
    from assets.models.engine.readouts import Readout

TOKENS_TOGETHER = 1024
"""Of sentences in one forward pass: many more would be of too different lengths."""
SINK_TOKENS = 64
SINK_ABOVE = 0.3
TROTT_SHAPE = Shape(n=50, m=2, n_sequences=32)
"""The study drew 100 sequences; fewer change the precision and not what is measured."""

PREVIOUS_TOKEN_ALL = Metric(
    metric_id="previous_token_all",
    construct="previous_token",
    method="attention",
    grain="head",
    unit="probability",
    definition="mean over i >= 1 of A[i, i-1], then over sequences; one sentence is a sequence, without BOS",
    citation="Trott 2025, arXiv 2509.22831",
    lower=0.0,
    upper=1.0,
    has_excess=True,
    chance_rule="mean over sentences of T tokens of (H_T - 1)/(T - 1), H_T the T-th harmonic number",
)
FIRST_TOKEN_ALL = Metric(
    metric_id="first_token_all",
    construct="sink",
    method="attention",
    grain="head",
    unit="probability",
    definition="mean over i >= 0 of A[i, 0], then over sequences; one sentence is a sequence, without BOS",
    citation="Trott 2025, arXiv 2509.22831",
    lower=0.0,
    upper=1.0,
    has_excess=True,
    chance_rule="mean over sentences of T tokens of H_T/T, H_T the T-th harmonic number",
)
SINK_RATE = Metric(
    metric_id="sink_rate",
    construct="sink",
    method="attention",
    grain="head",
    unit="share",
    definition=f"On windows of T = {SINK_TOKENS} tokens of text, BOS among them where the model's tokenizer puts one: "
    f"share of the windows in which the mean over all T queries i of A[i, 0] is above {SINK_ABOVE}",
    citation="Gu et al. 2025, When Attention Sink Emerges in Language Models, arXiv 2410.10781",
    lower=0.0,
    upper=1.0,
    has_excess=True,
    chance_rule=f"0: uniform attention gives H_T/T = .074 in every window, which is not above {SINK_ABOVE}",
)
PREFIX_MATCHING = next(metric for metric in attention.METRICS if metric.metric_id == "prefix_matching")


class Options(Strict):
    """How much text is read."""

    n_sentences: int = Field(default=200, ge=2)
    n_windows: int = Field(default=64, ge=2)


@dataclass(frozen=True)
class Reader:
    """Reads one model and keeps what the readings say of themselves."""

    model: LoadedModel
    readings: list[AttentionReading] = field(default_factory=list)

    def read(self, tokens: torch.Tensor, readouts: Mapping[str, Readout]) -> dict[tuple[int, str], Score]:
        """By layer and readout.

        Raises:
            NoAttentionError: there is none to read.
        """
        from assets.models.engine.read import read_attention

        self.readings.append(read_attention(self.model, tokens, readouts))
        return self.readings[-1].scores


class TextAttentionProbe(Probe):
    """See assets/probes/registry.py, Probe."""

    name = "text_attention"
    redraws = True
    metrics = (PREVIOUS_TOKEN_ALL, FIRST_TOKEN_ALL, SINK_RATE, PREFIX_MATCHING)
    Options = Options
    cost = "One forward pass of the model's body a sentence, a window of 64 tokens and a sequence of repeated ones."

    def parameters(self, setting: Setting) -> Parameters:
        options = _options(setting)
        return {"n_sentences": options.n_sentences, "n_windows": options.n_windows, **corpus_parameter(setting)}

    def measure(self, model: LoadedModel, setting: Setting) -> Result:
        """What the model's context is too short for is left out, and named in the notes."""
        from assets.models.engine.read import NoAttentionError

        reader = Reader(model)
        found: list[Measurement] = []
        left_out: dict[str, str] = {}
        for name, part in PARTS.items():
            try:
                found += part(reader, setting)
            except NotApplicable as why:
                left_out[name] = str(why)
            except NoAttentionError as error:
                raise NotApplicable(str(error)) from None
        if not found:
            raise NotApplicable(" ".join(left_out.values()))
        paths = sorted({path for reading in reader.readings for path in reading.implementation.split("+")})
        row_sum_error = max(reading.row_sum_error for reading in reader.readings)
        return Result(found, "+".join(paths), {"row_sum_error": row_sum_error, "left_out": left_out})


def on_sentences(reader: Reader, setting: Setting) -> Iterator[Measurement]:
    """previous_token_all and first_token_all."""
    chosen = sentences(reader.model, setting, _options(setting).n_sentences)
    parameters: Parameters = {"corpus": text_of(reader.model, setting), "bos": False}
    for (layer, metric_id), score in read_sentences(reader, chosen).items():
        yield from _of_heads(reader, metric_id, parameters, layer, score.values, score.chance)


def on_windows(reader: Reader, setting: Setting) -> Iterator[Measurement]:
    """sink_rate."""
    model = reader.model
    tokens = windows(model, setting, SINK_TOKENS, _options(setting).n_windows)
    parameters: Parameters = {"corpus": text_of(model, setting), "bos": model.adds_bos, "length": SINK_TOKENS}
    first = {"sink_rate": sentence_readouts(SINK_TOKENS)["first_token_all"]}
    for (layer, metric_id), score in reader.read(tokens, first).items():
        refuse_nan(score.values, f"attention probabilities of layer {layer} ({metric_id})", model.checkpoint_id)
        yield from _of_heads(reader, metric_id, parameters, layer, score.values > SINK_ABOVE, 0.0)


def on_all_ids(reader: Reader, setting: Setting) -> Iterator[Measurement]:
    """prefix_matching on ids of the whole embedding."""
    import torch

    n_ids = reader.model.model.get_input_embeddings().get_parameter("weight").shape[0]
    drawing = replace(reader.model, ordinary_token_ids=torch.arange(n_ids), adds_bos=False)
    tokens = sample(drawing, "repeated", TROTT_SHAPE, setting.sample_seed)
    readout = attention.repeated_readouts(TROTT_SHAPE, bos=False)["prefix_matching"]
    parameters: Parameters = {
        "input": "repeated",
        "n": TROTT_SHAPE.n,
        "m": TROTT_SHAPE.m,
        "bos": False,
        "tokens": "all",
    }
    for (layer, metric_id), score in reader.read(tokens, {"prefix_matching": readout}).items():
        yield from _of_heads(reader, metric_id, parameters, layer, score.values, score.chance)


PARTS = {"sentences": on_sentences, "windows": on_windows, "repeated tokens of the whole embedding": on_all_ids}


def sentence_readouts(n_tokens: int) -> dict[str, Readout]:
    """What is read on a sentence, by metric."""
    position = np.arange(n_tokens)
    return {
        "previous_token_all": (position[1:], position[:-1]),
        "first_token_all": (position, np.zeros_like(position)),
    }


def read_sentences(reader: Reader, chosen: Sequence[NDArray[np.int64]]) -> dict[tuple[int, str], Score]:
    """By layer and metric: values (sentences, heads), and the mean over sentences of uniform attention's.

    Sentences of about equal length go through the model together, the shorter ones filled up at their end: no query of
    a sentence sees what comes after it. Each length has readouts of its own.
    """
    import torch

    from assets.models.engine.read import Score

    lengths = np.array([len(sentence) for sentence in chosen])
    scores: dict[tuple[int, str], Score] = {}
    for among in _alike(lengths):
        tokens = np.zeros((len(among), lengths[among].max()), np.int64)
        for row, at in enumerate(among.tolist()):
            tokens[row, : lengths[at]] = chosen[at]
        readouts = {
            f"{metric_id} {length}": readout
            for length in np.unique(lengths[among]).tolist()
            for metric_id, readout in sentence_readouts(length).items()
        }
        for (layer, name), part in reader.read(torch.from_numpy(tokens), readouts).items():
            metric_id, _, length = name.partition(" ")
            own = lengths[among] == int(length)
            blank = Score(np.zeros((len(chosen), part.values.shape[1]), np.float32), 0.0)
            whole = scores.get((layer, metric_id), blank)
            whole.values[among[own]] = part.values[own]
            scores[layer, metric_id] = replace(whole, chance=whole.chance + part.chance * own.sum() / len(chosen))
    return scores


def _alike(lengths: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Numbers of the sentences, those of about equal length together, filled up to a thousand tokens or so."""
    batch: list[int] = []
    for at in np.argsort(lengths, kind="stable").tolist():
        if batch and (len(batch) + 1) * lengths[at] > TOKENS_TOGETHER:
            yield np.array(batch)
            batch = []
        batch.append(at)
    yield np.array(batch)


def _of_heads(
    reader: Reader, metric_id: str, parameters: Parameters, layer: int, values: np.ndarray, chance: float
) -> Iterator[Measurement]:
    refuse_nan(values, f"attention probabilities of layer {layer} ({metric_id})", reader.model.checkpoint_id)
    for head, summary in enumerate(over_sequences(values)):
        yield Measurement(metric_id, parameters, layer=layer, head=head, chance=chance, **summary)


def _options(setting: Setting) -> Options:
    return setting.options if isinstance(setting.options, Options) else Options()


PROBE = TextAttentionProbe()
