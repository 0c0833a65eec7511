"""Results of benchmarks in the schema of Every Eval Ever (https://github.com/evaleval/every_eval_ever), as others
published them: JSON files of its data store, at any depth of a folder.

Each evaluation and metric of a file becomes a metric of its own; the data set, the metric's parameters and the settings
of generation make its variant, since scores of different settings are not one measurement. Models are told by the id
of their repository, or by their name here; one that no family states is refused, since its design is not known.
Not here: writing such files (catalog/exchange/every_eval_ever.py), the scores of single items (*_samples.jsonl).
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, Field, ValidationError

from assets.models.hub.revisions import HubRuns, label_of
from assets.models.runs import training_runs
from assets.probes.registry import Measurement, Metric, Parameters, canonical
from assets.published import ImportedCheckpoint
from assets.study import FAMILIES, Study, digest
from catalog.errors import UserError

VERSIONS = ("0.2", "0.3")
LONGEST_PART = 60
Number = Annotated[float, Field(allow_inf_nan=False)]


class _StandardError(BaseModel):
    value: Number


class _Uncertainty(BaseModel):
    standard_error: _StandardError | None = None
    num_samples: int | None = None


class _Score(BaseModel):
    score: Number
    uncertainty: _Uncertainty | None = None


class _MetricConfig(BaseModel):
    lower_is_better: bool
    evaluation_description: str | None = None
    metric_id: str | None = None
    metric_name: str | None = None
    metric_unit: str | None = None
    metric_parameters: dict[str, str | bool | float | None] = {}
    min_score: float | str | None = None
    max_score: float | str | None = None


class _SourceData(BaseModel):
    dataset_name: str
    hf_split: str | None = None


class _Result(BaseModel):
    evaluation_name: str
    source_data: _SourceData
    metric_config: _MetricConfig
    score_details: _Score
    generation_config: dict[str, Any] | None = None


class _Model(BaseModel):
    id: str
    additional_details: dict[str, Any] = {}


class _Source(BaseModel):
    source_organization_name: str
    source_name: str | None = None
    source_organization_url: str | None = None


class _Record(BaseModel):
    """What is read of a file; the schema has more."""

    schema_version: str
    evaluation_id: str
    source_metadata: _Source
    model_info: _Model
    evaluation_results: Annotated[list[_Result], Field(min_length=1)]


@dataclass(frozen=True)
class EveryEvalEver:
    """The importer; `path` is a folder of the data store, or of a part of it."""

    name: str = "every_eval_ever"
    version: int = 1
    metrics: tuple[Metric, ...] = ()
    how_to_get: str = (
        "hf download evaleval/EEE_datastore --repo-type dataset --include 'data/BENCHMARK/DEVELOPER/MODEL/*'"
    )

    def source(self, path: Path) -> dict[str, Any]:
        """The row of catalog table `sources`: the store as a whole; each metric cites who published its scores."""
        return {
            "source_id": self.name,
            "kind": "published",
            "citation": "Batzner, J. et al. (2026). Every Eval Ever: A Unifying Schema and Community Repository for AI "
            "Evaluation Results. arXiv 2606.14516; each metric's citation names who published the scores",
            "url": "https://huggingface.co/datasets/evaleval/EEE_datastore",
            "licence": "none",
            "may_redistribute": False,
            "known_on": None,
        }

    def files(self, path: Path) -> list[Path]:
        """The JSON files in `path` or below it.

        Raises:
            UserError: there are none.
        """
        found = sorted(path.rglob("*.json"))
        if not found:
            raise UserError(
                "There are no records of Every Eval Ever.",
                where=str(path),
                mend=f"Name a folder of them ({self.how_to_get}).",
            )
        return found

    def read(self, file: Path) -> Iterator[ImportedCheckpoint]:
        """The one checkpoint of a file, a value for each of its results.

        Raises:
            UserError: the file is no such record, its model is in no family, or it holds a result twice.
        """
        content, record = _read(file)
        known = _known_model(record.model_info.id)
        if known is None:
            raise UserError(
                f"The model {record.model_info.id!r} is in no family.",
                where=str(file),
                mend="State it in a file of assets/models/families with its design and its sources, or leave the file "
                "out: name the folder of the models that you want.",
                lasting=True,
            )
        label = label_of(str(record.model_info.additional_details.get("revision") or "main"))
        read = [_measured(result, record.source_metadata) for result in record.evaluation_results]
        _refuse_twice([measurement for _, measurement in read], file)
        yield ImportedCheckpoint(
            checkpoint_id=f"{known.run_id}@{label}",
            run_id=known.run_id,
            model_id=known.model_id,
            family_id=known.family_id,
            seed=known.seed,
            label=label,
            step=_step(label),
            tokens_seen=None,
            is_final=label == "main",
            data_set=record.evaluation_id,
            file=file.name,
            file_sha256=hashlib.sha256(content).hexdigest(),
            measurements=tuple(measurement for _, measurement in read),
            metrics=tuple({metric.metric_id: metric for metric, _ in read}.values()),
        )


@dataclass(frozen=True)
class _Known:
    """A training run of a family, by one of its names."""

    family_id: str
    model_id: str
    run_id: str
    seed: int | None


def _read(file: Path) -> tuple[bytes, _Record]:
    try:
        content = file.read_bytes()
    except OSError as error:
        raise UserError(
            f"The file can't be read: {error.strerror}.", where=str(file), mend="Mend its rights."
        ) from None
    try:
        record = _Record.model_validate(json.loads(content))
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, e['loc'])) or 'the file'}: {e['msg']}" for e in error.errors()[:5]]
        raise _fault(file, "; ".join(faults)) from None
    except ValueError as error:
        raise _fault(file, f"it is not JSON ({error})") from None
    if not record.schema_version.startswith(tuple(f"{version}." for version in VERSIONS)):
        raise _fault(file, f"schema_version: {record.schema_version!r} is none of {', '.join(VERSIONS)}")
    return content, record


def _measured(result: _Result, source: _Source) -> tuple[Metric, Measurement]:
    config, uncertainty = result.metric_config, result.score_details.uncertainty
    named = config.metric_id or config.metric_name or "score"
    better = "lower" if config.lower_is_better else "higher"
    publisher = (source.source_organization_name, source.source_name, source.source_organization_url)
    metric = Metric(
        metric_id=f"eee.{_part(result.evaluation_name)}.{_part(named)}",
        construct="benchmark",
        method="behaviour",
        grain="checkpoint",
        unit=config.metric_unit or "score",
        definition=f"{result.evaluation_name}, {config.metric_name or named}, as its publisher states it; {better} is "
        f"better. {config.evaluation_description or ''}".strip(),
        citation=", ".join(filter(None, publisher)),
        lower=config.min_score if isinstance(config.min_score, float) else None,
        upper=config.max_score if isinstance(config.max_score, float) else None,
    )
    error = uncertainty.standard_error if uncertainty else None
    measurement = Measurement(
        metric.metric_id,
        _parameters(result),
        result.score_details.score,
        standard_error=error.value if error else None,
        n=uncertainty.num_samples if uncertainty else None,
    )
    return metric, measurement


def _parameters(result: _Result) -> Parameters:
    """What tells variants apart, in short ids: they become names of files."""
    found = {"data": _part(result.source_data.dataset_name), "split": _part(result.source_data.hf_split or "")}
    for name, content in (
        ("parameters", result.metric_config.metric_parameters),
        ("generation", result.generation_config),
    ):
        found[name] = digest(canonical(content))[:12] if content else ""
    return {name: value for name, value in found.items() if value}


def _part(text: str) -> str:
    """A text as a short part of an id; other texts, but for case and spaces, are other parts."""
    plain = re.sub(r"\s+", "_", text.strip().lower())
    part = re.sub(r"[^a-z0-9._-]+", "-", plain).strip("._-")
    if part == plain and len(part) <= LONGEST_PART:
        return part
    return f"{part[: LONGEST_PART - 9]}-{digest(plain)[:8]}".lstrip("-")


def _known_model(repository: str) -> _Known | None:
    """The training run that a model's id means: by its repository, else by its name here."""
    names = _names()
    return names.get(repository.lower()) or names.get(repository.lower().rpartition("/")[2])


@functools.cache
def _names() -> dict[str, _Known]:
    """Training runs of all families by id and by repository, in lower case; of the models of one repository the one
    that is its main branch."""
    families = [path.stem for path in sorted(FAMILIES.glob("*.yaml"))]
    found: dict[str, _Known] = {}
    for run in training_runs(Study(name="all", families=list(families), probes=[])):
        known = _Known(run.family_id, run.model.model_id, run.run_id, run.seed)
        if isinstance(run.spec, HubRuns):
            repository = run.spec.repository(run.seed).lower()
            if repository not in found or run.spec.revisions is None:
                found[repository] = known
        found[run.run_id] = known
    return found


def _step(label: str) -> int | None:
    found = re.search(r"step(\d+)", label)
    return int(found[1]) if found else None


def _refuse_twice(measurements: list[Measurement], file: Path) -> None:
    seen: set[tuple[str, str]] = set()
    for measurement in measurements:
        at = measurement.metric_id, canonical(measurement.parameters)
        if at in seen:
            raise _fault(file, f"evaluation_results hold {measurement.metric_id} twice with the same settings")
        seen.add(at)


def _fault(file: Path, what: str) -> UserError:
    return UserError(
        f"The file is no record of Every Eval Ever: {what}.",
        where=str(file),
        mend="Check it with `every_eval_ever validate FILE`, or fetch it again.",
    )


IMPORTER = EveryEvalEver()
