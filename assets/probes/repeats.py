"""Probe `repeats`: does the model predict the second copy of random tokens that it has just read?

A falling loss alone is no evidence of induction: a model without it can know the bag of tokens in its context, whose
levels are the nulls here. Beside the whole there are two kinds of strata:

- `distance=d`: an input of the same length, of which only the last d tokens repeat the d before them. Of its L tokens
  N = L - d are distinct. Knowing this bag, and striking off what was seen twice, leaves N - i candidates for token i of
  the copy, i = 1..d-1: a recall of (H_{N-1} - H_{N-d}) / (d - 1) by chance; striking off nothing, a loss of ln N.
- `frequency=high|low|unseen`: positions by how often the predicted token occurs in the corpus: at least once in 10,000
  tokens, more rarely, never. For models with a tokenizer.

Not here: what its heads attend to (attention.py).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from assets.probes.inputs import Shape, Size, sample, sample_recent, size_for, with_bos_as_set
from assets.probes.registry import Measurement, Metric, NotApplicable, Parameters, Probe, Result, Setting
from assets.probes.samples import Summary, over_sequences, ratios_over_sequences, refuse_nan
from assets.probes.texts import corpus_parameter, token_ids

if TYPE_CHECKING:
    import torch

    from assets.models.engine.loaded import LoadedModel

FREQUENCIES = ("unseen", "low", "high")
FREQUENT = 1e-4
"""Share of the corpus from which on a token is of high frequency."""

OLSSON = "Olsson et al. 2022, In-context Learning and Induction Heads, arXiv:2209.11895"

METRICS = (
    Metric(
        "repeat_recall",
        construct="recall",
        method="behaviour",
        grain="checkpoint",
        unit="share",
        definition="On n random tokens x repeated: share of the positions x[n]..x[2n-2] whose arg-max prediction is "
        "the token that followed the first occurrence. Strata distance=d (the last d tokens alone are repeated, d "
        "back) and frequency=high, low, unseen (of the predicted token, in the corpus).",
        citation="This project",
        lower=0.0,
        upper=1.0,
        has_excess=True,
        chance_rule="Bag of the context with elimination: (H_{n-1} + 1/n) / n, H the harmonic numbers; at a distance d "
        "in L tokens, with N = L - d: (H_{N-1} - H_{N-d}) / (d - 1).",
    ),
    Metric(
        "repeat_gain",
        construct="recall",
        method="behaviour",
        grain="checkpoint",
        unit="nats per token",
        definition="On n random tokens x repeated: mean log-probability of x[n+1..2n-1] minus that of x[1..n-1]; x[n] "
        "is left out, since nothing predicts it. Strata as repeat_recall.",
        citation=OLSSON,
        chance_rule="0: the second copy is predicted no better than the first.",
    ),
    Metric(
        "repeat_loss",
        construct="recall",
        method="behaviour",
        grain="checkpoint",
        unit="nats per token",
        definition="On n random tokens x repeated: mean next-token loss on x[1..n-1] (stratum part=first) and on "
        "x[n+1..2n-1] (part=second). Knowing the bag of tokens in the context, and nothing of their order, gives ln n "
        "on the second copy. Strata distance and frequency as repeat_recall, of the second copy.",
        citation=OLSSON,
        lower=0.0,
        chance_rule="Loss of the bag of the context: ln n on the second copy, ln(L - d) at a distance d in L tokens. "
        "part=first: none.",
    ),
)


class RepeatsProbe(Probe):
    """See assets/probes/registry.py, Probe."""

    name = "repeats"
    version = 2
    redraws = True
    Options = Size
    metrics = METRICS
    cost = "One forward pass a sequence and distance, with the language-model head at the repeated tokens."

    def parameters(self, setting: Setting) -> Parameters:
        return {**size_for(setting), **corpus_parameter(setting)}

    def measure(self, model: LoadedModel, setting: Setting) -> Result:
        model, shape = with_bos_as_set(model, setting), Shape.of(self.parameters(setting))
        tokens = sample(model, "repeated", shape, setting.sample_seed)
        copies = predict_copies(model, tokens, shape.n, first=int(model.adds_bos))
        parameters: Parameters = {"input": "repeated", "n": shape.n, "m": shape.m, "bos": model.adds_bos}
        found = list(_measurements(copies, parameters, shape))
        found += _by_distance(model, setting, shape, parameters)
        if model.tokenizer is not None:
            followed = tokens[:, model.adds_bos + 1 : model.adds_bos + shape.n].numpy()
            corpus = token_ids(model, setting.corpus)
            frequency = frequency_classes(corpus, n_ids=int(followed.max()) + 1)[followed]
            found += _by_frequency(copies, frequency, {**parameters, "corpus": setting.corpus.identity})
        return Result(found)


class Copies(NamedTuple):
    """How the tokens of a block but its first were predicted, each (sequences, tokens): log-probabilities in nats in
    the first and the second copy, and whether the arg-max was right in the second."""

    first: np.ndarray
    second: np.ndarray
    is_top: np.ndarray


def predict_copies(model: LoadedModel, tokens: torch.Tensor, distance: int, first: int) -> Copies:
    """Predictions of a block of `distance` tokens that begins at `first` and is followed by its copy.

    Raises:
        UserError: the model yields NaN.
    """
    from assets.models.engine.predict import predict_next

    at = first + np.arange(distance - 1)
    prediction = predict_next(model, tokens, np.concatenate([at, at + distance]))
    refuse_nan(prediction.log_probability, "log-probabilities", model.checkpoint_id)
    first_copy, second_copy = np.split(prediction.log_probability, 2, axis=1)
    return Copies(first_copy, second_copy, prediction.is_top[:, distance - 1 :])


def bag_recall(n: int) -> float:
    """Recall of one who knows which n tokens were in the first copy and strikes off those seen again, no order."""
    return (sum(1 / k for k in range(1, n)) + 1 / n) / n


def bag_recall_at(distance: int, n_tokens: int) -> float:
    """The same where the last `distance` of n_tokens repeat those before them, as the module's docstring derives it."""
    n_distinct = n_tokens - distance
    return sum(1 / (n_distinct - i) for i in range(1, distance)) / (distance - 1)


def distances(shape: Shape) -> list[int]:
    """8, 16, 32, ... below the block length."""
    return [2**k for k in range(3, shape.n.bit_length()) if 2**k < shape.n]


def frequency_classes(corpus: np.ndarray, n_ids: int) -> np.ndarray:
    """By token id below n_ids, its place in FREQUENCIES; from the ids of a corpus."""
    counts = np.bincount(corpus, minlength=n_ids)
    return (counts > 0).astype(np.int64) + (counts >= FREQUENT * len(corpus))


def _measurements(copies: Copies, parameters: Parameters, shape: Shape) -> Iterator[Measurement]:
    first, second, recall = (values.mean(1) for values in copies)
    found = (
        ("repeat_recall", "", recall, bag_recall(shape.n)),
        ("repeat_gain", "", second - first, 0.0),
        ("repeat_loss", "part=first", -first, None),
        ("repeat_loss", "part=second", -second, math.log(shape.n)),
    )
    summaries = over_sequences(np.stack([values for _, _, values, _ in found], axis=1))
    for (metric_id, stratum, _, chance), summary in zip(found, summaries, strict=True):
        yield Measurement(metric_id, parameters, stratum=stratum, chance=chance, **summary)


def _by_distance(model: LoadedModel, setting: Setting, shape: Shape, parameters: Parameters) -> Iterator[Measurement]:
    """None of a distance for which the model has too few ordinary tokens."""
    for distance in distances(shape):
        try:
            tokens = sample_recent(model, distance, shape, setting.sample_seed)
        except NotApplicable:
            continue
        copies = predict_copies(model, tokens, distance, first=tokens.shape[1] - 2 * distance)
        n_tokens = shape.m * shape.n
        chances = bag_recall_at(distance, n_tokens), math.log(n_tokens - distance)
        summaries = over_sequences(np.stack([values.mean(1) for values in _outcomes(copies)], axis=1))
        yield from _of_stratum(f"distance={distance}", parameters, summaries, *chances)


def _by_frequency(copies: Copies, frequency: np.ndarray, parameters: Parameters) -> Iterator[Measurement]:
    """From how frequent each predicted token is, (sequences, tokens); a class that was not drawn has no values."""
    n_block = frequency.shape[1] + 1
    for number, name in enumerate(FREQUENCIES):
        among = frequency == number
        tops = np.stack([(values * among).sum(1) for values in _outcomes(copies)], axis=1)
        summaries = ratios_over_sequences(tops, np.tile(among.sum(1, keepdims=True), 3))
        yield from _of_stratum(f"frequency={name}", parameters, summaries, bag_recall(n_block), math.log(n_block))


def _outcomes(copies: Copies) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Recall, gain and loss of each token of the second copy."""
    return copies.is_top, copies.second - copies.first, -copies.second


def _of_stratum(
    stratum: str, parameters: Parameters, summaries: Sequence[Summary | None], recall: float, loss: float
) -> Iterator[Measurement]:
    chances = {"repeat_recall": recall, "repeat_gain": 0.0, "repeat_loss": loss}
    for (metric_id, chance), summary in zip(chances.items(), summaries, strict=True):
        if summary is not None:
            yield Measurement(metric_id, parameters, stratum=stratum, chance=chance, **summary)


PROBE = RepeatsProbe()
