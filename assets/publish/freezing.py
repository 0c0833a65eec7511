"""Predictions frozen before a model is measured: into the record, and into a build of their own.

Which of two came first is decided by builds alone. So a freeze ends in a build: whatever is measured of the model can
only enter a later one, and what was measured before is in the staged catalog, where it is looked for. Both happen under
the writer's lock.

Here: who may be predicted, and the order of things. Not here: the forecasts (assets/claims/forecasting.py), their
scores (assets/analyses/prediction_scores.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import duckdb

from assets.claims.decide import Material, read_material
from assets.claims.forecasting import expect
from assets.claims.recording import put_claims
from assets.claims.schema import Claim
from assets.models.facts import put_stated_model
from assets.study import FamilySpec, Study, load_family
from catalog.build import Staged, discard, finish, publishing, stage, take_in
from catalog.errors import UserError
from catalog.home import Home
from catalog.read import first_row
from catalog.record import Record, now

KIND = "predictions"
FACTS = tuple(f"ledger/{kind}/" for kind in ("families", "models", "advisories"))
MEASURED = """
SELECT p.checkpoint_id, p.probe, p.provenance
FROM probe_runs AS p
JOIN checkpoints AS c ON c.checkpoint_id = p.checkpoint_id
JOIN training_runs AS r ON r.run_id = c.run_id
WHERE r.model_id = $1 AND p.status = 'ok'
ORDER BY p.since_build, p.checkpoint_id LIMIT 1
"""


class NotPredictable(UserError):
    """A model that can't be predicted: measured already, of no known design, or with nothing to predict from."""


@dataclass(frozen=True)
class Frozen:
    """What came of it: rows of catalog table `predictions` (without since_build), new ones and those kept from before,
    and the build that holds them."""

    new: list[dict[str, Any]]
    kept: list[dict[str, Any]]
    build: int


def freeze(home: Home, study: Study, model_id: str, design: Mapping[str, Any] | None = None) -> Frozen:
    """Freezes what each of the study's claims expects of a model; a claim's first prediction stays.

    Claims about instruments expect nothing of a model.

    Args:
        home: whose catalog is predicted from.
        study: whose claims are asked.
        model_id: a model of the study's families.
        design: its design properties, where its family states none.

    Raises:
        UserError: the model is not in the study's families.
        NotPredictable: its design is not known, or it was measured; or nothing was.
    """
    family = _with_design(_family_of(study, model_id), model_id, design)
    record = Record(home)
    claims = [claim for claim in put_claims(record, study) if claim.estimand.kind != "reliability"]
    with publishing(home):
        staged = stage(home)
        try:
            with duckdb.connect(str(staged.path), read_only=True) as connection:
                _check_unmeasured(connection, model_id)
                _check_evidence(connection, study)
            _check_design(family, model_id)
            put_stated_model(record, family, model_id)
            staged = take_in(home, staged, FACTS)
            with duckdb.connect(str(staged.path), read_only=True) as connection:
                material = read_material(connection, claims)
            new, kept = _put(record, claims, material, model_id, staged)
            build = finish(home, take_in(home, staged, (f"ledger/{KIND}/",)))
        except BaseException:
            discard(staged)
            raise
    return Frozen(new, kept, build)


def _family_of(study: Study, model_id: str) -> FamilySpec:
    families = [load_family(family) for family in study.families]
    for family in families:
        if model_id in [model.model_id for model in family.models]:
            return family
    known = ", ".join(model.model_id for family in families for model in family.models if model.design)
    raise UserError(
        f"There is no model {model_id!r} in the families of study {study.name}.",
        where=f"study {study.name}, families",
        mend="Add the model with its design to its family's file. "
        + (f"Models whose design is stated: {known}." if known else "No model there states its design yet."),
    )


def _with_design(family: FamilySpec, model_id: str, design: Mapping[str, Any] | None) -> FamilySpec:
    """The family with the model's design where it states none."""
    models = [
        model.model_copy(update={"design": dict(design)}) if model.model_id == model_id and not model.design else model
        for model in family.models
        if design
    ]
    return family.model_copy(update={"models": models}) if models else family


def _check_design(family: FamilySpec, model_id: str) -> None:
    if not next(model.design for model in family.models if model.model_id == model_id):
        raise NotPredictable(
            f"The family {family.family_id} states no design of {model_id}: there is nothing to predict from.",
            where=f"family {family.family_id}, models, {model_id}, design",
            mend="State n_params, n_layers, attention and the like there, with their sources under facts.",
        )


def _check_unmeasured(connection: duckdb.DuckDBPyConnection, model_id: str) -> None:
    found = first_row(connection, MEASURED, [model_id])
    if found:
        checkpoint_id, probe, provenance = found
        raise NotPredictable(
            f"{model_id} was measured already ({checkpoint_id}, {provenance}, by {probe}): predictions come first.",
            where=f"model {model_id}",
            mend="Predict a model of which nothing is measured or imported yet.",
        )


def _check_evidence(connection: duckdb.DuckDBPyConnection, study: Study) -> None:
    if first_row(connection, "SELECT 1 FROM evidence LIMIT 1") is None:
        raise NotPredictable(
            "The catalog holds no measurement to predict from.",
            where=f"study {study.name}",
            mend=f"Measure other models first: python -m pipelines run {study.name}",
        )


def _put(
    record: Record, claims: Sequence[Claim], material: Material, model_id: str, staged: Staged
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Records what is not frozen yet; the new rows, and those frozen before."""
    new, kept = [], []
    made_at = now()
    for claim in claims:
        key = f"{claim.id}@{claim.version}.{model_id}"
        before = record.latest(KIND, key)
        if before:
            kept += before[KIND]
            continue
        row = {"prediction_id": key, "claim_id": claim.id, "claim_version": claim.version, "subject": model_id}
        row |= {"of_build": staged.build, "made_at": made_at, **asdict(expect(claim, material, model_id))}
        record.put(KIND, key, {KIND: [row]})
        new.append(row)
    return new, kept
