"""What a probe is, and the list of them: every module of this folder that holds a `PROBE`.

A probe declares its metrics as data and yields measurements of one loaded checkpoint. Adding one is one new module.
Here: the contract. Not here: what is due (plan.py), the loaded model and its readouts (models/engine).
"""

from __future__ import annotations

import importlib
import json
import pkgutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, Protocol

from catalog.errors import UserError

if TYPE_CHECKING:
    from assets.models.engine.loaded import LoadedModel

Grain = Literal["checkpoint", "layer", "head", "edge", "head_set", "pair"]
Method = Literal["attention", "weights", "intervention", "behaviour"]
Parameters = Mapping[str, bool | int | str]


@dataclass(frozen=True)
class Metric:
    """One operational definition; the columns of catalog table `metrics`, which explain each field."""

    metric_id: str
    construct: str
    method: Method
    grain: Grain
    unit: str
    definition: str
    citation: str
    lower: float | None = None
    upper: float | None = None
    has_excess: bool = False
    chance_rule: str | None = None
    definition_version: int = 1


@dataclass(frozen=True)
class Measurement:
    """One value; the columns of catalog table `measurements`, which explain each field.

    `parameters` are those of the metric's variant: only what changes what is measured.
    """

    metric_id: str
    parameters: Parameters
    value: float
    layer: int | None = None
    head: int | None = None
    sender_layer: int | None = None
    sender_head: int | None = None
    stratum: str = ""
    value_a: float | None = None
    value_b: float | None = None
    chance: float | None = None
    standard_error: float | None = None
    n: int | None = None


class NotApplicable(Exception):
    """Raised by a probe whose metrics are undefined for the model; the message says why."""


@dataclass(frozen=True)
class Result:
    """What a probe yields: measurements, and which path read the attention (kernel, blocks or eager)."""

    measurements: list[Measurement]
    attention_implementation: str | None = None
    notes: dict[str, Any] = field(default_factory=dict)
    """Checks of the instrument by name, such as the largest deviation of a row sum from one."""


class Probe(Protocol):
    """Code that measures a checkpoint."""

    name: str
    version: int
    """Raised when the same parameters may give other numbers."""
    metrics: tuple[Metric, ...]
    cost: str
    """Forward passes and memory, in words."""

    def parameters(self, role: str) -> Parameters:
        """What it runs with for a family's role, torch-free: part of the cache key."""

    def measure(self, model: LoadedModel, parameters: Parameters, sample_seed: int) -> Result:
        """All measurements of one checkpoint.

        Raises:
            NotApplicable: the probe is undefined for this model.
        """


@cache
def probes() -> dict[str, Probe]:
    """All probes by name, in the order of their names."""
    import assets.probes as package

    found: dict[str, Probe] = {}
    for module in pkgutil.iter_modules(package.__path__):
        if module.name == "assets":
            continue
        probe = getattr(importlib.import_module(f"assets.probes.{module.name}"), "PROBE", None)
        if probe is not None:
            found[probe.name] = probe
    return dict(sorted(found.items()))


def probe_named(name: str) -> Probe:
    """A probe by name.

    Raises:
        UserError: there is none of that name.
    """
    try:
        return probes()[name]
    except KeyError:
        raise UserError(f"There is no probe {name!r}.", mend=f"Known probes: {', '.join(probes())}.") from None


def canonical(parameters: Mapping[str, Any]) -> str:
    """JSON with sorted keys and no spaces: equal parameters, equal text."""
    return json.dumps(dict(parameters), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def variant_id(metric_id: str, parameters: Parameters) -> str:
    """`prefix_matching.bos-false.input-repeated.m-2.n-50`: readable, and one to one with metric and parameters."""
    parts = [f"{key}-{json.dumps(value).strip(chr(34))}" for key, value in sorted(parameters.items())]
    return ".".join([metric_id, *parts])


def all_metrics() -> Iterable[Metric]:
    """Every metric that some probe declares."""
    for probe in probes().values():
        yield from probe.metrics
