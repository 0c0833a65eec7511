"""What a pair measure is, and the list of them: every module of this folder that holds a `MEASURE`.

A pair measure says how alike two training runs of a model are, on one axis, beside the value that chance would give. It
declares its metrics as data and compares what is recorded: it never loads a model. Adding one is one new module.
Here: the contract. Not here: where the scores come from (inputs.py), when a comparison is due (compare.py).
"""

from __future__ import annotations

import importlib
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from assets.probes.registry import Metric, Parameters

Axis = Literal["functional", "developmental", "positional", "relational", "configurational", "representational"]
Floats = NDArray[np.float64]


def pair_metric(
    metric_id: str,
    axis: Axis,
    definition: str,
    chance_rule: str,
    citation: str = "This project, after the axes of Trott 2025",
    *,
    unit: str = "likeness",
    lower: float | None = 0.0,
    upper: float | None = 1.0,
) -> Metric:
    """The definition of a metric of pairs; its construct is the axis."""
    return Metric(
        metric_id,
        construct=axis,
        method="comparison",
        grain="pair",
        unit=unit,
        definition=definition,
        citation=citation,
        lower=lower,
        upper=upper,
        chance_rule=chance_rule,
    )


@dataclass(frozen=True)
class PairMeasurement:
    """One value; the columns of catalog table `pair_measurements`, which explain each field.

    `parameters` are those of the variant that was compared (and the measure's own), so that scores on other inputs make
    another variant of the pair metric too; `stratum` names the metric that was compared.
    """

    metric_id: str
    parameters: Parameters
    checkpoint_a: str
    checkpoint_b: str
    value: float
    layer: int | None = None
    stratum: str = ""
    chance: float | None = None
    standard_error: float | None = None
    n: int | None = None


@dataclass(frozen=True)
class Heads:
    """The scores that one variant gives the H heads of a training run, ordered by layer and head.

    Attributes:
        checkpoint_id: the run's final checkpoint.
        layer, head: (H,) 0-based.
        final: (H,) at the final checkpoint.
        first: the same at step 0; None where that was not measured.
    """

    checkpoint_id: str
    layer: NDArray[np.int64]
    head: NDArray[np.int64]
    final: Floats
    first: Floats | None


@dataclass(frozen=True)
class Scored:
    """What one variant of a head metric gave the training runs of a model, in the order of their checkpoints' ids.

    Attributes:
        span: the metric's upper bound less its lower one; None where it has none.
        less_placebo: whether those of the placebo were subtracted (tops.py).
    """

    metric_id: str
    parameters: Parameters
    span: float | None
    runs: tuple[Heads, ...]
    less_placebo: bool = False

    @property
    def stratum(self) -> str:
        return f"metric={self.metric_id}"


@dataclass(frozen=True)
class Course:
    """How the best head of a training run scores over its C checkpoints with a known step, in order of steps.

    Attributes:
        checkpoint_id: the last of them.
        step: (C,) ascending.
        best: (C,).
        tokens: (C,) seen by then; None where that is not known.
    """

    checkpoint_id: str
    model_id: str
    step: NDArray[np.int64]
    best: Floats
    tokens: Floats | None = None


@dataclass(frozen=True)
class Developed:
    """What one variant of a head metric gave over training.

    Attributes:
        span: as in Scored, never None.
        runs: of the model, in the order of their checkpoints' ids.
        others: of all other models measured with this variant.
    """

    metric_id: str
    parameters: Parameters
    span: float
    runs: tuple[Course, ...]
    others: tuple[Course, ...]

    @property
    def stratum(self) -> str:
        return f"metric={self.metric_id}"


@dataclass(frozen=True)
class Edges:
    """What one variant of an edge metric gave the E edges of a training run's final checkpoint.

    Attributes:
        effect: (E,)
        control: (E,) the same with random senders (stratum sender=random); NaN where that was not measured.
    """

    checkpoint_id: str
    effect: Floats
    control: Floats


@dataclass(frozen=True)
class Linked:
    """What one variant of an edge metric gave the training runs of a model, in the order of their checkpoints' ids."""

    metric_id: str
    parameters: Parameters
    runs: tuple[Edges, ...]


@dataclass(frozen=True)
class Arrays:
    """What executions of a probe with the same version and parameters kept of the final checkpoints of a model's runs.

    Attributes:
        by_checkpoint: arrays by name, by checkpoint id in their order.
    """

    parameters: Parameters
    by_checkpoint: Mapping[str, Mapping[str, NDArray[np.floating]]]


@dataclass(frozen=True)
class Compared:
    """What was measured of all training runs of one model, as far as the measure asks for it."""

    model_id: str
    scored: Sequence[Scored] = ()
    developed: Sequence[Developed] = ()
    linked: Sequence[Linked] = ()
    arrays: Sequence[Arrays] = ()


class PairMeasure(ABC):
    """Code that compares the training runs of a model; a module holds one instance, named MEASURE.

    The class attributes after `metrics` say what it reads: a comparison is made again when that changed, and only then.
    """

    name: ClassVar[str]
    version: ClassVar[int] = 1
    """Raised when the same inputs may give other numbers."""
    metrics: ClassVar[tuple[Metric, ...]]
    reads: ClassVar[tuple[str, ...] | None] = ()
    """Ids of head and edge metrics, at step 0 and at the final checkpoint; None = every bounded head metric."""
    develops: ClassVar[bool] = False
    """Whether it reads the bounded head metrics over training instead, those of other models too."""
    arrays_of: ClassVar[str | None] = None
    """The probe whose arrays it reads, at the final checkpoint."""

    @abstractmethod
    def compare(self, compared: Compared) -> Iterable[PairMeasurement]:
        """All pairs of training runs; those for which the measure is undefined are left out."""


@cache
def measures() -> dict[str, PairMeasure]:
    """All pair measures by name, in the order of their names."""
    import assets.likeness as package

    modules = (importlib.import_module(f"{package.__name__}.{m.name}") for m in pkgutil.iter_modules(package.__path__))
    found = {module.MEASURE.name: module.MEASURE for module in modules if hasattr(module, "MEASURE")}
    return dict(sorted(found.items()))
