"""Checkpoints of a model hub: `runs: {hub: "EleutherAI/pythia-70m-seed{seed}", seeds: [1], revisions: "step{step}"}`.

Without `revisions` the repository's main branch is the one checkpoint; with it every branch or tag of that form is one,
or those of `steps`. Revisions are resolved to commits when planning; only safetensors, configuration and tokenizer
files are fetched, into weights/hub, and a checkpoint's files are removed once it was measured. HF_ENDPOINT may name
another hub.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from assets.models.files import TOKENIZER_FILES, refuse_pickles
from assets.models.hub.client import told_by_hub
from assets.models.hub.revisions import HubRuns, checkpoints_of
from assets.models.sources import Pinned, Planned, Say, TrainingRun, check_place, chosen, pin_folder, seeds_or_none
from assets.study import validate
from catalog.errors import UserError
from catalog.home import Home
from catalog.record import told_plainly

WANTED = ("config.json", "generation_config.json", "model.safetensors.index.json", *TOKENIZER_FILES)


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

        repository = run.spec.repository(run.seed)
        with told_by_hub(repository):
            refs = HfApi().list_repo_refs(repository)
        commits = {ref.name: ref.target_commit for ref in (*refs.tags, *refs.branches)}
        return chosen(run, checkpoints_of(run.spec, run.seed, commits))

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


SOURCE = Hub()
