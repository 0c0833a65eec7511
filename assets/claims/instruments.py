"""Which instruments failed their own checks, so that nothing is decided by them there.

The gate is what the claims about methods (estimand `reliability`) say of an architecture: where one `fails`, its metric
is not read. A head or checkpoint metric without such a claim is judged by the same rule with its usual limits; one
without a chance level, by none.
Not here: the checks (estimands/reliability.py), who is refused (judging.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from assets.claims import gates
from assets.claims.estimands.reliability import Reliability
from assets.claims.outcomes import RunOutcome
from assets.claims.reading.evidence import Evidence
from assets.claims.reading.readings import Reading
from assets.claims.schema import Claim, known_metrics, load_claims
from assets.claims.subjects import Subjects

Faults = Mapping[tuple[str, str | None, str | None], str]
"""By metric, the placebo that is subtracted from it, and architecture: what is wrong with the instrument."""


@dataclass(frozen=True)
class Instrument:
    """A metric with the checks that it must pass.

    Attributes:
        name: of the claim about it.
        claim: None where it is judged by the usual limits.
    """

    name: str
    checks: Reliability
    claim: Claim | None = None


@cache
def method_claims() -> tuple[Claim, ...]:
    """The library's claims about instruments: they gate whatever a study chooses to decide."""
    return tuple(claim for claim in load_claims("all") if claim.gates_others)


@cache
def instrument_of(metric_id: str) -> Instrument | None:
    """The instrument behind a metric; None where nothing can be checked."""
    for claim in method_claims():
        if isinstance(claim.estimand, Reliability) and claim.estimand.of.metrics == [metric_id]:
            return Instrument(claim.id, claim.estimand, claim)
    metric = known_metrics().get(metric_id)
    if metric is None or not metric.has_excess or metric.grain not in ("head", "checkpoint"):
        return None
    reading = Reading(metrics=[metric_id], summary="best_head" if metric.grain == "head" else "single")
    return Instrument(f"the reliability of {metric_id}", Reliability(kind="reliability", of=reading))


def read_by(claims: Sequence[Claim]) -> set[tuple[str, str | None]]:
    """Every metric that the claims or their alternatives read, with the placebo that is subtracted; placebos too."""
    found: set[tuple[str, str | None]] = set()
    for claim in claims:
        for estimand in [claim.estimand, *(other for _, other in claim.variants().values())]:
            for reading in estimand.readings().values():
                for part in reading.all.values():
                    found |= {(metric, part.minus) for metric in part.metrics}
                    found |= {(part.minus, None)} if part.minus else set()
    return found


def instrument_faults(claims: Sequence[Claim], subjects: Subjects, evidence: Evidence) -> Faults:
    """What is wrong with the instruments that the claims read by.

    Args:
        evidence: with the rows of these metrics, and their retests.
    """
    faults: dict[tuple[str, str | None, str | None], str] = {}
    for metric, minus in sorted(read_by(claims), key=str):
        instrument = instrument_of(metric)
        if instrument is None:
            continue
        checks = instrument.checks
        asked = checks.without_placebo() if minus and minus == checks.placebo else checks
        for architecture, runs in _checked(asked, instrument.claim, subjects, evidence).items():
            ruling = asked.over_architecture(runs)
            if ruling.verdict == "fails":
                told = ruling.reason[:1].lower() + ruling.reason[1:].rstrip(".")
                faults[metric, minus, architecture] = f"{instrument.name} fails in {architecture}: {told}"
    return faults


def _checked(
    checks: Reliability, claim: Claim | None, subjects: Subjects, evidence: Evidence
) -> dict[str | None, list[RunOutcome]]:
    """By architecture, the runs that could be checked."""
    inside = [name for name, run in subjects.runs.items() if not (claim and gates.outside(claim.predicate, run))]
    together: dict[str | None, list[RunOutcome]] = {}
    for run in checks.sample(evidence, inside):
        if run.state == "decided":
            together.setdefault(subjects.runs[run.run_id].properties["architecture"], []).append(run)
    return together
