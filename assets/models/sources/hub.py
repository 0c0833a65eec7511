"""Checkpoints of a model hub: `runs: {hub: "EleutherAI/pythia-70m-seed{seed}", seeds: [1], revisions: "step{step}"}`.

Without `revisions` the repository's main branch is the one checkpoint; with it every branch or tag of that form is one,
or those of `steps` (further keys: hub/revisions.py). Revisions are resolved to commits when planning. A checkpoint is
pinned by what the hub lists of its safetensors, with no weights fetched; these come when they are held, once, under a
budget (hub/cache.py). HF_HUB_OFFLINE=1 works with what is cached, HF_ENDPOINT may name another hub, HF_TOKEN or
`hf auth login` opens gated repositories.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from assets.models import files
from assets.models.hub import cache
from assets.models.hub.cache import Place
from assets.models.hub.client import patiently, told_by_hub
from assets.models.hub.listing import AT_ONCE, ListedFile, known_tree, refs, tree, trees_of
from assets.models.hub.needed import check_has_weights, small_files, weight_files
from assets.models.hub.rates import seconds_to_fetch
from assets.models.hub.revisions import HubRuns, checkpoints_of, hub_runs
from assets.models.sources import Pinned, Planned, Say, TrainingRun, chosen
from catalog.errors import UserError
from catalog.home import Home
from catalog.store import write_new


class Hub:
    """Fetches from a model hub."""

    kind = "hub"

    def seeds(self, runs: Mapping[str, Any], where: str) -> tuple[HubRuns, list[int | None]]:
        return hub_runs(runs, where)

    def plan(self, run: TrainingRun, home: Home) -> list[Planned]:
        commits = refs(run.spec.repository(run.seed), home)
        return chosen(run, checkpoints_of(run.spec, run.seed, commits))

    def pin(self, run: TrainingRun, planned: list[Planned], home: Home, say: Say) -> Iterator[Pinned]:
        for number, checkpoint in enumerate(planned):
            if number % AT_ONCE == 0:
                trees_of(((_place(run, p, home).key) for p in planned[number : number + AT_ONCE]), home)
            place, weights = self._described(run, checkpoint, home, say)
            known = self._known(run, checkpoint, place, weights, say)
            yield Pinned(
                planned=checkpoint,
                folder=place.described,
                weights_sha256=files.sha256_of_digests(known["sha256"]),
                config_sha256=files.config_sha256(place.described),
                tokenizer_sha256=files.tokenizer_sha256(place.described),
                location=place.repository,
                commit_sha=checkpoint.revision,
                format="safetensors",
                precision=known["precision"],
                bytes=sum(file.size for file in weights),
            )

    @contextmanager
    def held(self, run: TrainingRun, pinned: Pinned, home: Home, say: Say, *, ahead: bool = False) -> Iterator[Path]:
        place, weights = self._described(run, pinned.planned, home, say)
        with cache.held(place, weights, say, ahead=ahead) as folder:
            yield folder

    def to_fetch(self, run: TrainingRun, planned: Planned, home: Home) -> int | None:
        place = _place(run, planned, home)
        if cache.is_there(place):
            return 0
        listed = known_tree(*place.key, home)
        try:
            return None if listed is None else sum(f.size for f in weight_files(listed, place.described, place.where))
        except UserError:  # told when it is pinned
            return None

    def seconds(self, run: TrainingRun, planned: Sequence[Planned], home: Home) -> float | None:
        sizes = [self.to_fetch(run, each, home) for each in planned]
        known = [size for size in sizes if size is not None]
        if len(known) < len(sizes):
            return None
        return seconds_to_fetch(sum(known), home) if any(known) else 0.0

    def _described(self, run: TrainingRun, planned: Planned, home: Home, say: Say) -> tuple[Place, list[ListedFile]]:
        """The checkpoint's place, its small files there, and which files are its weights."""
        place = _place(run, planned, home)
        listed = tree(*place.key, home)
        check_has_weights(place.repository, listed, place.where, home, is_main=planned.step is None)
        cache.describe(place, small_files(listed), say)
        return place, weight_files(listed, place.described, place.where)

    def _known(
        self, run: TrainingRun, planned: Planned, place: Place, weights: list[ListedFile], say: Say
    ) -> dict[str, Any]:
        """sha256 of each file of weights, and their precision; asked for once, then remembered beside them."""
        memory = place.folder / "pinned.json"
        if not memory.exists():
            if all(file.sha256 for file in weights):
                digests = {file.path: file.sha256 for file in weights}
                precision = _precision(place, weights)
            else:  # git knows no sha256
                with cache.held(place, weights, say, ahead=True) as folder:
                    digests = {file.path: files.sha256_file(folder / file.path) for file in weights}
                    precision = files.precision(folder / file.path for file in weights)
            write_new(memory, json.dumps({"sha256": digests, "precision": precision}, indent=1).encode())
        return json.loads(memory.read_text(encoding="utf-8"))


def _place(run: TrainingRun, planned: Planned, home: Home) -> Place:
    return Place(run.spec.repository(run.seed), planned.revision, home)


def _precision(place: Place, weights: list[ListedFile]) -> str:
    """What most parameters of the largest file are stored in, from its header alone."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import SafetensorsParsingError

    largest = max(weights, key=lambda file: file.size)
    try:
        with told_by_hub(place.where):
            header = patiently(
                lambda: HfApi().parse_safetensors_file_metadata(place.repository, largest.path, revision=place.commit)
            )
    except SafetensorsParsingError as error:
        raise UserError(
            "What the hub sends of the weights does not begin as a safetensors file does.",
            where=f"{place.where}, {largest.path}",
            mend="Run the same command again later; where HF_ENDPOINT names a mirror, try another.",
        ) from error
    return files.precision_named({str(code): count for code, count in header.parameter_count.items()})


SOURCE = Hub()
