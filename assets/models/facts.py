"""What the record holds about families, models, training runs and checkpoints.

Stated facts (dates, licence, training data) come from family files, design properties from configuration and weights.
Here: the rows. Not here: reading properties (properties.py), making or fetching weights (sources/).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from assets.models.faults import FETCH, Failure, Fault, failures, fetch_identity, fetch_key, versions_in_use
from assets.models.parts import WHOLE, Part
from assets.models.properties import read_properties
from assets.models.runs import run_named
from assets.models.sources import Pinned, Planned, Refused, Say, TrainingRun, pin_each, source_named
from assets.study import FamilySpec, ModelSpec, Study, load_family
from catalog.errors import UserError
from catalog.home import Home
from catalog.record import Record, canonical_json, now

SOURCE_ID = "moving-target"
"""The source of everything that is measured here."""


def put_run(
    study: Study,
    run_id: str,
    home: Home,
    say: Say,
    part: Part = WHOLE,
    *,
    retry: bool = False,
    dagster_run_id: str | None = None,
) -> tuple[list[Pinned], dict[str, str]]:
    """Makes or finds every checkpoint of a training run, or of a part of it, and records what is known of run, model
    and checkpoints.

    Weights that are fetched are fetched when they are measured: here a hub's are known by what it lists.

    Those whose last failure is lasting are left out, unless `retry`.

    Returns:
        The checkpoints that are there; and why the others could not be had, by checkpoint_id, recorded too.

    Raises:
        UserError: none could be had.
    """
    run, record = run_named(study, run_id), Record(home)
    family = next(f for f in map(load_family, study.families) if f.family_id == run.family_id)
    put_family(record, family)
    found, faults, lasting = [], {}, True
    planned = [each for each in source_named(run.kind, run_id).plan(run, home) if part.holds(each.label)]
    for had in pin_each(run, to_be_tried(run, planned, {} if retry else failures(record)), home, say):
        refused = _described(record, run, had) if isinstance(had, Pinned) else had
        if isinstance(had, Pinned) and refused is None:
            found.append(had)
        elif refused is not None:
            put_refused(record, run, refused, dagster_run_id)
            faults[run.checkpoint_id(had.planned.label)] = refused.reason
            lasting &= refused.lasting
    if faults and not found:
        told = "\n\n".join(dict.fromkeys(faults.values()))
        raise UserError(f"No checkpoint of {run_id} could be had: {told}", lasting=lasting)
    return found, faults


def _described(record: Record, run: TrainingRun, pinned: Pinned) -> Refused | None:
    """Records a checkpoint that is there; refused, where its architecture is not known."""
    try:
        put_checkpoint(record, run, pinned)
    except UserError as error:
        return Refused(pinned.planned, str(error), error.lasting)
    return None


def to_be_tried(run: TrainingRun, planned: list[Planned], failed: Mapping[str, Failure]) -> list[Planned]:
    """The checkpoints without those that lastingly can't be had."""

    def is_given_up(checkpoint: Planned) -> bool:
        failure = failed.get(fetch_identity(run.checkpoint_id(checkpoint.label), checkpoint.revision))
        return failure is not None and failure.is_lasting

    return [checkpoint for checkpoint in planned if not is_given_up(checkpoint)]


def put_family(record: Record, family: FamilySpec) -> None:
    """Records a family and the advisories that its file states."""
    row = family.model_dump(mode="json", include={"family_id", "organisation", "role", "description", "url"})
    record.put("families", family.family_id, {"families": [row]})
    for advisory in family.advisories:
        record.put("advisories", advisory.advisory_id, {"advisories": [advisory.model_dump(mode="json")]})


def put_stated_model(record: Record, of: str | FamilySpec, model_id: str) -> None:
    """Records a model of which nobody here holds the weights, as its family states it.

    Args:
        of: the family, by id or as it stands in a study.

    Raises:
        UserError: the family has no such model.
    """
    family = load_family(of)
    model = next((m for m in family.models if m.model_id == model_id), None)
    if model is None:
        raise UserError(
            f"There is no model {model_id!r} in family {family.family_id}.",
            where=f"assets/models/families/{family.family_id}.yaml",
            mend="Add it there with its design facts and their sources.",
        )
    put_family(record, family)
    known = record.latest("models", model_id)
    if known is None or not known["models"][0].get("n_layers"):
        record.put("models", model_id, {"models": [_model_row(family.family_id, model, model.design)]})


def put_checkpoint(record: Record, run: TrainingRun, pinned: Pinned) -> None:
    """Records a checkpoint that is there, with its run, and its model as configuration and weights describe it."""
    properties, layers = read_properties(pinned.folder)
    design = {**properties, "precision": pinned.precision}
    model = {"models": [_model_row(run.family_id, run.model, design)], "layers": layers}
    for row in layers:
        row["model_id"] = run.model.model_id
    record.put("models", run.model.model_id, model)
    _put_training_run(record, run)
    checkpoint_id = run.checkpoint_id(pinned.planned.label)
    checkpoint = _checkpoint_row(run, pinned.planned) | {
        "availability": "available",
        "weights_sha256": pinned.weights_sha256,
    }
    known = (record.latest("checkpoints", checkpoint_id) or {}).get("checkpoint_weights", [])
    weights = {
        "checkpoint_id": checkpoint_id,
        "weights_sha256": pinned.weights_sha256,
        "config_sha256": pinned.config_sha256,
        "tokenizer_sha256": pinned.tokenizer_sha256,
        "source": run.kind,
        "location": pinned.location,
        "revision": pinned.planned.revision,
        "commit_sha": pinned.commit_sha,
        "format": pinned.format,
        "precision": pinned.precision,
        "bytes": pinned.bytes,
    }
    same = [row for row in known if {k: v for k, v in row.items() if k != "fetched_at"} == weights]
    weights["fetched_at"] = same[0]["fetched_at"] if same else now()
    record.put("checkpoints", checkpoint_id, {"checkpoints": [checkpoint], "checkpoint_weights": [weights]})


def put_refused(record: Record, run: TrainingRun, refused: Refused, dagster_run_id: str | None = None) -> None:
    """Records a checkpoint that could not be had, and why; weights known from before stay known."""
    planned, checkpoint_id = refused.planned, run.checkpoint_id(refused.planned.label)
    fault: Fault = "lasting" if refused.lasting else "passing"
    if record.latest("models", run.model.model_id) is None:
        row = _model_row(run.family_id, run.model, run.model.design)
        record.put("models", run.model.model_id, {"models": [row]})
    _put_training_run(record, run)
    if record.latest("checkpoints", checkpoint_id) is None:
        row = _checkpoint_row(run, planned) | {"availability": "refused"}
        record.put("checkpoints", checkpoint_id, {"checkpoints": [row]})
    record.put("sources", SOURCE_ID, {"sources": [source_row()]})
    failure = {
        "checkpoint_id": checkpoint_id,
        "probe": FETCH,
        "probe_version": 1,
        "parameters": "{}",
        "provenance": "measured",
        "source_id": SOURCE_ID,
        "status": "failed",
        "reason": refused.reason,
        "fault": fault,
        "versions": canonical_json(versions_in_use()),
        "dagster_run_id": dagster_run_id,
        "cache_key": fetch_key(checkpoint_id, planned.revision),
    }
    record.put_probe_run(failure, None)


def source_row() -> dict[str, Any]:
    """The row of catalog table `sources` for our own measurements."""
    return {
        "source_id": SOURCE_ID,
        "kind": "measured",
        "citation": "Moving Target, measured on this installation",
        "licence": "Apache-2.0",
        "may_redistribute": True,
    }


def _put_training_run(record: Record, run: TrainingRun) -> None:
    row = {
        "run_id": run.run_id,
        "model_id": run.model.model_id,
        "seed": run.seed,
        "init_seed": run.init_seed,
        "data_seed": run.data_seed,
    }
    record.put("training_runs", run.run_id, {"training_runs": [row]})


def _checkpoint_row(run: TrainingRun, planned: Planned) -> dict[str, Any]:
    return {
        "checkpoint_id": run.checkpoint_id(planned.label),
        "run_id": run.run_id,
        "label": planned.label,
        "step": planned.step,
        "tokens_seen": planned.tokens_seen,
        "is_final": planned.is_final,
    }


def _model_row(family_id: str, model: ModelSpec, design: dict[str, Any]) -> dict[str, Any]:
    stated = model.model_dump(
        mode="json",
        include={"parent_model_id", "released_on", "training_tokens", "training_data", "tuning", "licence"},
    )
    recipe = model.model_dump(mode="json", include={"batch_size", "sequence_length"}, exclude_none=True)
    properties = {**design.get("properties", {}), **recipe, "facts": model.facts}
    return {
        **design,
        **stated,
        "model_id": model.model_id,
        "family_id": family_id,
        "properties": canonical_json(properties),
    }
