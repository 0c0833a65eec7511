"""Models added to a study in the home: one family file per family in HOME/models/STUDY, joined to the study when it is
loaded (assets/study.py).

Here: which family and model a repository belongs to, what is written of it. Facts come from the hub, each with its
source; what the hub does not say stays unknown. Not here: asking the hub (hub/repositories.py).
"""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from filelock import FileLock

from assets.models.hub.repositories import Repository
from assets.models.hub.revisions import HubRuns, checkpoints_of
from assets.models.runs import training_runs
from assets.study import FAMILIES, FamilySpec, ModelSpec, Study, is_id, load_family, read_yaml, validate, with_added
from catalog.errors import UserError
from catalog.home import Home
from catalog.store import told_plainly

OF_PLACE = {"hub", "seeds", "original", "steps"}
"""Keys of `runs` that say where one model's checkpoints are, not how they are named."""


@dataclass(frozen=True)
class Added:
    """A repository's place in a study.

    Attributes:
        study: the study with it.
        family_id, model_id: what it belongs to.
        run_ids: its training runs.
        is_new: whether it was added now; else it was there.
    """

    study: Study
    family_id: str
    model_id: str
    run_ids: tuple[str, ...]
    is_new: bool


@dataclass(frozen=True)
class _Place:
    """Where a repository belongs: a family, a model of it (one that it knows, or a new one), and its `runs`."""

    family: FamilySpec
    model_id: str
    runs: dict[str, Any]


def add(
    home: Home, study: Study, repository: Repository, family_id: str | None = None, revisions: str | None = None
) -> Added:
    """Adds a repository's training run to a study, in a file of the home; what the study has already stays as it is.

    Args:
        home: where the file is written.
        study: as loaded, with what was added before.
        repository: as the hub describes it.
        family_id: the family; None = the known one whose models' repositories are named alike, else one of its own.
        revisions: form of the branches or tags that are checkpoints, with {step}; None = the family's where the
            repository has such revisions, else the main branch alone.

    Raises:
        UserError: the repository has no such revisions, or its name makes no id.
    """
    folder = home.models / study.name
    known = _run_of(study, repository)
    if known:
        return Added(study, *known, is_new=False)
    place = _place(study, repository, family_id, revisions)
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):
        _write(folder / f"{place.family.family_id}.yaml", place, repository)
    joined = with_added(study, folder)
    found = _run_of(joined, repository)
    assert found is not None
    return Added(joined, *found, is_new=True)


def _run_of(study: Study, repository: Repository) -> tuple[str, str, tuple[str, ...]] | None:
    """Family, model and training runs of a study that are fetched from this repository."""
    runs = [r for r in training_runs(study) if r.kind == "hub" and r.spec.repository(r.seed) == repository.name]
    return (runs[0].family_id, runs[0].model.model_id, tuple(run.run_id for run in runs)) if runs else None


def _place(study: Study, repository: Repository, family_id: str | None, revisions: str | None) -> _Place:
    families = [family for family in _families(study) if family_id in {None, family.family_id}]
    for family in families:
        for model in family.models:
            if (place := _as_run_of(family, model, repository)) is not None:
                return _with_revisions(place, repository, revisions, study)
    model_id = _id_of(repository)
    family = next((f for f in families if family_id or _is_of(f, repository)), None) or FamilySpec(
        family_id=family_id or model_id,
        organisation=repository.organisation,
        role="natural",
        description=f"Added from {repository.url}.",
        url=repository.url,
        models=[],
    )
    named = next((dict(m.runs) for m in family.models if m.runs and m.runs.get("revisions")), {})
    form = {"revisions": named["revisions"]} if named and _has_form(named["revisions"], repository) else {}
    place = _Place(family, model_id, {"hub": repository.name, **form})
    return _with_revisions(place, repository, revisions, study)


def _families(study: Study) -> Iterator[FamilySpec]:
    """The study's families, then the others that the project knows."""
    own = [load_family(family) for family in study.families]
    yield from own
    ids = {family.family_id for family in own}
    yield from (load_family(path.stem) for path in sorted(FAMILIES.glob("*.yaml")) if path.stem not in ids)


def _as_run_of(family: FamilySpec, model: ModelSpec, repository: Repository) -> _Place | None:
    """The place of a repository that a known model's `runs` name, by itself or for a seed of its own."""
    runs = model.runs or {}
    if not isinstance(runs.get("hub"), str):
        return None
    further = {key: value for key, value in runs.items() if key not in OF_PLACE}
    pattern = re.escape(runs["hub"]).replace(re.escape("{seed}"), "([0-9]+)")
    found = re.fullmatch(pattern, repository.name)
    if found and found.groups():
        return _Place(family, model.model_id, {**further, "hub": runs["hub"], "seeds": [int(found[1])]})
    if found or runs.get("original") == repository.name:
        return _Place(family, model.model_id, {**further, "hub": repository.name})
    return None


def _is_of(family: FamilySpec, repository: Repository) -> bool:
    """Whether a family is of the repository's organisation and begins its name."""
    organisations = {(family.organisation or "").casefold()} | {
        str(model.runs["hub"]).partition("/")[0].casefold()
        for model in family.models
        if model.runs and "hub" in model.runs
    }
    begins = _id_of(repository).startswith(f"{family.family_id}-")
    return begins and repository.organisation.casefold() in organisations


def _id_of(repository: Repository) -> str:
    """The repository's name as a model's id.

    Raises:
        UserError: it makes none.
    """
    found = re.sub(r"[^a-z0-9._-]", "-", repository.name.partition("/")[2].lower()).lstrip("._-")
    if not is_id(found):
        raise UserError(
            "The repository's name makes no id.",
            where=repository.name,
            mend="State the model in a study of your own, with an id that you choose and `runs: {hub: ...}`.",
        )
    return found


def _with_revisions(place: _Place, repository: Repository, revisions: str | None, study: Study) -> _Place:
    """The place with the form of revisions that was asked for, and those steps of its family's that the study chose
    and the repository has.

    Raises:
        UserError: the repository has no such revisions.
    """
    runs = {**place.runs, **({} if revisions is None else {"revisions": revisions})}
    spec = validate(HubRuns, runs, Path(repository.name))
    listed = checkpoints_of(spec, spec.seeds[0] if spec.seeds else None, repository.commits)
    choice = study.checkpoints.get(place.family.family_id)
    steps = [planned.step for planned in listed if choice and choice.steps and planned.step in choice.steps]
    return _Place(place.family, place.model_id, {**runs, **({"steps": steps} if steps else {})})


def _has_form(revisions: str, repository: Repository) -> bool:
    try:
        checkpoints_of(HubRuns(hub=repository.name, revisions=revisions), None, repository.commits)
    except UserError:
        return False
    return True


def _write(path: Path, place: _Place, repository: Repository) -> None:
    """Adds the model to the family's file in the home, or the seed to the model."""
    before = validate(FamilySpec, read_yaml(path), path).models if path.exists() else []
    model = _model(place, repository)
    for same in [each for each in before if _is_same(each, place)]:
        before.remove(same)
        seeds = {*(same.runs or {}).get("seeds", []), *place.runs.get("seeds", [])}
        model = same.model_copy(update={"runs": {**place.runs, **({"seeds": sorted(seeds)} if seeds else {})}})
    family = place.family.model_copy(update={"models": [*before, model]})
    content = family.model_dump(mode="json", exclude_defaults=True, exclude={"advisories"})
    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    with told_plainly(path):
        aside.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), encoding="utf-8")
        os.replace(aside, path)


def _is_same(model: ModelSpec, place: _Place) -> bool:
    return model.model_id == place.model_id and (model.runs or {}).get("hub") == place.runs["hub"]


def _model(place: _Place, repository: Repository) -> ModelSpec:
    facts = {}
    if repository.made_on:
        facts["released_on"] = f"the day on which the repository was made, {repository.url}"
    if repository.licence:
        facts["licence"] = f"card of {repository.url}"
    return ModelSpec(
        model_id=place.model_id,
        released_on=repository.made_on,
        licence=repository.licence,
        facts=facts,
        runs=place.runs,
    )
