"""The table of architectures as a page: assets/models/ARCHITECTURES.md.

Here: words and layout. Not here: what was found (survey.py).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import torch
import transformers
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from tests.architectures.survey import N_TOKENS, TOLERANCE, Coverage, Row
from tests.architectures.tiny import N_HEADS, WIDTH, WINDOW

PATH = Path(__file__).parents[2] / "assets" / "models" / "ARCHITECTURES.md"

NUMBER = re.compile(r"\d\.?\d*e[+-]\d+")
"""Differences: their last digits depend on the processor."""

NOTES = {
    "diffllama": "Subtracts heads' outputs from each other: each head is read by itself.",
    "granite_swa": "Its eager attention shows rows before the sink takes its share; here the share is taken off.",
    "granitemoe_swa": "As granite_swa.",
    "xlnet": "Attends in any order.",
}

SECTIONS: dict[Coverage, tuple[str, str]] = {
    "measured": (
        "Measured",
        "Through transformers' attention interface, without ever holding a whole attention matrix.",
    ),
    "falls back": (
        "Read from the class's own eager attention",
        "Same numbers, slower, and every layer's whole matrix is held.",
    ),
    "not applicable": (
        "Not applicable",
        "Attention probes answer `not_applicable` with this reason. Probes of behaviour run all the same.",
    ),
    "not built": ("Not built", "A tiny model of the class cannot be made, or does not run on tokens alone."),
}

HEAD = """\
# Architectures

<!-- Written by `make architectures`; a test holds it to what is found. -->

transformers {transformers}, torch {torch}, in float32 on a CPU. Every class that transformers can load as a causal
language model, built tiny ({n_heads} heads, width {width}, a layer of each kind, two at least) with random weights:

{counts}

- **read by** kernel: PyTorch's fused attention with its normaliser; blocks: some rows at a time; eager: the class's own
  attention matrices.
- **window**: layers with a sliding window or in chunks, of {window} keys on {n_tokens} tokens; read with longer windows
  too.
- **off eager**: largest difference of any head's attention, from any query to any key, from what the class's own eager
  attention shows; all are below {tolerance:.0e}. The output of the model is the same while it is read.
- **rows off one**: largest deviation of a row's sum from one, what a learned sink takes included.
- **heads replaced**: whether heads can be ablated and patched. Ablating one head of a layer, and all, was compared with
  setting their slice of the output projection to zero; `unchecked` where no name tells the projection, or layers share
  it.
- **weights**: of heads, those that can be read for the weight metrics; `all` is query, key, value and output. Values
  and outputs were compared with what the layer makes of them.

Letters stand for the reasons below each table.
"""


def page(rows: Iterable[Row]) -> str:
    rows = list(rows)
    parts = [
        HEAD.format(
            transformers=transformers.__version__,
            torch=torch.__version__.split("+")[0],
            n_heads=N_HEADS,
            width=WIDTH,
            window=WINDOW,
            n_tokens=N_TOKENS,
            tolerance=TOLERANCE,
            counts=counts(rows),
        )
    ]
    for coverage, (title, text) in SECTIONS.items():
        chosen = sorted((row for row in rows if row.coverage == coverage), key=lambda row: row.model_type)
        if chosen:
            parts += [f"## {title} ({len(chosen)})\n\n{text}\n", table(chosen)]
    return "\n".join(parts).rstrip() + "\n"


def counts(rows: list[Row]) -> str:
    found = Counter(row.coverage for row in rows)
    n_replaced = sum(row.heads.startswith("yes") for row in rows)
    n_value_output = sum(row.weights == "all" or "value, output" in row.weights for row in rows)
    lines = [
        ("classes", len(rows)),
        ("measured through the attention interface", found["measured"]),
        ("read from their own eager attention", found["falls back"]),
        ("not applicable", found["not applicable"]),
        ("not built", found["not built"]),
        ("with heads that can be replaced", n_replaced),
        ("with all weights of heads", sum(row.weights == "all" for row in rows)),
        ("with values and outputs of heads, for copying", n_value_output),
    ]
    return "| | |\n|---|---|\n" + "\n".join(f"| {text} | {number} |" for text, number in lines)


def table(rows: list[Row]) -> str:
    """With its reasons below. Columns that are empty in every row are left out."""
    reasons: dict[str, str] = {}
    entries = [entries_of(row, reasons) for row in rows]
    names = [name for name in entries[0] if any(entry[name] for entry in entries)]
    lines = [names, ["---"] * len(names), *([entry[name] for name in names] for entry in entries)]
    legend = [f"({letter}) {reason}." for reason, letter in reasons.items()]
    return "\n".join([*(f"| {' | '.join(line)} |" for line in lines), "", "  \n".join(legend), ""])


def entries_of(row: Row, reasons: dict[str, str]) -> dict[str, str]:
    def lettered(entry: str) -> str:
        answer, _, reason = entry.partition(": ")
        if not reason:
            return answer
        return f"{answer} ({reasons.setdefault(reason, chr(ord('a') + len(reasons)))})"

    return {
        "model type": f"`{row.model_type}`",
        "class": MODEL_FOR_CAUSAL_LM_MAPPING_NAMES[row.model_type],
        "read by": row.path,
        "window": "yes" if row.window else "",
        "off eager": number(row.difference) if row.path != "eager" else "",
        "rows off one": number(row.row_sum_error),
        "heads replaced": lettered(row.heads),
        "weights": lettered(row.weights),
        "remark": " ".join(filter(None, [NOTES.get(row.model_type), row.reason])),
    }


def number(value: float | None) -> str:
    return "" if value is None else f"{value:.0e}"


def versions(text: str) -> str:
    """The line of a page that says what it was found with."""
    found = re.search(r"^transformers \S+, torch \S+", text, re.MULTILINE)
    return found.group() if found else ""


def comparable(text: str) -> str:
    """The page without what the processor decides."""
    return NUMBER.sub("·", text)
