"""Checkpoints that stand on disk already: `runs: {local: FOLDER}`, FOLDER in Hugging Face layout.

FOLDER holds one checkpoint, or one subfolder `step{N}` per checkpoint. With `seeds: [1, 2]` there is one training run
per seed and FOLDER names its place with `{seed}`. Only safetensors are read. Nothing is copied, nothing is removed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import NonNegativeInt, PositiveInt

from assets.models.sources import (
    OnDisk,
    Pinned,
    Planned,
    Say,
    TrainingRun,
    check_place,
    chosen,
    pin_folder,
    seeds_or_none,
)
from assets.study import Strict, digest, validate
from catalog.errors import UserError
from catalog.home import Home
from catalog.record import canonical_json

STEP = re.compile(r"step(\d+)")


class LocalRuns(Strict):
    """`runs` of a model that stands on disk; a relative path starts at the working directory."""

    local: str
    seeds: list[NonNegativeInt] | None = None
    tokens_per_step: PositiveInt | None = None


class Local(OnDisk):
    """Reads folders of safetensors."""

    kind = "local"

    def seeds(self, runs: Mapping[str, Any], where: str) -> tuple[LocalRuns, list[int | None]]:
        spec = validate(LocalRuns, runs, Path(where))
        check_place(spec.local, spec.seeds, where)
        return spec, seeds_or_none(spec.seeds)

    def plan(self, run: TrainingRun, home: Home) -> list[Planned]:
        folder = _folder(run)
        if not folder.is_dir():
            raise UserError(
                f"The folder of training run {run.run_id} does not exist.",
                where=str(folder),
                mend="Check the path; a relative one starts where the command is run.",
            )
        steps = sorted(int(found[1]) for path in folder.iterdir() if (found := STEP.fullmatch(path.name)))
        if not steps:
            return chosen(run, [Planned("main", None, None, True, _revision(folder))])
        per_step = run.spec.tokens_per_step
        listed = [
            Planned(
                label=f"step{step}",
                step=step,
                tokens_seen=per_step and per_step * step,
                is_final=step == steps[-1],
                revision=_revision(folder / f"step{step}"),
            )
            for step in steps
        ]
        return chosen(run, listed)

    def pin(self, run: TrainingRun, planned: list[Planned], home: Home, say: Say) -> Iterator[Pinned]:
        base = _folder(run)
        for checkpoint in planned:
            folder = base if checkpoint.step is None else base / checkpoint.label
            location = base.name if checkpoint.step is None else f"{base.name}/{checkpoint.label}"
            yield pin_folder(checkpoint, folder, location=location)

    def seconds(self, run: TrainingRun, planned: Sequence[Planned], home: Home) -> float:
        """Reading and hashing are not counted."""
        return 0.0


def _folder(run: TrainingRun) -> Path:
    return Path(run.spec.local.replace("{seed}", str(run.seed))).expanduser()


def _revision(folder: Path) -> str:
    """Digest of names, sizes and times of the files: it changes when they may have; `pin` hashes the bytes."""
    files = sorted(path for path in folder.iterdir() if path.suffix in {".safetensors", ".json", ".txt", ".model"})
    return digest(canonical_json([[p.name, p.stat().st_size, p.stat().st_mtime_ns] for p in files]))


SOURCE = Local()
