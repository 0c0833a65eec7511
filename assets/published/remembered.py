"""What the files of a published data set were found to hold, so that unchanged ones need not be read again.

A file is known by its path, size and time of change; the importer's version goes with it. All of it can be deleted.
Not here: values (they are in the record).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

from assets.published import ImportedCheckpoint, Importer
from catalog.home import Home
from catalog.store import remove_leftovers

FIELDS = {field.name for field in fields(ImportedCheckpoint)}


class Memory:
    """One importer's: a JSON file under the home's `imports`, read once and written by `save`."""

    def __init__(self, home: Home, importer: Importer) -> None:
        self._path = home.imports / f"{importer.name}.json"
        self._version = importer.version
        self._held: dict[str, dict[str, Any]] = self._read()
        self._seen: dict[Path, list[int]] = {}

    def _read(self) -> dict[str, dict[str, Any]]:
        """Nothing, where the file is missing or damaged."""
        try:
            held = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return held if isinstance(held, dict) else {}

    def recall(self, file: Path) -> tuple[ImportedCheckpoint, ...] | None:
        """The checkpoints that a file holds, without their values; None where it is unknown or has changed."""
        entry = self._held.get(str(file.resolve()), {})
        found = file.stat()
        self._seen[file] = [self._version, found.st_size, found.st_mtime_ns]
        if entry.get("state") != self._seen[file] or any(row.keys() != FIELDS for row in entry["checkpoints"]):
            return None
        nothing: dict[str, Any] = {"measurements": (), "metrics": ()}
        return tuple(ImportedCheckpoint(**{**row, **nothing}) for row in entry["checkpoints"])

    def keep(self, file: Path, checkpoints: Iterable[ImportedCheckpoint]) -> None:
        """Remembers what a file holds, as it was when `recall` was asked for it: it may have changed since."""
        rows = [asdict(replace(checkpoint, measurements=(), metrics=())) for checkpoint in checkpoints]
        self._held[str(file.resolve())] = {"state": self._seen[file], "checkpoints": rows}

    def save(self) -> None:
        """Writes it down, in one piece."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        remove_leftovers(self._path.parent)
        beside = self._path.with_name(f".{self._path.name}.{os.getpid()}.part")
        beside.write_text(json.dumps(self._held), encoding="utf-8")
        beside.replace(self._path)
