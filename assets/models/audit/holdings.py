"""What a hub holds of training runs, as its metadata tell: revisions, sizes and hashes. Pure; no requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from assets.models.files import PICKLES
from assets.study import is_id
from catalog.record import sha256_of


@dataclass(frozen=True)
class File:
    """A file of a commit.

    Attributes:
        size: bytes.
        sha256: of its content; git's name of the content where it stands outside large-file storage.
    """

    size: int
    sha256: str


@dataclass(frozen=True)
class Holding:
    """One checkpoint as the hub describes it.

    Attributes:
        commit_sha: the commit of its revision.
        weights_sha256: over its safetensors, as the record has it once they are fetched; None where there are none.
        bytes: size of what the weights take.
        pickle: the name of a pickle where there are no safetensors.
    """

    run_id: str
    label: str
    step: int | None
    commit_sha: str
    weights_sha256: str | None
    bytes: int
    pickle: str | None = None

    @property
    def checkpoint_id(self) -> str:
        return f"{self.run_id}@{self.label}"


@dataclass(frozen=True)
class Revision:
    """A checkpoint that a repository names, before its files were listed."""

    label: str
    step: int | None
    commit_sha: str


@dataclass(frozen=True)
class RunHoldings:
    """What a hub holds of one training run.

    Attributes:
        form: how its revisions are named; training runs of one family and form share a grid of steps.
        revisions: all checkpoints that the repository names, in order of steps.
        named_steps: steps that the study or the family names one by one; None = all there are.
        holdings: those whose files were listed.
        main: the repository's main branch, where it is not itself the checkpoint.
        fault: why the repository could not be asked.
    """

    run_id: str
    model_id: str
    family_id: str
    repository: str
    form: str | None
    revisions: tuple[Revision, ...] = ()
    named_steps: tuple[int, ...] | None = None
    holdings: tuple[Holding, ...] = ()
    main: Holding | None = None
    fault: str | None = None

    @property
    def steps(self) -> dict[int, str]:
        """Labels by step, in order."""
        return {revision.step: revision.label for revision in self.revisions if revision.step is not None}

    def label_at(self, step: int) -> str:
        """The label that a checkpoint of this step would have, where no other run shows it."""
        label = (self.form or "").replace("{step}", str(step))
        return label if is_id(label) else f"step{step}"

    @property
    def chosen(self) -> list[Holding]:
        """Those that the study measures: others were listed to compare them with."""
        return [each for each in self.holdings if self.named_steps is None or each.step in self.named_steps]

    @property
    def final(self) -> Holding | None:
        """Its last checkpoint, where that one's files were listed."""
        last = self.revisions[-1].label if self.revisions else None
        return next((holding for holding in self.holdings if holding.label == last), None)


def holding(run_id: str, revision: Revision, files: Mapping[str, File]) -> Holding:
    """A checkpoint from the files of its commit, by path; those in folders are none of the checkpoint's own."""
    own = {name: file for name, file in files.items() if "/" not in name}
    weights = {name: file for name, file in own.items() if name.endswith(".safetensors")}
    pickles = sorted(name for name in own if name.endswith(PICKLES))
    return Holding(
        run_id=run_id,
        label=revision.label,
        step=revision.step,
        commit_sha=revision.commit_sha,
        weights_sha256=_sha256(weights),
        bytes=sum(file.size for file in weights.values()),
        pickle=pickles[0] if pickles and not weights else None,
    )


def _sha256(weights: Mapping[str, File]) -> str | None:
    """As files.sha256_files gives it for the same files on disk."""
    if len(weights) == 1:
        return next(iter(weights.values())).sha256
    lines = "".join(f"{weights[name].sha256}  {name}\n" for name in sorted(weights))
    return sha256_of(lines.encode()) if weights else None


def siblings(run: RunHoldings, runs: Sequence[RunHoldings]) -> list[RunHoldings]:
    """The other training runs that should have the same steps: of the same family and form of names, and of the same
    model or with the same last step."""

    def is_sibling(other: RunHoldings) -> bool:
        same_grid = other.family_id == run.family_id and other.form == run.form and other.run_id != run.run_id
        ends_alike = other.steps and run.steps and max(other.steps) == max(run.steps)
        return bool(same_grid and other.steps and (other.model_id == run.model_id or ends_alike))

    return [other for other in runs if is_sibling(other)]
