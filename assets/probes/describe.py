"""What Dagster's UI says about a probe or an importer, and about what it measured: Markdown, made from declarations.

Not here: what is measured (one module a probe), the assets themselves (assets.py).
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Mapping, Sequence

from assets.probes.registry import Measurement, Metric


def description(instrument: object, metrics: Iterable[Metric], note: str) -> str:
    """The opening of the instrument's module, a note, and its metrics with their definitions."""
    module = inspect.getmodule(type(instrument))
    summary = (inspect.getdoc(module) or type(instrument).__name__).split("\n\n")[0].replace("\n", " ")
    opening = re.sub(r"^Probe `\w+`: (\w)", lambda found: found[1].upper(), summary)
    rows = [(f"`{m.metric_id}`", m.unit, m.definition, m.citation) for m in metrics]
    return f"{opening}\n\n{note}\n\n{table(('metric', 'unit', 'definition', 'source'), rows)}"


def highest(measurements: Iterable[Measurement]) -> dict[str, float]:
    """The highest value of each metric over heads and layers; parts (strata) left out."""
    found: dict[str, float] = {}
    for each in measurements:
        if not each.stratum:
            found[each.metric_id] = max(each.value, found.get(each.metric_id, each.value))
    return found


def by_checkpoint(values: Mapping[str, Mapping[str, float]]) -> str:
    """Checkpoints by metrics, as `highest` gives them for each."""
    metrics = list(dict.fromkeys(metric for row in values.values() for metric in row))
    rows = [(label, *(f"{row[m]:.3f}" if m in row else "" for m in metrics)) for label, row in values.items()]
    return table(("checkpoint", *metrics), rows)


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table; `none` without rows."""
    lines = [[str(value).replace("|", "\\|") for value in row] for row in rows]
    if not lines:
        return "none"
    return "\n".join(f"| {' | '.join(line)} |" for line in [list(header), ["---"] * len(header), *lines])
