"""What is new on a hub since it was last looked at: revisions of a study's training runs, repositories under `watch`.

`look` takes what is remembered and gives what is new, each once, and what to remember from then on. A look asks a
bounded number of questions, one after the other; the next one goes on where it stopped. When the hub says that it is
asked too much, or does not answer, the look ends and says until when to wait. Torch-free and without Dagster.

Here: deciding what is new. Not here: asking for runs and keeping the cursor (pipelines/sensors.py), adding a model to a
study (models/added.py).
"""

from __future__ import annotations

import datetime as dt
import fnmatch
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from assets.models.added import add
from assets.models.hub.client import HubUnreachable, told_by_hub
from assets.models.hub.repositories import commits_of, look_at
from assets.models.hub.revisions import checkpoints_of
from assets.models.runs import training_runs
from assets.models.sources import TrainingRun, chosen
from assets.study import Study, Watch, digest
from catalog.errors import UserError
from catalog.home import Home
from catalog.record import Record, canonical_json

MOST_QUESTIONS = 40
"""Repositories asked about in one look."""
MOST_S = 30
"""Seconds after which a look asks no more."""
LISTED = 100
"""Repositories of an organisation that one answer lists, the newest first."""
MOST_WAITING = 200
"""Repositories remembered that match and can't be measured yet."""
WAIT_S = (300, 6 * 3600)
"""How long to wait where the hub does not say: doubled with each look that failed, from the first to the last."""
DERIVED = (
    *("gguf", "ggml", "gptq", "awq", "exl2", "mlx", "onnx", "openvino", "bnb", "quantized", "quantised"),
    *("int4", "int8", "4bit", "8bit", "fp8", "nf4", "lora", "qlora", "adapter", "adapters", "peft"),
)
"""Words in names of repositories that hold other bytes of a model than those it was trained to."""


class Watched(BaseModel):
    """What is remembered of one entry under `watch`."""

    model_config = ConfigDict(extra="forbid")

    newest: str
    """When the newest repository that was seen was made; only later ones are new."""
    waiting: dict[str, str] = Field(default_factory=dict)
    """New ones that can't be measured yet, with the time of their last change; looked at again when it changes."""


class Remembered(BaseModel):
    """What a look leaves to the next one; JSON in the sensor's cursor."""

    model_config = ConfigDict(extra="forbid")

    asked: dict[str, str] = Field(default_factory=dict)
    """Digest of the commits that were seen last, by training run."""
    watched: dict[str, Watched] = Field(default_factory=dict)
    """By ORGANISATION/NAMES."""
    next_run: str | None = None
    """The training run at which the next look begins."""
    failed: int = 0
    """Looks in a row that the hub did not answer to the end."""
    wait_until: float = 0
    """Seconds since 1970 before which the hub is not asked."""

    @classmethod
    def read(cls, cursor: str | None) -> Remembered:
        """From a cursor; a cursor of another version is as good as none."""
        try:
            return cls.model_validate_json(cursor) if cursor else cls()
        except ValidationError:
            return cls()


@dataclass(frozen=True)
class NewRevisions:
    """A training run with checkpoints that were never measured."""

    run_id: str
    digest: str
    """Of all its commits."""

    @property
    def key(self) -> str:
        return f"{self.run_id}@{self.digest}"


@dataclass
class Look:
    """What one look found.

    Attributes:
        new: training runs with new revisions, each told once.
        added: repositories added to the study now.
        notes: what could not be followed, in words.
        stopped: why the look ended early, None where it did not.
        remembered: for the next look.
    """

    new: list[NewRevisions] = field(default_factory=list)
    added: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    stopped: str | None = None
    remembered: Remembered = field(default_factory=Remembered)


class _Enough(Exception):
    """The look has asked enough."""


@dataclass
class _Budget:
    left: int
    until: float

    def spend(self) -> None:
        if self.left == 0 or time.monotonic() > self.until:
            raise _Enough
        self.left -= 1


def look(study: Study, home: Home, remembered: Remembered, most: int = MOST_QUESTIONS) -> Look:
    """Looks once. The study's training runs and watched repositories are asked about in turn.

    What the record holds is not new, also where nothing is remembered. The first look at an entry under `watch` takes
    stock: repositories that were made later are new.
    """
    found, budget = Look(remembered=remembered.model_copy(deep=True)), _Budget(most, time.monotonic() + MOST_S)
    if time.time() < remembered.wait_until:
        found.stopped = f"waiting until {_clock(remembered.wait_until)}, as the hub asked or did not answer"
        return found
    try:
        for watch in study.watch:
            study = _look_for_repositories(study, home, watch, found, budget)
        _look_at_revisions(study, home, found, budget)
    except _Enough:
        pass
    except UserError as error:
        _wait(found, error)
        return found
    found.remembered.failed = 0
    return found


def _look_at_revisions(study: Study, home: Home, found: Look, budget: _Budget) -> None:
    runs = [run for run in training_runs(study) if run.kind == "hub"]
    remembered, record = found.remembered, Record(home)
    remembered.asked = {run.run_id: remembered.asked[run.run_id] for run in runs if run.run_id in remembered.asked}
    for run in _from(runs, remembered.next_run):
        remembered.next_run = run.run_id
        budget.spend()
        try:
            planned = chosen(run, checkpoints_of(run.spec, run.seed, commits_of(run.spec.repository(run.seed))))
        except UserError as error:
            _give_up_if_unanswered(error)
            found.notes.append(f"{run.run_id}: {error.what}")
            continue
        commits = digest(canonical_json([[each.label, each.revision] for each in planned]))[:12]
        if remembered.asked.get(run.run_id) != commits:
            remembered.asked[run.run_id] = commits
            if any(not _is_known(record, run.checkpoint_id(each.label), each.revision) for each in planned):
                found.new.append(NewRevisions(run.run_id, commits))
    remembered.next_run = None


def _from(runs: list[TrainingRun], run_id: str | None) -> list[TrainingRun]:
    """The runs in order, beginning with this one."""
    start = next((i for i, run in enumerate(runs) if run.run_id == run_id), 0)
    return runs[start:] + runs[:start]


def _is_known(record: Record, checkpoint_id: str, commit: str) -> bool:
    rows = record.latest("checkpoints", checkpoint_id) or {}
    return any(row["revision"] == commit for row in rows.get("checkpoint_weights", []))


def _look_for_repositories(study: Study, home: Home, watch: Watch, found: Look, budget: _Budget) -> Study:
    """Adds the repositories that are new and can be measured; the study with them."""
    budget.spend()
    name = f"{watch.organisation}/{watch.names}"
    listed = list(_listed(watch))
    newest = max((made for _, made, _ in listed), default="")
    if name not in found.remembered.watched:
        found.remembered.watched[name] = Watched(newest=newest)
        return study
    state = found.remembered.watched[name]
    for repository, made, changed in listed:
        is_new = made > state.newest and repository not in state.waiting
        if is_new or state.waiting.get(repository, changed) != changed:
            state.waiting[repository] = ""  # where the look ends here, the next one looks at it
    state.newest = max(newest, state.newest)
    for repository, _, changed in listed:
        if state.waiting.get(repository) == "":
            budget.spend()
            try:
                study = add(home, study, look_at(repository), watch.family, watch.revisions).study
            except UserError as error:
                _give_up_if_unanswered(error)
                found.notes.append(f"{repository}: {error.what}")
                state.waiting[repository] = changed
                continue
            del state.waiting[repository]
            found.added.append(repository)
    state.waiting = dict(list(state.waiting.items())[-MOST_WAITING:])
    return study


def _listed(watch: Watch) -> Iterator[tuple[str, str, str]]:
    """The newest of an organisation's repositories that match: name, when it was made and last changed."""
    from huggingface_hub import HfApi

    longest = max(re.split(r"[*?]", watch.names), key=len)
    with told_by_hub(watch.organisation):
        models = list(
            HfApi().list_models(
                author=watch.organisation, search=longest or None, sort="created_at", limit=LISTED, full=True
            )
        )
    for model in models:
        name = model.id.partition("/")[2]
        if fnmatch.fnmatchcase(name, watch.names) and not _is_derived(name, watch.names):
            yield model.id, _iso(model.created_at), _iso(model.last_modified)


def _is_derived(name: str, pattern: str) -> bool:
    """Whether a name says that the bytes are others than those that were trained, and the pattern asks for no such."""

    def words(text: str) -> set[str]:
        return set(re.split(r"[^a-z0-9]+", text.lower()))

    return bool(words(name) & set(DERIVED) - words(pattern))


def _iso(when: dt.datetime | None) -> str:
    return when.isoformat(timespec="milliseconds") if when else ""


def _give_up_if_unanswered(error: UserError) -> None:
    """Raises what concerns every question, not the one repository."""
    if isinstance(error, HubUnreachable) or _status(error) in {429, *range(500, 600)}:
        raise error


def _status(error: UserError) -> int | None:
    return getattr(getattr(error.__cause__, "response", None), "status_code", None)


def _wait(found: Look, error: UserError) -> None:
    """Until when the hub is left alone: as long as it says, else longer after each look that failed."""
    found.remembered.failed += 1
    shortest, longest = WAIT_S
    doubled = min(shortest * 2 ** (found.remembered.failed - 1), longest)
    found.remembered.wait_until = time.time() + (_asked_to_wait(error) or doubled)
    found.stopped = f"{error.what.splitlines()[0]} Waiting until {_clock(found.remembered.wait_until)}."


def _asked_to_wait(error: UserError) -> float | None:
    """Seconds that the hub's answer names: Retry-After (seconds or a date), or the RateLimit header's t."""
    headers: Any = getattr(getattr(error.__cause__, "response", None), "headers", {})
    stated = headers.get("Retry-After", "")
    if stated.isdigit():
        return float(stated)
    if stated:
        try:
            return max(0.0, parsedate_to_datetime(stated).timestamp() - time.time())
        except ValueError:
            return None
    reset = re.search(r"\bt=(\d+)", headers.get("RateLimit", "")) if _status(error) == 429 else None
    return float(reset[1]) if reset else None


def _clock(seconds: float) -> str:
    return f"{dt.datetime.fromtimestamp(seconds, dt.UTC):%Y-%m-%d %H:%M:%S} UTC"
