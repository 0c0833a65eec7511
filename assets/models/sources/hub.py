"""Checkpoints of a model hub: `runs: {hub: "EleutherAI/pythia-70m-seed{seed}", seeds: [1], revisions: "step{step}"}`.

Without `revisions` the repository's main branch is the one checkpoint; with it every branch or tag of that form is one,
or those of `steps`. Revisions are resolved to commits when planning; only safetensors, configuration and tokenizer
files are fetched, into weights/hub, and a checkpoint's files are removed once it was measured. HF_ENDPOINT may name
another hub.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

from pydantic import NonNegativeInt, PositiveInt, StringConstraints

from assets.models.files import TOKENIZER_FILES, refuse_pickles
from assets.models.sources import Pinned, Planned, Say, TrainingRun, check_place, chosen, pin_folder, seeds_or_none
from assets.study import Strict, validate
from catalog.errors import UserError
from catalog.home import Home
from catalog.record import told_plainly

WANTED = ("config.json", "generation_config.json", "model.safetensors.index.json", *TOKENIZER_FILES)


class HubRuns(Strict):
    """`runs` of a model whose repositories stand on a hub."""

    hub: str
    seeds: list[NonNegativeInt] | None = None
    revisions: Annotated[str, StringConstraints(pattern=r"\{step\}")] | None = None
    steps: list[NonNegativeInt] | None = None
    tokens_per_step: PositiveInt | None = None

    def repository(self, seed: int | None) -> str:
        return self.hub.replace("{seed}", str(seed))


class Hub:
    """Fetches from a model hub."""

    kind = "hub"

    def seeds(self, runs: Mapping[str, Any], where: str) -> tuple[HubRuns, list[int | None]]:
        spec = validate(HubRuns, runs, Path(where))
        check_place(spec.hub, spec.seeds, where)
        if spec.steps is not None and spec.revisions is None:
            raise UserError(
                "`steps` says nothing without `revisions`.",
                where=where,
                mend='Add revisions: "step{step}", or what fits.',
            )
        return spec, seeds_or_none(spec.seeds)

    def plan(self, run: TrainingRun) -> list[Planned]:
        from huggingface_hub import HfApi

        spec, repository = run.spec, run.spec.repository(run.seed)
        with told_by_hub(repository):
            refs = HfApi().list_repo_refs(repository)
        commits = {ref.name: ref.target_commit for ref in (*refs.tags, *refs.branches)}
        if spec.revisions is None:
            return chosen(run, [Planned("main", None, None, True, _commit(commits, "main", repository))])
        steps = sorted(spec.steps or _steps(spec.revisions, commits))
        if not steps:
            raise UserError(
                f"The repository has no revision of the form {spec.revisions}.",
                where=repository,
                mend=f"Its revisions are: {', '.join(sorted(commits)[:10])}.",
            )
        per_step = spec.tokens_per_step
        listed = [
            Planned(
                label=f"step{step}",
                step=step,
                tokens_seen=None if per_step is None else per_step * step,
                is_final=step == steps[-1],
                revision=_commit(commits, spec.revisions.replace("{step}", str(step)), repository),
            )
            for step in steps
        ]
        return chosen(run, listed)

    def pin(self, run: TrainingRun, planned: list[Planned], home: Home, say: Say) -> Iterator[Pinned]:
        from huggingface_hub import HfApi, snapshot_download

        repository, cache = run.spec.repository(run.seed), home.weights / self.kind
        for checkpoint in planned:
            where = f"{repository} at {checkpoint.label} ({checkpoint.revision})"
            with told_by_hub(where), told_plainly(cache):
                names = HfApi().list_repo_files(repository, revision=checkpoint.revision)
                refuse_pickles([name for name in names if "/" not in name], where)
                wanted = [name for name in names if _is_wanted(name)]
                say(f"{where}: fetching {len(wanted)} files")
                folder = snapshot_download(
                    repository, revision=checkpoint.revision, allow_patterns=wanted, cache_dir=cache
                )
            yield pin_folder(checkpoint, Path(folder), location=repository, commit_sha=checkpoint.revision)

    def release(self, pinned: Pinned) -> None:
        from huggingface_hub import scan_cache_dir

        cache = pinned.folder.parents[2]  # cache/models--org--name/snapshots/commit
        scan_cache_dir(cache).delete_revisions(pinned.folder.name).execute()


def _is_wanted(name: str) -> bool:
    return name in WANTED or (name.endswith(".safetensors") and "/" not in name)


def _steps(revisions: str, commits: Mapping[str, str]) -> list[int]:
    """The steps for which a revision of this form exists."""
    form = re.compile(re.escape(revisions).replace(re.escape("{step}"), r"(\d+)"))
    return [int(found[1]) for name in commits if (found := form.fullmatch(name))]


def _commit(commits: Mapping[str, str], revision: str, repository: str) -> str:
    try:
        return commits[revision]
    except KeyError:
        raise UserError(
            f"The repository has no revision {revision}.",
            where=repository,
            mend=f"Its revisions are: {', '.join(sorted(commits)[:10])}.",
        ) from None


class HubUnreachable(UserError):
    """The hub did not answer, or must not be asked."""


@contextmanager
def told_by_hub(where: str) -> Iterator[None]:
    """Turns the hub's errors into one message each.

    Raises:
        HubUnreachable: it did not answer.
        UserError: it has no such repository or revision, or does not hand it out.
    """
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HTTPError,
        IncompleteSnapshotError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        yield
    except GatedRepoError as error:
        raise UserError(
            "The repository asks for a licence to be accepted.",
            where=where,
            mend="Accept it on the hub's page of the repository, then log in with `hf auth login`.",
        ) from error
    except RepositoryNotFoundError as error:
        raise UserError(
            "The hub has no such repository, or it is private.",
            where=where,
            mend="Check organisation and name; for a private one log in with `hf auth login`.",
        ) from error
    except RevisionNotFoundError as error:
        raise UserError(
            "The repository has no such revision.", where=where, mend="Name a branch, tag or commit of it."
        ) from error
    except HfHubHTTPError as error:
        raise UserError(f"The hub refused: {error}", where=where, mend="Try again later.") from error
    except (HTTPError, OfflineModeIsEnabled, IncompleteSnapshotError, LocalEntryNotFoundError) as error:
        raise HubUnreachable(
            f"The model hub can't be reached: {error}",
            where=where,
            mend="Connect to the network and unset HF_HUB_OFFLINE, let HF_ENDPOINT name a hub that can be reached, "
            "or leave out of the study what has to be fetched from it.",
        ) from error


SOURCE = Hub()
