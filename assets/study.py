"""What a user chooses and what a human states: schemas of study files and family files.

Here: the YAML formats and their errors. Not here: how a source makes checkpoints of `runs` (models/sources), what a
probe or claim is (probes/registry.py, claims/schema.py), how a model comes to be added (models/added.py).
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PositiveFloat,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)

from catalog.errors import UserError
from catalog.home import Home

T = TypeVar("T", bound=BaseModel)
Id = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]*$")]
Role = Literal["natural", "calibration", "control"]

FAMILIES = Path(__file__).parent / "models" / "families"
STUDY_VARIABLE = "MOVING_TARGET_STUDY"
"""The environment variable that names the study of a process."""
STUDIES = Path(__file__).parent.parent / "pipelines" / "studies"
YAML_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""Both read plain data alone; the one in C, where PyYAML has it, reads the library in a tenth of the time."""


class Strict(BaseModel):
    """Base of all file formats: an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelSpec(Strict):
    """One model of a family: what only a human can state, and where its training runs come from.

    Design properties (n_params, n_layers, ...) are read from configuration and weights; `design` states them where
    nobody here holds the weights (published measurements). `facts` names the source of each stated value.
    """

    model_id: Id
    parent_model_id: Id | None = None
    released_on: dt.date | None = None
    training_tokens: int | None = None
    batch_size: int | None = None
    """Training sequences in one optimiser step."""
    sequence_length: int | None = None
    """Tokens of one training sequence."""
    training_data: str | None = None
    tuning: str | None = None
    licence: str | None = None
    design: dict[str, Any] = Field(default_factory=dict)
    facts: dict[str, str] = Field(default_factory=dict)
    runs: dict[str, Any] | None = None
    """One key, the kind of source, with what that source needs: `{gguf: FILE}`, `{hub: "org/name", seeds: [1]}`."""
    added: bool = False
    """It stands in the home, not in the study or a family's file: a study's choice of its family's models, seeds and
    steps does not concern it."""


SCOPES = ("models", "runs", "checkpoints", "labels", "probes", "sources")


class Advisory(Strict):
    """A known fault stated with a family: what it concerns and whether it makes measurements suspect."""

    advisory_id: Id
    scope: dict[str, Any]
    """Lists under some of SCOPES, all of which must match; `suspect` says whether what matches is left out."""
    statement: str
    citation: str | None = None
    known_on: dt.date | None = None
    withdrawn: bool = False

    @field_validator("scope")
    @classmethod
    def _concerns_something(cls, scope: dict[str, Any]) -> dict[str, Any]:
        lists = {name: value for name, value in scope.items() if name != "suspect"}
        unknown = sorted(set(lists) - set(SCOPES))
        if unknown or not lists:
            named = f"{', '.join(unknown)} is none of" if unknown else "an advisory about nothing; give some of"
            raise ValueError(f"{named} {', '.join(SCOPES)}")
        if not all(isinstance(value, list) and value for value in lists.values()):
            raise ValueError("each of models, runs, ... is a list of ids that is not empty")
        if not isinstance(scope.get("suspect"), bool):
            raise ValueError("suspect is missing: true leaves what matches out of evidence, false only informs")
        return scope


class FamilySpec(Strict):
    """Models that share a recipe."""

    family_id: Id
    organisation: str | None = None
    role: Role
    description: str
    url: str | None = None
    models: list[ModelSpec]
    advisories: list[Advisory] = Field(default_factory=list)


class CheckpointChoice(Strict):
    """Which checkpoints of a family a study measures; empty = all that the source lists."""

    models: list[Id] | None = None
    """Which models; `[]`: none is measured here, the family is there for what others published of it."""
    steps: list[int] | None = None
    seeds: list[int | None] | None = None
    """Which training runs by seed; null among them: the runs without one."""


class Published(Strict):
    """An importer and the folder that it reads."""

    importer: Id
    path: str


class ProbeChoice(Strict):
    """A probe that a study runs: `attention`, or with what the study decides, `{ablation: {checkpoints: all}}`."""

    name: Id
    checkpoints: Literal["all", "final"] | None = None
    """On which checkpoints of a training run; None = as the probe itself says."""
    options: dict[str, Any] = Field(default_factory=dict)
    """The probe's own options; `python -m pipelines probes` lists them."""

    @model_validator(mode="before")
    @classmethod
    def _from_yaml(cls, content: Any) -> Any:
        if isinstance(content, str):
            return {"name": content}
        if isinstance(content, dict) and len(content) == 1 and "name" not in content:
            [(name, options)] = content.items()
            if not isinstance(options, dict):
                raise ValueError(f"{name} must be followed by its options, as in {{{name}: {{checkpoints: final}}}}")
            others = {key: value for key, value in options.items() if key != "checkpoints"}
            return {"name": name, "checkpoints": options.get("checkpoints"), "options": others}
        return content


class TextFile(Strict):
    """A corpus on disk."""

    file: str


class Dataset(Strict):
    """A corpus from a data set repository of the Hugging Face Hub: one text or Parquet file of it."""

    dataset: str
    file: str
    column: str = "text"
    """Of a Parquet file."""
    revision: str = "main"


class Watch(Strict):
    """Repositories of a hub to be added as they appear: `{organisation: EleutherAI, names: "pythia-*"}`."""

    organisation: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]+$")]
    names: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._*?-]+$")]
    """Of the repositories, without the organisation; * stands for any characters, ? for one. Quantised weights, GGUF
    files and adapters are left out unless the pattern names them (`*-gguf`)."""
    family: Id | None = None
    """Which family their models belong to; None = as `models add` decides."""
    revisions: Annotated[str, StringConstraints(pattern=r"\{step\}")] | None = None
    """Form of the branches or tags that are checkpoints; None = the family's, or the main branch alone."""


class Study(Strict):
    """A choice of families, checkpoints, probes, claims and published measurements. No facts."""

    name: Id
    description: str = ""
    families: list[Id | FamilySpec]
    checkpoints: dict[str, CheckpointChoice] = Field(default_factory=dict)
    probes: list[ProbeChoice]
    claims: Literal["all"] | list[Id] = "all"
    published: list[Published] = Field(default_factory=list)
    watch: list[Watch] = Field(default_factory=list)
    """What the sensor `new_models` looks for, beside new revisions of the study's own repositories."""
    corpus: TextFile | Dataset | None = None
    """The text that natural-text metrics are measured on; None = the one that comes with the project."""
    retest: bool = True
    """Whether final checkpoints are measured a second time on freshly drawn inputs, for the reliability of scores."""
    memory_gb: PositiveFloat = 1.0
    """What a forward pass may take beside the weights, GB; batches adapt to it, values do not depend on it."""

    @property
    def probe_names(self) -> list[str]:
        return [choice.name for choice in self.probes]

    @model_validator(mode="after")
    def _checkpoints_name_families(self) -> Study:
        known = {family if isinstance(family, str) else family.family_id for family in self.families}
        unknown = sorted(set(self.checkpoints) - known)
        if unknown:
            raise ValueError(f"checkpoints names {unknown}, which are not among families {sorted(known)}")
        return self


def read_yaml(path: Path) -> Any:
    """The content of a YAML file.

    Raises:
        UserError: the file is missing or is not YAML.
    """
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=YAML_LOADER)
    except FileNotFoundError:
        raise UserError("The file does not exist.", where=str(path), mend="Check the path.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"The file is not valid YAML: {error}", where=str(path), mend="Mend the line named.") from None


def validate(schema: type[T], content: Any, where: Path) -> T:
    """The content as a schema's object; the first errors with their key paths otherwise."""
    try:
        return schema.model_validate(content)
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, e['loc'])) or 'the file'}: {e['msg']}" for e in error.errors()[:5]]
        allowed = ", ".join(schema.model_fields)
        raise UserError(
            f"The file does not fit {schema.__name__}: " + "; ".join(faults),
            where=str(where),
            mend=f"Keys at the top are: {allowed}.",
        ) from None


def load_study(name_or_path: str) -> Study:
    """A study by name (pipelines/studies/NAME.yaml) or by path, with the models that were added to it in the home."""
    path = Path(name_or_path)
    if path.suffix not in {".yaml", ".yml"}:
        path = STUDIES / f"{name_or_path}.yaml"
        if not path.exists():
            known = ", ".join(sorted(p.stem for p in STUDIES.glob("*.yaml")))
            raise UserError(
                f"There is no study {name_or_path!r}.",
                where=str(STUDIES),
                mend=f"Name one of {known}, or a path ending in .yaml.",
            )
    study = validate(Study, read_yaml(path), path)
    return with_added(study, Home.from_environment().models / study.name)


def with_added(study: Study, folder: Path) -> Study:
    """The study with the models of a folder's family files: joined to its own families, or in families beside them.

    Of a family that the project knows and the study does not choose, only the added models are measured. What a family
    states of a model prevails over what the folder says.
    """
    families = {family if isinstance(family, str) else family.family_id: family for family in study.families}
    checkpoints = dict(study.checkpoints)
    for path in sorted(folder.glob("*.yaml")):
        more = validate(FamilySpec, read_yaml(path), path)
        if more.family_id not in families and (FAMILIES / f"{more.family_id}.yaml").exists():
            families[more.family_id] = more.family_id
            checkpoints[more.family_id] = CheckpointChoice(models=[])
        own = load_family(families.get(more.family_id, more))
        listed = [model for model in own.models if not model.added and own is not more]
        stated = {model.model_id: model for model in listed}
        for model in more.models:
            stated[model.model_id] = _filled(stated.get(model.model_id, model), model)
        added = [stated[m.model_id].model_copy(update={"runs": m.runs, "added": True}) for m in more.models]
        models = [*(stated[model.model_id] for model in listed), *added]
        families[more.family_id] = own.model_copy(update={"models": models})
    return study.model_copy(update={"families": list(families.values()), "checkpoints": checkpoints})


def _filled(stated: ModelSpec, added: ModelSpec) -> ModelSpec:
    """What a family states of a model, with what is stated only where it was added."""
    names = added.model_fields_set - {"runs", "facts", "added"}
    more = {name: getattr(added, name) for name in names if getattr(stated, name) in (None, {})}
    facts = {name: added.facts[name] for name in more if name in added.facts}
    return stated.model_copy(update={**more, "facts": {**facts, **stated.facts}})


def load_family(family: str | FamilySpec) -> FamilySpec:
    """A family by id (models/families/ID.yaml), or as it stands in a study."""
    if isinstance(family, FamilySpec):
        return family
    path = FAMILIES / f"{family}.yaml"
    if not path.exists():
        known = ", ".join(sorted(p.stem for p in FAMILIES.glob("*.yaml")))
        raise UserError(f"There is no family {family!r}.", where=str(FAMILIES), mend=f"Known families: {known}.")
    return validate(FamilySpec, read_yaml(path), path)


def digest(content: str) -> str:
    """sha256 of a text, hex."""
    return hashlib.sha256(content.encode()).hexdigest()


def is_id(text: str) -> bool:
    return re.fullmatch(r"[a-z0-9][a-z0-9._-]*", text) is not None
