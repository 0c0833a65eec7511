"""From an importer's checkpoints to rows of the record, a probe run per file, so that they stand beside our own.

Here: what every import has in common. Not here: reading a data set (one module per importer).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assets.models.facts import put_stated_model
from assets.models.sources import Say
from assets.probes.registry import canonical
from assets.probes.rows import frame_of, put_definitions
from assets.published import ImportedCheckpoint, Importer, importer_named
from assets.study import Published, digest
from catalog.home import Home
from catalog.record import Record


@dataclass(frozen=True)
class Imported:
    """What came of an import: files read, files that the record held already, new rows."""

    n_files: int
    n_known: int
    n_rows: int


def import_published(published: Published, home: Home, say: Say) -> Imported:
    """Reads a published data set into the record; files that it holds already are passed over.

    A study's folder is taken relative to the working directory. Where it does not exist, one line says how to get it.

    Raises:
        UserError: there is no such importer, or a file is not as it should be.
    """
    importer, folder = importer_named(published.importer), Path(published.path).expanduser()
    if not folder.exists():
        say(f"{importer.name}: left out, no folder {published.path}; to get it: {importer.how_to_get}")
        return Imported(0, 0, 0)
    record = Record(home)
    checkpoints = list(importer.read(folder))
    finished = record.finished()
    new = [c for c in checkpoints if f"{importer.name}.{cache_key(importer, c)}" not in finished]
    if new:
        record.put("sources", importer.name, {"sources": [importer.source(folder)]})
        put_definitions(record, importer.metrics, (m for c in new[:1] for m in c.measurements))
        _put_facts(record, checkpoints)
    n_rows = sum(_put_values(record, importer, folder, checkpoint) for checkpoint in new)
    say(f"{importer.name}: {len(checkpoints)} files, {len(new)} of them new")
    return Imported(len(checkpoints), len(checkpoints) - len(new), n_rows)


def is_imported(published: Published, record: Record) -> bool:
    """Whether an import would add nothing: every file is in the record, or there is no folder."""
    importer, folder = importer_named(published.importer), Path(published.path).expanduser()
    if not folder.exists():
        return True
    finished = record.finished()
    return all(f"{importer.name}.{cache_key(importer, c)}" in finished for c in importer.read(folder))


def cache_key(importer: Importer, checkpoint: ImportedCheckpoint) -> str:
    """sha256 over what decides the values: the file's bytes and the importer's version."""
    content = {"importer": importer.name, "version": importer.version, "file": checkpoint.file_sha256}
    return digest(canonical({**content, "checkpoint": checkpoint.checkpoint_id}))[:40]


def _put_facts(record: Record, checkpoints: Iterable[ImportedCheckpoint]) -> None:
    """Models and training runs as their family file states them; checkpoints unless we hold their weights."""
    seen: set[str] = set()
    for checkpoint in checkpoints:
        if checkpoint.model_id not in seen:
            put_stated_model(record, checkpoint.family_id, checkpoint.model_id)
        if checkpoint.run_id not in seen:
            record.put("training_runs", checkpoint.run_id, {"training_runs": [_run_row(checkpoint)]})
        seen |= {checkpoint.model_id, checkpoint.run_id}
        if record.latest("checkpoints", checkpoint.checkpoint_id) is None:
            record.put("checkpoints", checkpoint.checkpoint_id, {"checkpoints": [_checkpoint_row(checkpoint)]})


def _run_row(checkpoint: ImportedCheckpoint) -> dict[str, Any]:
    return {"run_id": checkpoint.run_id, "model_id": checkpoint.model_id, "seed": checkpoint.seed}


def _checkpoint_row(checkpoint: ImportedCheckpoint) -> dict[str, Any]:
    return {
        "checkpoint_id": checkpoint.checkpoint_id,
        "run_id": checkpoint.run_id,
        "label": checkpoint.label,
        "step": checkpoint.step,
        "tokens_seen": checkpoint.tokens_seen,
        "is_final": checkpoint.is_final,
        "availability": "published_only",
    }


def _put_values(record: Record, importer: Importer, folder: Path, checkpoint: ImportedCheckpoint) -> int:
    row = {
        "checkpoint_id": checkpoint.checkpoint_id,
        "probe": importer.name,
        "probe_version": importer.version,
        "parameters": canonical({"file": checkpoint.file}),
        "provenance": "published",
        "source_id": importer.name,
        "status": "ok",
        "dtype": "float32",
        "known_on": importer.source(folder)["known_on"],
        "cache_key": cache_key(importer, checkpoint),
    }
    record.put_probe_run(row, frame_of(checkpoint.measurements))
    return len(checkpoint.measurements)
