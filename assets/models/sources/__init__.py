"""Where checkpoints come from: one module a kind of source, each holding a `SOURCE`.

Here: the protocol and the list. Not here: holding one checkpoint while the next is fetched (models/ahead.py). Adding a
source is one new module; the key under a model's `runs` in a family or study file is its `kind`. Modules load without
torch; what trains or reads weights imports it inside functions.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from assets.models import files
from assets.study import CheckpointChoice, ModelSpec
from catalog.errors import UserError
from catalog.home import Home

Say = Callable[[str], None]
"""Takes one line about progress; a terminal or Dagster's log shows it."""
AT_ONCE = 8
"""Training runs that are planned at a time: a hub answers one request a run."""


@dataclass(frozen=True)
class TrainingRun:
    """One training of a model, as planned: everything a source needs to make or find its checkpoints."""

    run_id: str
    family_id: str
    role: str
    model: ModelSpec
    kind: str
    """Kind of source."""
    spec: Any
    """The validated `runs`, as the source's `seeds` returned it."""
    seed: int | None
    choice: CheckpointChoice

    def checkpoint_id(self, label: str) -> str:
        return f"{self.run_id}@{label}"

    @property
    def init_seed(self) -> int | None:
        """The seed, where the source says that it sets the initialisation."""
        return self.seed if getattr(self.spec, "seed_of", None) in {"initialisation", "both"} else None

    @property
    def data_seed(self) -> int | None:
        """The seed, where the source says that it sets the order of the data."""
        return self.seed if getattr(self.spec, "seed_of", None) in {"data", "both"} else None


@dataclass(frozen=True)
class Planned:
    """A checkpoint that a source promises, before any of its bytes were seen."""

    label: str
    step: int | None
    tokens_seen: int | None
    is_final: bool
    """Whether it is the last one of its run, chosen by the study or not."""
    revision: str
    """What pins it: the recipe's digest, a file's sha256, a commit. Known without torch and, but for hubs, offline."""


@dataclass(frozen=True)
class Pinned:
    """A checkpoint whose bytes are known; the columns of catalog table `checkpoint_weights` say what each field is."""

    planned: Planned
    folder: Path
    """Holds config.json and, where the model has one, tokenizer files (Hugging Face layout); and *.safetensors, but for
    a source that has them only while they are held."""
    weights_sha256: str
    config_sha256: str
    tokenizer_sha256: str | None
    location: str
    commit_sha: str | None
    format: str
    precision: str
    bytes: int


class Source(Protocol):
    """A way to come by the checkpoints of a training run."""

    kind: str

    def seeds(self, runs: Mapping[str, Any], where: str) -> tuple[Any, list[int | None]]:
        """Validates a model's `runs`, its key `kind` and the source's options beside it.

        Returns:
            The spec, and one seed (None where there is no number) per training run.

        Raises:
            UserError: the content does not fit; `where` names the file and key.
        """

    def plan(self, run: TrainingRun, home: Home) -> list[Planned]:
        """The run's checkpoints that the study chose, in order of steps, without torch.

        Only `hub` may need the network here.
        """

    def pin(self, run: TrainingRun, planned: list[Planned], home: Home, say: Say) -> Iterator[Pinned]:
        """Makes or finds these checkpoints one after the other, each hashed when it is yielded.

        What was finished before is found again, not made again.
        """

    def held(
        self, run: TrainingRun, pinned: Pinned, home: Home, say: Say, *, ahead: bool = False
    ) -> AbstractContextManager[Path]:
        """A folder with the checkpoint's weights, complete and kept for as long as the block runs.

        Args:
            run: the training run.
            pinned: the checkpoint, as `pin` yielded it.
            home: where weights are kept.
            say: told what is fetched.
            ahead: nobody waits for the weights yet.

        Raises:
            NoRoomYet: `ahead`, and there is no room as long as others use theirs.
            UserError: the weights can't be had.
        """

    def to_fetch(self, run: TrainingRun, planned: Planned, home: Home) -> int | None:
        """Bytes of weights that `held` would fetch, without a request; None where that is not known yet."""

    def seconds(self, run: TrainingRun, planned: Sequence[Planned], home: Home) -> float | None:
        """About how long making or fetching these takes, from what it took here before; None = unknown."""


class OnDisk:
    """What sources share whose weights stand on disk once they are pinned."""

    @contextmanager
    def held(self, run: TrainingRun, pinned: Pinned, home: Home, say: Say, *, ahead: bool = False) -> Iterator[Path]:
        yield pinned.folder

    def to_fetch(self, run: TrainingRun, planned: Planned, home: Home) -> int | None:
        return 0


class NoRoomYet(UserError):
    """There is no room for weights as long as others use theirs."""


@cache
def sources() -> dict[str, Source]:
    """All sources by kind."""
    found: dict[str, Source] = {}
    for module in pkgutil.iter_modules(__path__):
        source = getattr(importlib.import_module(f"{__name__}.{module.name}"), "SOURCE", None)
        if source is not None:
            found[source.kind] = source
    return dict(sorted(found.items()))


def source_named(kind: str, where: str) -> Source:
    """A source by kind.

    Raises:
        UserError: there is none of that kind.
    """
    try:
        return sources()[kind]
    except KeyError:
        raise UserError(
            f"There is no source of kind {kind!r}.",
            where=where,
            mend=f"Under `runs` stands one of: {', '.join(sources())}.",
        ) from None


def chosen(run: TrainingRun, listed: list[Planned]) -> list[Planned]:
    """Those of a run's checkpoints that the study chose.

    Raises:
        UserError: the study names steps that the source does not list.
    """
    if run.choice.steps is None:
        return listed
    unknown = sorted(set(run.choice.steps) - {checkpoint.step for checkpoint in listed if checkpoint.step is not None})
    if unknown:
        known = ", ".join(str(checkpoint.step) for checkpoint in listed)
        raise UserError(
            f"The training run {run.run_id} has no checkpoint at step {', '.join(map(str, unknown))}.",
            where=f"checkpoints.{run.family_id}.steps of the study",
            mend=f"Its steps are: {known}.",
        )
    return [checkpoint for checkpoint in listed if checkpoint.step in run.choice.steps]


def check_place(place: str, seeds: list[int] | None, where: str) -> None:
    """A folder or repository that differs by seed must say where the seed stands in its name.

    Raises:
        UserError: there is `{seed}` without seeds, or seeds that share one place.
    """
    if ("{seed}" in place) != (seeds is not None):
        raise UserError(
            f"`{{seed}}` in {place!r} and the key `seeds` belong together.",
            where=where,
            mend="Give both, as in {hub: 'EleutherAI/pythia-70m-seed{seed}', seeds: [1, 2]}, or neither.",
        )


def seeds_or_none(seeds: list[int] | None) -> list[int | None]:
    """One entry per training run: its seed, or None for a single run without one."""
    return [None] if seeds is None else list(dict.fromkeys(seeds))


def pin_folder(planned: Planned, folder: Path, *, location: str, commit_sha: str | None = None) -> Pinned:
    """Checks and hashes a folder of safetensors.

    Raises:
        UserError: files are missing, refused or damaged.
    """
    weights = files.weight_files(folder)
    return Pinned(
        planned=planned,
        folder=folder,
        weights_sha256=files.sha256_files(weights),
        config_sha256=files.config_sha256(folder),
        tokenizer_sha256=files.tokenizer_sha256(folder),
        location=location,
        commit_sha=commit_sha,
        format="safetensors",
        precision=files.precision(weights),
        bytes=sum(path.stat().st_size for path in weights),
    )


@dataclass(frozen=True)
class Refused:
    """A checkpoint that could not be had, why, and whether that lasts (UserError.lasting)."""

    planned: Planned
    reason: str
    lasting: bool = False
    """Whether the same bytes will be refused again."""

    @classmethod
    def by(cls, error: UserError, planned: Planned) -> Refused:
        return cls(planned, str(error), error.lasting)


def plan_each(runs: Sequence[TrainingRun], home: Home) -> list[list[Planned]]:
    """Every run's planned checkpoints; a hub is asked for several repositories at once.

    Raises:
        UserError: as the first run's source that raises one.
    """
    pool = ThreadPoolExecutor(AT_ONCE)
    try:
        return list(pool.map(lambda run: source_named(run.kind, run.run_id).plan(run, home), runs))
    finally:
        pool.shutdown(cancel_futures=True)


def pin_each(run: TrainingRun, planned: list[Planned], home: Home, say: Say) -> Iterator[Pinned | Refused]:
    """Pins one checkpoint after the other, and goes on after one that can't be had."""
    source, remaining = source_named(run.kind, run.run_id), list(planned)
    while remaining:
        try:
            for pinned in source.pin(run, list(remaining), home, say):
                remaining.pop(0)
                yield pinned
        except UserError as error:
            yield Refused.by(error, remaining.pop(0))
