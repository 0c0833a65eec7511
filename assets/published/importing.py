"""From an importer's checkpoints to rows of the record, a probe run per file, so that they stand beside our own.

Here: what every import has in common. Not here: reading a data set (one module per importer), which files need not be
read again (remembered.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assets.models.facts import put_stated_model
from assets.models.sources import Say
from assets.probes.registry import Measurement, canonical
from assets.probes.rows import frame_of, put_definitions
from assets.published import ImportedCheckpoint, Importer, importer_named
from assets.published.remembered import Memory
from assets.study import Published, digest
from catalog.errors import UserError
from catalog.home import Home
from catalog.record import Record


@dataclass(frozen=True)
class Imported:
    """What came of an import: files, those of them that the record held already, new rows."""

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
    record, memory = Record(home), Memory(home, importer)
    finished = record.finished()
    files = importer.files(folder)
    known = {file: held for file in files if (held := memory.recall(file)) and _all_in(finished, importer, held)}
    read = {file: tuple(importer.read(file)) for file in files if file not in known}
    _refuse_twice(known | read)
    new = [c for held in read.values() for c in held if _probe_run(importer, c) not in finished]
    if new:
        record.put("sources", importer.name, {"sources": [importer.source(folder)]})
        named = {metric.metric_id: metric for checkpoint in new for metric in checkpoint.metrics}
        put_definitions(record, [*importer.metrics, *named.values()], _one_of_each_variant(new))
    _put_facts(record, (c for file in files for c in (known | read)[file]))
    n_rows = sum(_put_values(record, importer, folder, checkpoint) for checkpoint in new)
    for file, held in read.items():
        memory.keep(file, held)
    memory.save()
    n_known = sum(_all_in(finished, importer, held) for held in (known | read).values())
    say(f"{importer.name}: {len(files)} files, {len(files) - n_known} of them new")
    return Imported(len(files), n_known, n_rows)


def is_imported(published: Published, record: Record) -> bool:
    """Whether an import is known to add nothing: every file is remembered and in the record, or there is no folder.

    No file is read.
    """
    importer, folder = importer_named(published.importer), Path(published.path).expanduser()
    if not folder.exists():
        return True
    memory, finished = Memory(record.home, importer), record.finished()
    found = (memory.recall(file) for file in importer.files(folder))
    return all(held and _all_in(finished, importer, held) for held in found)


def read_all(importer: Importer, folder: Path) -> list[ImportedCheckpoint]:
    """Every checkpoint of a published data set, by kind of file, training run and step.

    Raises:
        UserError: there are no files, one of them is not as it should be, or two hold the same.
    """
    read = {file: tuple(importer.read(file)) for file in importer.files(folder)}
    _refuse_twice(read)
    every = (checkpoint for held in read.values() for checkpoint in held)
    return sorted(every, key=lambda c: (c.data_set, c.run_id, c.step or 0))


def _refuse_twice(held: Mapping[Path, Iterable[ImportedCheckpoint]]) -> None:
    """A checkpoint may stand once in each kind of file."""
    seen: dict[tuple[str, str], Path] = {}
    for file, checkpoints in held.items():
        for checkpoint in checkpoints:
            at = checkpoint.data_set, checkpoint.checkpoint_id
            if at in seen:
                raise UserError(
                    f"Two files hold the checkpoint {checkpoint.checkpoint_id}: {seen[at].name} and {file.name}."
                    if seen[at] != file
                    else f"The file holds the checkpoint {checkpoint.checkpoint_id} twice.",
                    where=str(file.parent if seen[at] != file else file),
                    mend="Keep the one that belongs there.",
                )
            seen[at] = file


def _one_of_each_variant(checkpoints: Iterable[ImportedCheckpoint]) -> Iterable[Measurement]:
    measured = (m for checkpoint in checkpoints for m in checkpoint.measurements)
    return {(m.metric_id, id(m.parameters)): m for m in measured}.values()


def _all_in(finished: Mapping[str, str], importer: Importer, held: Iterable[ImportedCheckpoint]) -> bool:
    return all(_probe_run(importer, checkpoint) in finished for checkpoint in held)


def _probe_run(importer: Importer, checkpoint: ImportedCheckpoint) -> str:
    """What the record lists it under."""
    return f"{importer.name}.{cache_key(importer, checkpoint)}"


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
