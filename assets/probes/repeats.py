"""Probe `repeats`: does the model predict the second copy of random tokens that it has just read?

A falling loss alone is no evidence of induction: a model without it can know the bag of tokens in its context, whose
levels are the nulls here. Not here: what its heads attend to (attention.py).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from assets.probes.inputs import Shape, Size, sample, size_for, with_bos_as_set
from assets.probes.registry import Measurement, Metric, Parameters, Probe, Result, Setting
from assets.probes.samples import over_sequences, refuse_nan

if TYPE_CHECKING:
    from assets.models.engine.loaded import LoadedModel
    from assets.models.engine.predict import Prediction

OLSSON = "Olsson et al. 2022, In-context Learning and Induction Heads, arXiv:2209.11895"

METRICS = (
    Metric(
        "repeat_recall",
        construct="recall",
        method="behaviour",
        grain="checkpoint",
        unit="share",
        definition="On n random tokens x repeated: share of the positions x[n]..x[2n-2] whose arg-max prediction is "
        "the token that followed the first occurrence.",
        citation="This project",
        lower=0.0,
        upper=1.0,
        has_excess=True,
        chance_rule="Bag of the context with elimination: (H_{n-1} + 1/n) / n, H the harmonic numbers.",
    ),
    Metric(
        "repeat_gain",
        construct="recall",
        method="behaviour",
        grain="checkpoint",
        unit="nats per token",
        definition="On n random tokens x repeated: mean log-probability of x[n+1..2n-1] minus that of x[1..n-1]; x[n] "
        "is left out, since nothing predicts it.",
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
        "on the second copy.",
        citation=OLSSON,
        lower=0.0,
        chance_rule="part=second: ln n, the loss of the bag of the context. part=first: none.",
    ),
)


class RepeatsProbe(Probe):
    """See assets/probes/registry.py, Probe."""

    name = "repeats"
    version = 1
    redraws = True
    Options = Size
    metrics = METRICS
    cost = "One forward pass a sequence, with the language-model head at all positions but two."

    def parameters(self, setting: Setting) -> Parameters:
        return size_for(setting)

    def measure(self, model: LoadedModel, setting: Setting) -> Result:
        from assets.models.engine.predict import predict_next

        model, shape = with_bos_as_set(model, setting), Shape.of(self.parameters(setting))
        tokens = sample(model, "repeated", shape, setting.sample_seed)
        first = np.arange(shape.n - 1) + model.adds_bos
        prediction = predict_next(model, tokens, np.concatenate([first, first + shape.n]))
        refuse_nan(prediction.log_probability, "log-probabilities", model.checkpoint_id)
        return Result(list(_measurements(prediction, shape, model.adds_bos)))


def bag_recall(n: int) -> float:
    """Recall of one who knows which n tokens were in the first copy and strikes off those seen again, no order."""
    return (sum(1 / k for k in range(1, n)) + 1 / n) / n


def _measurements(prediction: Prediction, shape: Shape, bos: bool) -> Iterator[Measurement]:
    """Of predictions at the first n - 1 positions of the first copy, then of the second."""
    parameters: Parameters = {"input": "repeated", "n": shape.n, "m": shape.m, "bos": bos}
    first, second = (half.mean(1) for half in np.split(prediction.log_probability, 2, axis=1))
    recall = np.split(prediction.is_top, 2, axis=1)[1].mean(1)
    found = (
        ("repeat_recall", "", recall, bag_recall(shape.n)),
        ("repeat_gain", "", second - first, 0.0),
        ("repeat_loss", "part=first", -first, None),
        ("repeat_loss", "part=second", -second, math.log(shape.n)),
    )
    summaries = over_sequences(np.stack([values for _, _, values, _ in found], axis=1))
    for (metric_id, stratum, _, chance), summary in zip(found, summaries, strict=True):
        yield Measurement(metric_id, parameters, stratum=stratum, chance=chance, **summary)


PROBE = RepeatsProbe()
