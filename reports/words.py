"""How the reports say things: numbers, plurals, the verdict words and what each means.

Here: text. Not here: colours (style.css has one class a verdict), markup (templates/).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MINUS: Final = "\N{MINUS SIGN}"
NONE: Final = "\N{EN DASH}"
"""Where there is no number."""
LINES_PER_PANEL: Final = 12
"""Training runs drawn in a panel that only gives an overview."""


@dataclass(frozen=True)
class VerdictWord:
    """A verdict as the catalog spells it, its label for people, and its meaning in a sentence."""

    verdict: str
    label: str
    meaning: str


VERDICTS: Final = (
    VerdictWord("holds", "holds", "The units decide for the claim under its own criterion."),
    VerdictWord("fails", "fails", "The units decide against it: the opposite was found, not merely nothing."),
    VerdictWord("mixed", "mixed", "Some units hold and others fail."),
    VerdictWord("inconclusive", "inconclusive", "Measured, but the evidence allows both."),
    VerdictWord("insufficient", "insufficient", "Fewer units than this level needs; estimates are shown all the same."),
    VerdictWord(
        "not_applicable", "not applicable", "Outside what the claim is about, or its metric is undefined there."
    ),
)
DECIDED: Final = ("holds", "fails", "mixed")
"""Verdicts between which a move is a change."""
EVALUATED: Final = ("holds", "fails", "mixed", "inconclusive")
"""Verdicts that say something about the evidence."""
LABELS: Final = {word.verdict: word.label for word in VERDICTS}
OUTCOMES: Final = {"h": "holds", "f": "fails", "u": "inconclusive"}
"""The verdict word for a single run's outcome in `verdict_runs`; u is undecided."""
ROLES: Final = {
    "natural": "Models that others trained to be used. Only these count as evidence across families.",
    "calibration": "Small models trained here to show a thing: the instrument must find it. No evidence elsewhere.",
    "control": "Small models trained here to lack a thing: the instrument must not find it. No evidence elsewhere.",
}
PROPERTIES: Final = {
    "n_params": "Parameters",
    "n_params_non_embedding": "Parameters without embeddings",
    "n_layers": "Layers",
    "n_heads": "Query heads per layer",
    "n_kv_heads": "Key heads per layer",
    "d_model": "Width",
    "d_head": "Head width",
    "vocab_size": "Vocabulary",
    "context_length": "Context, tokens",
    "architecture": "Architecture",
    "positional_encoding": "Positions",
    "normalization": "Normalisation",
    "activation": "Activation",
    "attention": "Token mixing",
    "tied_embeddings": "Tied embeddings",
    "parallel_blocks": "Parallel blocks",
    "adds_bos": "Tokenizer adds BOS",
    "precision": "Precision of the weights",
    "training_tokens": "Training tokens",
    "training_data": "Training data",
    "tuning": "Tuning",
    "parent_model_id": "Derived from",
    "released_on": "Released",
    "licence": "Licence",
}
"""Design properties of models, columns of catalog table `models`, in the order in which tables show them."""
QUANTITIES: Final = {
    "final": "Value at the final checkpoint",
    "peak": "Peak",
    "drop_after_peak": "Fall from the peak to the end",
    "fall_from_plateau": "Fall from the plateau to the end",
    "slope": "Rise per tenfold steps",
    "log10_onset_rate": "Onset, log10 steps",
    "top_layer": "Layer of the top head",
    "relative_depth": "Relative depth of the top head",
}
"""What a claim may read off a training run."""
KINDS: Final = {
    "level": "A quantity of each run against a threshold, by the run's own interval; then every run, or the mean.",
    "contrast": "The difference of two quantities of each run, in the same way.",
    "conjunction": "Several levels at once, on the same head of each run.",
    "order": "Two events in each run, each dated between two checkpoints: one before the other, or together.",
    "onset_law": "The date of an event in each run against what a law of the model's design predicts.",
    "agreement": "Whether a model's runs choose the same layer or head, against independent uniform draws.",
    "similarity": "Whether the trajectories of a model's runs are alike, over all pairs of runs.",
    "association": "Rank correlation of two quantities over a model's runs.",
    "trend": "A quantity over a property of a family's models: slope of the model means, no step reversed, "
    "and the same sign without any one model.",
    "onset_trend": "The same of an event's date, whatever its place between two checkpoints.",
    "onset_alike": "An event's date in all of a family's models: within a factor of each other.",
    "separation": "Whether trajectories tell neighbouring models apart: likeness within less between, labels permuted.",
    "reliability": "An instrument's checks: measured twice, untrained models and controls at chance, a low placebo.",
}
"""How a claim of each kind (`kind` of its estimand) is decided."""
ROBUSTNESS: Final = {
    "robust": "Four fifths of the claim's other declared choices give the same verdict, and none the opposite.",
    "sensitive": "Neither robust nor fragile.",
    "fragile": "Without one run, model or family, or by one other declared choice, it would be the opposite.",
    "exploratory": "The criterion was fixed after these data had been seen; only later models confirm it.",
}
"""What stands beside a verdict, and never changes it."""
LEVELS: Final = {
    "across": "across families",
    "family": "family",
    "architecture": "architecture",
    "model": "model",
    "run": "training run",
}
NOUNS: Final = {"model": ("model", "models"), "family": ("family", "families"), "across": ("across", "across")}
"""Levels that are decided over others, from the lowest, as one and as several."""


def number(value: float | None, digits: int = 3) -> str:
    """A number to so many significant digits and no more than three decimals; a dash where there is none."""
    if value is None or value != value:
        return NONE
    size = abs(value)
    if size < 5e-7:
        return "0"
    if size >= 10_000:
        text = f"{size:,.0f}"
    elif size >= 100:
        text = f"{size:.0f}"
    elif size < 0.0005:
        text = f"{size:.1g}"
    else:
        text = f"{size:.{digits}g}" if size >= 1 else f"{size:.3f}".rstrip("0").rstrip(".")
    return (MINUS if value < 0 else "") + text


def interval(low: float | None, high: float | None) -> str:
    """`0.12 to 0.31`, `above 0.12`, or nothing."""
    if low is None and high is None:
        return ""
    if high is None:
        return f"above {number(low)}"
    if low is None:
        return f"below {number(high)}"
    return f"{number(low)} to {number(high)}"


def span(low: float, high: float) -> str:
    """A range in running text, with `to` where a minus could be misread; one number where both read alike."""
    if number(low) == number(high):
        return number(low)
    return f"{number(low)} to {number(high)}" if low < 0 else f"{number(low)}{NONE}{number(high)}"


def count(n: int, noun: str, plural: str = "") -> str:
    """`1 run`, `6 runs`, `12,480 heads`."""
    return f"{n:,} {noun if n == 1 else plural or noun + 's'}"


def compact(n: float | None) -> str:
    """Parameters and tokens: 162M, 1.2B."""
    if n is None:
        return NONE
    for size, letter in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        if n >= size:
            return f"{n / size:.3g}{letter}"
    return f"{n:.0f}"


def listing(items: list[str]) -> str:
    """`a, b and c`."""
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)


def readable(name: str) -> str:
    """`previous_token_all` as `Previous token all`."""
    text = name.replace("_", " ")
    return text[:1].upper() + text[1:]
