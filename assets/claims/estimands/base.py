"""What every kind of estimand has. Here: the common class. Not here: any kind."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from pydantic import field_validator

from assets.claims.outcomes import Ruling, RunOutcome
from assets.claims.reading.evidence import Evidence
from assets.claims.reading.readings import Estimate, Reading
from assets.claims.reference import NUMBERS
from assets.study import Strict


class Estimand(Strict):
    """One way to make a verdict of readings."""

    unit: ClassVar[Literal["run", "model", "family"]]
    """What is decided first: each run, or a model by its runs, or a family by its models."""
    continuous: ClassVar[bool] = False
    """Whether a family's estimate is a quantity, to be pooled over families, rather than a share."""

    @property
    def needs_delta(self) -> bool:
        """Whether the rule asks for a smallest effect of interest."""
        return False

    @abstractmethod
    def words(self, metric: str | None = None) -> str:
        """The quantity of one run, as the beginning of a sentence.

        Args:
            metric: the one that the first reading used, where it is known.
        """

    @property
    @abstractmethod
    def in_unit(self) -> str:
        """Its unit; of a model's or family's estimate where runs are not decided singly."""

    @abstractmethod
    def readings(self) -> dict[str, Reading]:
        """What it reads, by key of the claim file."""

    @abstractmethod
    def sample(self, evidence: Evidence, run_ids: Sequence[str]) -> list[RunOutcome]:
        """What each of a subject's runs gives."""

    def over_runs(self, evidence: Evidence, outcomes: Sequence[RunOutcome], delta: float | None) -> Ruling:
        """The ruling on the model whose runs gave these outcomes, all of state `decided`.

        Not abstract: a trend has no such ruling, since it is decided over models.
        """
        # Never reached: kinds whose unit is the family are not asked (judging.py).
        raise NotImplementedError(f"{type(self).__name__} is not decided over runs")


@dataclass(frozen=True)
class Placed:
    """A unit of a family: a model, or the models of one parent.

    Attributes:
        x: the design property, its mean over the runs; 0 where the kind asks for none.
        runs: all of state `decided`.
        properties: of each of these runs, the design properties of its model.
    """

    x: float
    runs: tuple[RunOutcome, ...]
    properties: tuple[Mapping[str, Any], ...] = ()

    @property
    def values(self) -> tuple[float, ...]:
        """The quantity in each run."""
        return tuple(run.estimate or 0.0 for run in self.runs)


class OverFamily(Estimand):
    """A kind that is decided over the models of a family."""

    unit: ClassVar[Literal["run", "model", "family"]] = "family"

    @property
    @abstractmethod
    def needs(self) -> tuple[str, ...]:
        """The design properties without which a model does not count."""

    @abstractmethod
    def over_models(self, evidence: Evidence, units: Mapping[str, Placed], delta: float | None) -> Ruling:
        """The ruling on a family, by its units."""


class OverModels(OverFamily):
    """A kind that is decided over the models of a family, in the order of a design property."""

    continuous: ClassVar[bool] = True
    over: str
    """The design property, a number."""

    @field_validator("over")
    @classmethod
    def _is_a_number(cls, name: str) -> str:
        if name not in NUMBERS:
            raise ValueError(f"{name} is not a design property that is a number: {', '.join(NUMBERS)}")
        return name

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.over,)


def taken(run_id: str, estimate: Estimate) -> RunOutcome:
    """An estimate as the outcome of a run that is not decided singly, or that gives nothing."""
    if estimate.value is None:
        state: Literal["missing", "undefined"] = "missing" if estimate.defined else "undefined"
        return RunOutcome(run_id, state, variant_id=estimate.variant_id, reason=estimate.reason)
    return RunOutcome(
        run_id,
        "decided",
        None,
        estimate.value,
        estimate.low,
        estimate.high,
        estimate.standard_error,
        estimate.variant_id,
    )
