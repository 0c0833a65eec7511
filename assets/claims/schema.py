"""Claim files: one YAML file per claim under library/, validated whole before anything is decided.

Here: the format, its errors, and the rows of catalog tables `claims` and `advisories`. Not here: what a claim
reads (reading/readings.py), what each kind of estimand needs to be told (estimands/), how it is decided (verdicts.py).
"""

from __future__ import annotations

import datetime as dt
import difflib
import importlib
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from itertools import pairwise, product
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from assets.claims import reference
from assets.claims.estimands.agreement import Agreement
from assets.claims.estimands.association import Association
from assets.claims.estimands.conjunction import Conjunction
from assets.claims.estimands.level import Contrast, Level
from assets.claims.estimands.onset_alike import OnsetAlike
from assets.claims.estimands.onset_law import OnsetLaw
from assets.claims.estimands.onset_trend import OnsetTrend
from assets.claims.estimands.order import Order
from assets.claims.estimands.reliability import Reliability
from assets.claims.estimands.separation import Separation
from assets.claims.estimands.similarity import Similarity
from assets.claims.estimands.trend import Trend
from assets.claims.reading.readings import SUMMARIES, Reading
from assets.probes.registry import Metric, all_metrics
from assets.study import Advisory, Id, Strict, digest, read_yaml, validate
from catalog.errors import UserError
from catalog.record import canonical_json

LIBRARY = Path(__file__).parent / "library"
ADVISORIES = Path(__file__).parent / "advisories"

Estimand = Annotated[
    Level
    | Contrast
    | Conjunction
    | Order
    | OnsetLaw
    | Trend
    | OnsetTrend
    | OnsetAlike
    | Separation
    | Agreement
    | Similarity
    | Association
    | Reliability,
    Field(discriminator="kind"),
]
VerdictLevel = Literal["run", "model", "architecture", "family", "across"]
LEVELS: dict[str, tuple[VerdictLevel, ...]] = {
    "level": ("run", "model", "family", "across"),
    "contrast": ("run", "model", "family", "across"),
    "conjunction": ("run", "model", "family", "across"),
    "order": ("run", "model", "family", "across"),
    "onset_law": ("run", "model", "family", "across"),
    "trend": ("family", "across"),
    "onset_trend": ("family", "across"),
    "onset_alike": ("family", "across"),
    "separation": ("family", "across"),
    "agreement": ("model", "family", "across"),
    "similarity": ("model", "family", "across"),
    "association": ("model", "family", "across"),
    "reliability": ("run", "model", "architecture"),
}
"""Where each kind is defined; elsewhere a claim has no verdict."""

READ_BY_RUN = ("level", "contrast", "conjunction")
"""Kinds that make one number of each run by itself, so that it may be of heads that other metrics choose."""

Dimension = Literal["definition", "summary", "threshold", "input", "split"]
DIMENSIONS_NEEDED = 3
DISTINCT_BY = 0.1
"""Thresholds closer than this share of the larger are one value: .30, .31, .32."""


class SeenBefore(Strict):
    """Data that were known when the criterion was fixed: verdicts on them are exploratory."""

    sources: list[Id] = Field(default_factory=list)
    families: list[Id] = Field(default_factory=list)
    note: str

    def __str__(self) -> str:
        named = [*(f"source {s}" for s in self.sources), *(f"family {f}" for f in self.families)]
        return f"{', '.join(named)}: {self.note}" if named else self.note


class Claim(Strict):
    """A falsifiable statement about models, with everything that decides it."""

    id: Id
    version: int = Field(ge=1)
    """Raised with any change of content: a verdict belongs to (claim, version)."""
    statement: str
    axis: Literal["functional", "developmental", "positional", "relational", "configurational", "behavioural"]
    about: Literal["model", "method"]
    concreteness: Literal["token", "linguistic", "construct"]
    tailored_to: str | None
    """What the claim is fitted to, if anything."""
    citation: str
    estimand: Estimand
    criterion: str
    """The estimand in words."""
    delta: float | None = Field(default=None, gt=0)
    """The smallest effect of interest, in the unit of the estimate."""
    reference_class: str
    """A predicate over design properties (reference.py): the models that the claim is about."""
    refuted_by: str
    """What observation would refute it, in words."""
    criterion_fixed_at: dt.date
    data_seen_before: SeenBefore | None
    levels: list[VerdictLevel]
    specifications: dict[Dimension, dict[str, dict[str, Any]]] = Field(default_factory=dict)
    """Other choices that would have been as good: dimension -> label -> keys of the estimand that it sets."""

    @property
    def gates_others(self) -> bool:
        """Whether it is about an instrument, so that others are refused where it fails, and it is refused nowhere."""
        return isinstance(self.estimand, Reliability)

    @property
    def predicate(self) -> reference.Predicate:
        return reference.parse(self.reference_class, self.id)

    @field_validator("reference_class")
    @classmethod
    def _is_a_predicate(cls, text: str) -> str:
        try:
            reference.parse(text)
        except UserError as error:
            raise ValueError(f"{error.what} {error.mend}") from None
        return text

    @model_validator(mode="after")
    def _levels_are_defined(self) -> Claim:
        undefined = [level for level in self.levels if level not in LEVELS[self.estimand.kind]]
        if undefined:
            raise ValueError(
                f"levels names {', '.join(undefined)}, where {self.estimand.kind} is not defined; "
                f"it is at {', '.join(LEVELS[self.estimand.kind])}"
            )
        if not self.levels:
            raise ValueError("levels is empty: the claim would have no verdict")
        return self

    @model_validator(mode="after")
    def _equivalence_has_a_delta(self) -> Claim:
        if self.estimand.needs_delta and self.delta is None:
            raise ValueError(
                "delta is missing: to show an effect as good as zero, say which effect would be too small to matter"
            )
        return self

    @model_validator(mode="after")
    def _specifications_are_choices(self) -> Claim:
        if not self.specifications:
            return self
        if len(self.specifications) < DIMENSIONS_NEEDED:
            raise ValueError(
                f"specifications needs {DIMENSIONS_NEEDED} dimensions or none, it has {len(self.specifications)}"
            )
        for dimension, alternatives in self.specifications.items():
            if not alternatives:
                raise ValueError(f"specifications.{dimension} names no alternative")
            for label, keys in alternatives.items():
                if self._with(keys) == self.estimand:
                    raise ValueError(f"specifications.{dimension}.{label} is the claim's own choice")
        alternatives = self.specifications.get("threshold", {})
        own = _thresholds(self.estimand.model_dump(mode="json"))
        stated = [_thresholds(keys) for keys in alternatives.values()]
        for path in {path for found in stated for path in found}:
            _check_distinct([found[path] for found in (own, *stated) if path in found])
        return self

    def variants(self) -> dict[str, tuple[dict[str, str], Any]]:
        """Every combination of declared choices but the claim's own: id -> (dimension -> label, estimand)."""
        axes = [
            [(name, "", {}), *((name, label, keys) for label, keys in found.items())]
            for name, found in self.specifications.items()
        ]
        variants: dict[str, tuple[dict[str, str], Any]] = {}
        for combination in product(*axes):
            changed: dict[str, str] = {name: label for name, label, _ in combination if label}
            if changed:
                keys: dict[str, Any] = {}
                for _, _, part in combination:
                    keys = _merged(keys, part)
                variants["+".join(f"{name}={label}" for name, label in changed.items())] = (changed, self._with(keys))
        return variants

    def _with(self, keys: Mapping[str, Any]) -> Any:
        return type(self.estimand).model_validate(_merged(self.estimand.model_dump(mode="json"), keys))


def _merged(base: Mapping[Any, Any], over: Mapping[Any, Any]) -> dict[Any, Any]:
    """`base` with the keys of `over`; mappings inside are merged likewise, elements of lists by their number from 0."""
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        if isinstance(old, list) and isinstance(value, Mapping):
            merged[key] = list(_merged(dict(enumerate(old)), value).values())
        elif isinstance(old, Mapping) and isinstance(value, Mapping):
            merged[key] = _merged(old, value)
        else:
            merged[key] = value
    return merged


def _thresholds(keys: Mapping[Any, Any], inside: str = "") -> dict[str, float]:
    """The thresholds that these keys of an estimand state, by where they stand in it."""
    found: dict[str, float] = {}
    for key, value in keys.items():
        inner = dict(enumerate(value)) if isinstance(value, list) else value
        if isinstance(inner, Mapping):
            found |= _thresholds(inner, f"{inside}{key}.")
        elif key in ("threshold", "passes") and isinstance(value, (int, float)):
            found[f"{inside}{key}"] = value
    return found


def _check_distinct(values: Sequence[float]) -> None:
    ordered = sorted(values)
    for smaller, larger in pairwise(ordered):
        if larger - smaller < DISTINCT_BY * abs(larger) - 1e-12:
            raise ValueError(f"specifications.threshold: {smaller} and {larger} are as good as one value")


@cache
def known_metrics() -> dict[str, Metric]:
    """Every metric that a probe or an importer declares, by id.

    Importers stand beside the claims in the layers, so they are looked up by name rather than imported.
    """
    importers = importlib.import_module("assets.published").importers().values()
    published: Iterable[Metric] = (metric for importer in importers for metric in importer.metrics)
    return {metric.metric_id: metric for metric in (*all_metrics(), *published)}


def load_claim(path: Path, metrics: Mapping[str, Metric] | None = None) -> Claim:
    """One claim file.

    Args:
        path: the YAML file; its name is the claim's id.
        metrics: those that may be named; all known ones where None.

    Raises:
        UserError: naming file, key path and mend.
    """
    content = read_yaml(path)
    claim = validate(Claim, content, path)
    if claim.id != path.stem:
        raise UserError(
            f"The file is named {path.stem} and holds the claim {claim.id}.",
            where=str(path),
            mend=f"Rename it {claim.id}.yaml.",
        )
    _check_specifications(claim, path)
    known = known_metrics() if metrics is None else metrics
    estimands = {
        "estimand": claim.estimand,
        **{f"specifications ({name})": e for name, (_, e) in claim.variants().items()},
    }
    for where, estimand in estimands.items():
        for key, reading in estimand.readings().items():
            _check_kind(estimand.kind, reading, f"{path}, {where}.{key}")
            for inside, part in reading.all.items():
                _check_reading(part, known, f"{path}, {where}.{key}{inside}")
    return claim


def _check_kind(kind: str, reading: Reading, where: str) -> None:
    if reading.ends_there and kind not in READ_BY_RUN:
        raise UserError(
            f"{kind} is of all heads or checkpoints: it knows no at, sender, given, summary mean or list of strata.",
            where=where,
            mend=f"Leave them out, or claim a {', '.join(READ_BY_RUN[:-1])} or {READ_BY_RUN[-1]}.",
        )


def _check_specifications(claim: Claim, path: Path) -> None:
    try:
        claim.variants()
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()[:3])
        raise UserError(
            f"The alternatives can't be combined: {faults}", where=f"{path}, specifications", mend="Mend the key named."
        ) from None


def _check_reading(reading: Reading, known: Mapping[str, Metric], where: str) -> None:
    for name in [*reading.metrics, *([reading.minus] if reading.minus else [])]:
        metric = known.get(name)
        if metric is None:
            near = difflib.get_close_matches(name, known, n=3) or sorted(known)
            raise UserError(f"There is no metric {name!r}.", where=where, mend=f"Perhaps {' or '.join(near)}.")
        if reading.scale == "excess" and not metric.has_excess:
            raise UserError(
                f"The metric {name} has no excess over chance.",
                where=f"{where}.scale",
                mend="Set scale: value or above_chance.",
            )
        allowed = SUMMARIES.get(metric.grain, ())
        if reading.summary not in allowed:
            raise UserError(
                f"The metric {name} has one value per {metric.grain}: {reading.summary} can't be made of them.",
                where=f"{where}.summary",
                mend=f"Set summary: {' or '.join(allowed)}." if allowed else "Name another: claims can't read it.",
            )
        if metric.grain == "head_set" and not all(stratum.startswith("set=") for stratum in reading.strata):
            raise UserError(
                f"The metric {name} has one value per set of heads, and none is named.",
                where=f"{where}.stratum",
                mend="Set stratum: set=top2%, or several in order of preference: [set=top2%, set=top2].",
            )
        if metric.grain == "edge" and (reading.minus or (reading.at and not reading.sender)):
            raise UserError(
                f"The metric {name} has one value per edge between two heads.",
                where=where,
                mend="Name with at the receiver and with sender the sender; subtract with kind: contrast, not minus.",
            )
        if metric.grain != "edge" and reading.sender:
            raise UserError(
                f"The metric {name} has one value per {metric.grain}, which has no sender.",
                where=f"{where}.sender",
                mend="Leave sender out, or name a metric of edges, such as path_effect.",
            )


def load_claims(wanted: Literal["all"] | Sequence[str], folder: Path = LIBRARY) -> list[Claim]:
    """Claims of the library, by id, in the order of ids.

    Raises:
        UserError: there is no claim of that id, or a file is faulty.
    """
    files = {path.stem: path for path in sorted(folder.glob("*.yaml"))}
    if wanted == "all":
        return [_loaded(path, path.stat().st_mtime_ns) for path in files.values()]
    for name in wanted:
        if name not in files:
            near = difflib.get_close_matches(name, files, n=3, cutoff=0.5)
            mend = f"Perhaps {' or '.join(near)}." if near else f"Known claims: {', '.join(files)}."
            raise UserError(f"There is no claim {name!r}.", where=str(folder), mend=mend)
    return [_loaded(files[name], files[name].stat().st_mtime_ns) for name in sorted(set(wanted))]


@cache
def _loaded(path: Path, changed_ns: int) -> Claim:
    """A claim file, read again where it has changed: a publication asks for the library several times."""
    return load_claim(path)


def claim_row(claim: Claim) -> dict[str, Any]:
    """The row of catalog table `claims`, without since_build; comments in the file change nothing."""
    content = claim.model_dump(mode="json")
    deciding = ("delta", "levels", "specifications", "refuted_by", "tailored_to")
    return {
        "claim_id": claim.id,
        "claim_version": claim.version,
        "statement": claim.statement,
        "axis": claim.axis,
        "about": claim.about,
        "concreteness": claim.concreteness,
        "citation": claim.citation,
        "estimand": {**content["estimand"], **{key: content[key] for key in deciding}},
        "criterion": claim.criterion,
        "criterion_fixed_at": claim.criterion_fixed_at,
        "data_seen_before": None if claim.data_seen_before is None else str(claim.data_seen_before),
        "reference_class": claim.reference_class,
        "file_sha256": digest(canonical_json(content)),
    }


def load_advisories(folder: Path = ADVISORIES) -> list[Advisory]:
    """Known faults of instruments, models and checkpoints, in the order of file names.

    Raises:
        UserError: a file is faulty.
    """
    return [validate(Advisory, read_yaml(path), path) for path in sorted(folder.glob("*.yaml"))]
