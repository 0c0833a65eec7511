"""The training runs of a study: families resolved, sources asked for seeds, ids given. Torch-free.

Not here: which checkpoints a run has (its source's `plan`), how they are measured (assets/probes).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from assets.models.sources import TrainingRun, source_named, sources
from assets.study import CheckpointChoice, FamilySpec, ModelSpec, Study, load_family
from catalog.errors import UserError


def training_runs(study: Study) -> list[TrainingRun]:
    """Every training run of a study's families, in their order.

    A model whose `runs` is null has none here: others measured it, and their measurements are imported.

    Raises:
        UserError: a family, a source, seeds or ids do not fit.
    """
    runs: list[TrainingRun] = []
    for named in study.families:
        family = load_family(named)
        choice = study.checkpoints.get(family.family_id, CheckpointChoice())
        listed = [run for model in _models_of(family, choice) for run in _runs_of(family, model, choice)]
        runs += _with_seeds(listed, family.family_id, choice)
        known = {run.run_id for run in runs}
        runs += [run for run in _added_runs(family) if run.run_id not in known]
    _refuse_twins([run.run_id for run in runs], study)
    return runs


def run_named(study: Study, run_id: str) -> TrainingRun:
    """A training run by its id.

    Raises:
        UserError: the study has none of that id.
    """
    runs = {run.run_id: run for run in training_runs(study)}
    try:
        return runs[run_id]
    except KeyError:
        near = difflib.get_close_matches(run_id, runs, n=3) or list(runs)[:3]
        raise UserError(
            f"There is no training run {run_id!r}.",
            where=f"study {study.name}",
            mend=f"Did you mean {', '.join(near)}?" if near else "None of its families has training runs.",
            lasting=True,
        ) from None


def _models_of(family: FamilySpec, choice: CheckpointChoice) -> list[ModelSpec]:
    """Those of a family's models that the study chose; all if it chose none."""
    if choice.models is None:
        return [model for model in family.models if not model.added]
    unknown = sorted(set(choice.models) - {model.model_id for model in family.models})
    if unknown:
        raise UserError(
            f"The family {family.family_id} has no model {', '.join(unknown)}.",
            where=f"checkpoints.{family.family_id}.models of the study",
            mend=f"Its models are: {', '.join(model.model_id for model in family.models)}.",
        )
    return [model for model in family.models if model.model_id in choice.models and not model.added]


def _added_runs(family: FamilySpec) -> Iterator[TrainingRun]:
    """Training runs of the models that were added in the home, which say themselves what is measured of them."""
    for model in family.models:
        if model.added:
            yield from _runs_of(family, model, CheckpointChoice())


def _runs_of(family: FamilySpec, model: ModelSpec, choice: CheckpointChoice) -> Iterator[TrainingRun]:
    if model.runs is None:
        return
    where = f"family {family.family_id}, model {model.model_id}, runs"
    kinds = [key for key in model.runs if key in sources()]
    if len(kinds) != 1:
        raise UserError(
            f"`runs` must name one kind of source, not {len(kinds)}: its keys are {', '.join(model.runs) or 'none'}.",
            where=where,
            mend=f"Under `runs` stands one of: {', '.join(sources())}, with its options beside it.",
        )
    spec, seeds = source_named(kinds[0], where).seeds(model.runs, where)
    for seed in seeds:
        run_id = model.model_id if seed is None else f"{model.model_id}-seed{seed}"
        yield TrainingRun(run_id, family.family_id, family.role, model, kinds[0], spec, seed, choice)


def _with_seeds(runs: list[TrainingRun], family_id: str, choice: CheckpointChoice) -> list[TrainingRun]:
    """Those of a family's runs that the study chose by seed; all if it chose none, or the family has no runs here."""
    if choice.seeds is None or not runs:
        return runs
    known = sorted({run.seed for run in runs if run.seed is not None})
    unknown = sorted({seed for seed in choice.seeds if seed is not None} - set(known))
    if unknown:
        raise UserError(
            f"The family {family_id} has no training run of seed {', '.join(map(str, unknown))}.",
            where=f"checkpoints.{family_id}.seeds of the study",
            mend=f"Its seeds are: {', '.join(map(str, known))}."
            if known
            else "Its runs have no seeds: leave the key out.",
        )
    return [run for run in runs if run.seed in choice.seeds]


def _refuse_twins(run_ids: list[str], study: Study) -> None:
    seen: set[str] = set()
    for run_id in run_ids:
        if run_id.casefold() in seen:
            raise UserError(
                f"Two training runs have the id {run_id}.",
                where=f"families of study {study.name}",
                mend="Give one of their models another model_id.",
            )
        seen.add(run_id.casefold())
