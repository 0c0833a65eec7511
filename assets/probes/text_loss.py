"""Probe `text_loss`: how well the model predicts running text, and how much better late in its context than early.

The loss of one token varies by some 3 nats, so that icl_score on a few dozen windows has a standard error of a few
tenths: it is given, and so is icl_score_paired, which predicts the *same* tokens with much and with little of what
stands before them and varies far less. Not here: which text (corpora), how it is cut (texts.py), repeated random
tokens (repeats.py).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from pydantic import Field

from assets.probes.inputs import with_bos
from assets.probes.registry import Measurement, Metric, NotApplicable, Parameters, Probe, Result, Setting
from assets.probes.samples import over_sequences, refuse_nan
from assets.probes.texts import corpus_parameter, text_of, token_ids, windows
from assets.study import Strict

if TYPE_CHECKING:
    import torch

    from assets.models.engine.loaded import LoadedModel

OLSSON = "Olsson et al. 2022, In-context Learning and Induction Heads, arXiv:2209.11895"
PILE = "Gao et al. 2020, The Pile, arXiv:2101.00027"


class Ladder(NamedTuple):
    """Tokens of a window, BOS among them, and the two tokens whose losses are compared, 1-based, BOS not counted."""

    length: int
    late: int
    early: int

    @property
    def icl_score(self) -> str:
        """The metric: that of Olsson et al., or the one for a shorter context."""
        return "icl_score" if self == LADDER[0] else f"icl_score_t{self.late}_{self.early}"


LADDER = (Ladder(512, 500, 50), Ladder(256, 240, 32), Ladder(128, 120, 16), Ladder(64, 60, 8))
"""The longest that fits the model's context is taken. Below the published one: late = 15/16, early = 1/8 of it."""


class Options(Strict):
    """How much text is read; None = by the family's role."""

    n_windows: int | None = Field(default=None, ge=2)


def _icl_metrics() -> Iterator[Metric]:
    for ladder in LADDER:
        late, early = ladder.late, ladder.early
        yield Metric(
            ladder.icl_score,
            construct="in_context_learning",
            method="behaviour",
            grain="checkpoint",
            unit="nats",
            definition=f"On text: loss of predicting token {late} minus that of token {early} (1-based, BOS not "
            "counted), mean over windows. Negative: the model learns in context.",
            citation=OLSSON if ladder is LADDER[0] else f"{OLSSON}; tokens fitted to a context of {ladder.length}",
            chance_rule="0: what stands before is of no use.",
        )


METRICS = (
    Metric(
        "text_loss",
        construct="language_modelling",
        method="behaviour",
        grain="checkpoint",
        unit="nats per token",
        definition="Mean next-token loss over windows of text. The first token of a window is not predicted, with BOS "
        "in front neither.",
        citation="This project",
        lower=0.0,
    ),
    Metric(
        "text_bits_per_byte",
        construct="language_modelling",
        method="behaviour",
        grain="checkpoint",
        unit="bits per byte",
        definition="text_loss / ln 2 times (tokens / UTF-8 bytes) of the whole corpus: comparable across tokenizers.",
        citation=PILE,
        lower=0.0,
    ),
    Metric(
        "token_loss",
        construct="language_modelling",
        method="behaviour",
        grain="checkpoint",
        unit="nats",
        definition="On text: loss of predicting the token with the number in the stratum (1-based, BOS not counted), "
        "mean over windows: the two parts of icl_score.",
        citation=OLSSON,
        lower=0.0,
    ),
    *_icl_metrics(),
    Metric(
        "icl_score_paired",
        construct="in_context_learning",
        method="behaviour",
        grain="checkpoint",
        unit="nats",
        definition="On text: loss of predicting the late token of a window minus that of predicting the same token "
        "from the last early - 1 tokens alone (late and early in the variant), mean over windows. Over a whole text "
        "its mean is that of icl_score; the difference between tokens is taken out.",
        citation="This project",
        chance_rule="0: what stands further before is of no use.",
    ),
)


class TextLossProbe(Probe):
    """See assets/probes/registry.py, Probe."""

    name = "text_loss"
    metrics = METRICS
    Options = Options
    cost = (
        "One forward pass a window with the language-model head at all positions, and a short one of its last tokens."
    )

    def parameters(self, setting: Setting) -> Parameters:
        return {"n_windows": _n_windows(setting), **corpus_parameter(setting)}

    def measure(self, model: LoadedModel, setting: Setting) -> Result:
        from assets.models.engine.predict import predict_next

        ladder = ladder_of(model)
        tokens = windows(model, setting, ladder.length, _n_windows(setting))
        at = np.arange(int(model.adds_bos), ladder.length - 1)
        whole = -predict_next(model, tokens, at).log_probability
        short = _last_tokens(model, tokens, ladder)
        paired = -predict_next(model, short, np.array([short.shape[1] - 2])).log_probability[:, 0]
        refuse_nan(whole, "losses", model.checkpoint_id)
        return Result(list(_measurements(model, setting, ladder, whole, paired)))


def ladder_of(model: LoadedModel) -> Ladder:
    """The longest windows that fit the model's context; 64 tokens of a walk, which is no longer one by its length.

    Raises:
        NotApplicable: the context is shorter than the shortest of them.
    """
    context = min(model.context_length or LADDER[0].length, LADDER[0].length if model.tokenizer else LADDER[-1].length)
    fitting = [ladder for ladder in LADDER if ladder.length <= context]
    if not fitting:
        raise NotApplicable(f"{LADDER[-1].length} tokens are needed and the context is {model.context_length}.")
    return fitting[0]


def _n_windows(setting: Setting) -> int:
    options = setting.options if isinstance(setting.options, Options) else Options()
    return options.n_windows or (24 if setting.role == "natural" else 64)


def _last_tokens(model: LoadedModel, tokens: torch.Tensor, ladder: Ladder) -> torch.Tensor:
    """The late token of each window with the early - 1 tokens before it, as an input by itself."""
    end = model.adds_bos + ladder.late
    return with_bos(model, tokens[:, end - ladder.early : end])


def _measurements(
    model: LoadedModel, setting: Setting, ladder: Ladder, losses: np.ndarray, paired: np.ndarray
) -> Iterator[Measurement]:
    """From losses (windows, tokens from the second on), and those of the late token with little before it."""
    parameters: Parameters = {"corpus": text_of(model, setting), "bos": model.adds_bos, "length": ladder.length}
    compared: Parameters = {**parameters, "late": ladder.late, "early": ladder.early}
    mean, late, early = losses.mean(1), losses[:, ladder.late - 2], losses[:, ladder.early - 2]
    found = [
        ("text_loss", "", mean, None, parameters),
        ("token_loss", f"token={ladder.early}", early, None, parameters),
        ("token_loss", f"token={ladder.late}", late, None, parameters),
        (ladder.icl_score, "", late - early, 0.0, parameters),
        ("icl_score_paired", "", late - paired, 0.0, compared),
    ]
    if model.tokenizer is not None:
        found.append(("text_bits_per_byte", "", mean * _bits_per_byte(model, setting), None, parameters))
    summaries = over_sequences(np.stack([values for _, _, values, _, _ in found], axis=1))
    for (metric_id, stratum, _, chance, variant), summary in zip(found, summaries, strict=True):
        yield Measurement(metric_id, variant, stratum=stratum, chance=chance, **summary)


def _bits_per_byte(model: LoadedModel, setting: Setting) -> float:
    """What a loss of one nat per token is."""
    n_bytes = len(setting.corpus.text().encode())
    return len(token_ids(model, setting.corpus)) / n_bytes / math.log(2)


PROBE = TextLossProbe()
