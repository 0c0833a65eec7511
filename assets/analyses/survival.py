"""How long claims survive: the number of models that a claim was tested on until the first on which it fails.

Natural models in the order of release (of one day, in the order of ids); models of one parent are one test, at the
first one's date; models without a date come in no order and are left out. A model tests a claim where it is decided
there, or, with too few training runs for that, by its decided runs. Mixed is no failure: it is not false of every run.
A claim that has not failed is censored: it survived its last test. Claims about methods, and claims decided over
models (trends), are tested on no single model.

Here: Kaplan-Meier with log-log intervals, by scipy; below the numbers at the head, one line that says why not. Claims
are not independent (many read the same heads), so the intervals are too short, and `reason` says so.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scipy import stats

from assets.analyses.by_release import releases
from assets.analyses.registry import Analysis, Situation
from assets.claims.decide import Rows
from assets.claims.judging import Judged, Judging
from assets.claims.outcomes import DECIDED
from assets.claims.schema import Claim
from assets.claims.verdicts import counted, vote

EVENTS_NEEDED = 5
CLAIMS_NEEDED = 10
WORDS = {"h": "holds", "f": "fails", "m": "mixed"}


@dataclass(frozen=True)
class Tested:
    """A claim's tests: the model and what came of it (h, f or m), in the order of release, up to the first failure."""

    models: tuple[tuple[str, str], ...]

    @property
    def failed(self) -> bool:
        return bool(self.models) and self.models[-1][1] == "f"


class Survival(Analysis):
    """Survival of claims."""

    name = "survival"
    tables = ("claim_tests", "survival")

    def rows(self, situation: Situation) -> Mapping[str, Rows]:
        of = {"evaluation_id": situation.evaluation_id}
        found = [(claim, tests(claim, situation)) for claim in situation.claims]
        tested = [each for _, each in found if each.models]
        survived = curve([len(each.models) for each in tested], [each.failed for each in tested])
        own = [{**of, **_row(claim, each)} for claim, each in found]
        return {"claim_tests": own, "survival": [{**of, **row} for row in survived]}


def tests(claim: Claim, situation: Situation) -> Tested:
    """On which models the claim was tested until it failed."""
    material = situation.material
    judging = Judging(claim, claim.estimand, material.subjects, material.evidence, material.faults)
    if claim.about != "model":
        return Tested(())
    together: dict[str, list[str]] = {}
    for _, came_out in releases(material.subjects):
        for model_id in came_out:
            together.setdefault(material.subjects.unit_of(model_id), []).append(model_id)
    found: list[tuple[str, str]] = []
    for models in together.values():
        outcome = vote([word for m in models if m in judging.models for word in _words(judging.models[m])])
        if outcome:
            found.append((models[0], outcome))
        if outcome == "f":
            break
    return Tested(tuple(found))


def _words(judged: Judged) -> list[str]:
    """The model's verdict, or the outcomes of its runs where they are too few for one."""
    if judged.ruling.verdict in DECIDED:
        return [judged.ruling.verdict]
    if judged.ruling.verdict != "insufficient":
        return []
    return [run.outcome for run in judged.runs if run.state == "decided" and run.outcome in ("h", "f")]


def _row(claim: Claim, found: Tested) -> dict[str, Any]:
    told = "; ".join(f"{WORDS[outcome]} on {model_id}" for model_id, outcome in found.models)
    untested = "It was tested on no natural model with a release date, or is not decided model by model."
    return {
        "claim_id": claim.id,
        "claim_version": claim.version,
        "n_tested": len(found.models),
        "failed": found.failed,
        "model_id": found.models[-1][0] if found.models else None,
        "reason": f"In the order of release: {told}." if told else untested,
    }


def curve(n_tested: Sequence[int], failed: Sequence[bool]) -> list[dict[str, Any]]:
    """The Kaplan-Meier estimate at every number of tests at which a claim fails or ends, from the beginning on.

    Args:
        n_tested: by claim, at least 1.
        failed: by claim, whether the last test failed; else it is censored there.
    """
    claims, events = len(n_tested), sum(failed)
    said = f"{events} of {counted(claims, 'claim')} failed on some model"
    start = {"n_tested": 0, "n_at_risk": claims, "n_events": events, "ci_low": None, "ci_high": None}
    if events < EVENTS_NEEDED or claims < CLAIMS_NEEDED:
        needed = f"a survival curve needs {EVENTS_NEEDED} failures among {CLAIMS_NEEDED} claims or more"
        return [{**start, "survival": None, "reason": f"{said}: {needed}."}]
    times = stats.CensoredData(
        uncensored=[n for n, event in zip(n_tested, failed, strict=True) if event],
        right=[n for n, event in zip(n_tested, failed, strict=True) if not event],
    )
    estimate = stats.ecdf(times).sf
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The confidence interval is undefined")
        interval = estimate.confidence_interval(method="log-log")
    reason = f"{said}; they are not independent of each other, so that the interval is too short."
    found = [{**start, "survival": 1.0, "reason": reason}]
    columns = (estimate.quantiles, estimate.probabilities, interval.low.probabilities, interval.high.probabilities)
    for n, share, low, high in zip(*columns, strict=True):
        found.append(
            {
                "n_tested": int(n),
                "n_at_risk": sum(other >= n for other in n_tested),
                "n_events": sum(event and other == n for other, event in zip(n_tested, failed, strict=True)),
                "survival": float(share),
                "ci_low": float(low) if 0 < share < 1 else None,
                "ci_high": float(high) if 0 < share < 1 else None,
                "reason": reason,
            }
        )
    return found


ANALYSIS = Survival()
