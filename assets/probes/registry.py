"""What a probe is, and the list of them: every module of this folder that holds a `PROBE`.

A probe declares its metrics as data and yields measurements of one loaded checkpoint. Adding one is one new module.
Here: the contract. Not here: what is due (plan.py), the loaded model and its readouts (models/engine).
"""

from __future__ import annotations

import importlib
import json
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from assets.probes.corpora import Corpus, default_corpus
from assets.study import Strict
from catalog.errors import UserError

if TYPE_CHECKING:
    import numpy as np

    from assets.models.engine.loaded import LoadedModel

Grain = Literal["checkpoint", "layer", "head", "edge", "head_set", "pair"]
Method = Literal["attention", "weights", "intervention", "behaviour", "representation", "comparison"]
Parameters = Mapping[str, bool | int | float | str]


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
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    """What pair measures (assets/likeness) compare between checkpoints, by name; kept beside the measurements."""


class NoOptions(Strict):
    """The options of a probe that has none."""


@dataclass(frozen=True)
class Setting:
    """How a study has the checkpoints of a family measured.

    Attributes:
        role: the family's: natural, calibration or control.
        corpus: the text that natural-text metrics are measured on.
        options: the probe's own, an instance of its `Options`.
        sample_seed: which draw of the random inputs; 0, and 1 for a retest on fresh ones.
    """

    role: str
    corpus: Corpus = field(default_factory=default_corpus)
    options: Any = field(default_factory=NoOptions)
    sample_seed: int = 0


class Probe(ABC):
    """Code that measures a checkpoint; a module holds one instance, named PROBE."""

    name: ClassVar[str]
    version: ClassVar[int] = 1
    """Raised when the same parameters may give other numbers."""
    metrics: ClassVar[tuple[Metric, ...]]
    cost: ClassVar[str]
    """Forward passes and memory, in words."""
    checkpoints: ClassVar[Literal["all", "final"]] = "all"
    """Which checkpoints of a training run it measures, unless the study says otherwise."""
    redraws: ClassVar[bool] = False
    """Whether the final checkpoint is measured again on freshly drawn inputs, for the retest reliability."""
    Options: ClassVar[type[Strict]] = NoOptions
    """What a study may state for it, as in `probes: [{sparse_autoencoder: {layer: 3}}]`."""

    @abstractmethod
    def parameters(self, setting: Setting) -> Parameters:
        """What it runs with, torch-free: part of the cache key."""

    @abstractmethod
    def measure(self, model: LoadedModel, setting: Setting) -> Result:
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
