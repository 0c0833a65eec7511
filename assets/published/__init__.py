"""Measurements that others published: one module an importer, each holding an `IMPORTER`.

Here: the protocol and the list. Adding an importer is one new module. Not here: how the imported checkpoints become
rows of the record (assets.py), facts about the models measured (models/families), our own measurements (probes).
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from assets.probes.registry import Measurement, Metric
from catalog.errors import UserError

BESIDE = ("assets", "importing")
"""Modules of this folder that are no importers and need more than reading files does."""


@dataclass(frozen=True)
class ImportedCheckpoint:
    """One checkpoint as others measured it, with the file that the values were read from.

    Attributes:
        data_set: which of the importer's kinds of file it is from; a checkpoint stands once in each.
        file: its name, without folders.
        metrics: those that the file itself names, beside the importer's.
    """

    checkpoint_id: str
    run_id: str
    model_id: str
    family_id: str
    seed: int | None
    label: str
    step: int | None
    tokens_seen: int | None
    is_final: bool
    data_set: str
    file: str
    file_sha256: str
    measurements: tuple[Measurement, ...]
    metrics: tuple[Metric, ...] = ()


class Importer(Protocol):
    """Reads one published data set from a folder on disk. Nothing is downloaded."""

    name: str
    """Also the source_id of its values."""
    version: int
    """Raised when the same files may give other values."""
    metrics: tuple[Metric, ...]
    """Those that claims may name; files may name further ones."""
    how_to_get: str
    """One line: how a user comes by the files."""

    def source(self, path: Path) -> dict[str, Any]:
        """The row of catalog table `sources`, without since_build."""

    def files(self, path: Path) -> list[Path]:
        """Its files below a path, always in the same order.

        Raises:
            UserError: there are none.
        """

    def read(self, file: Path) -> Iterator[ImportedCheckpoint]:
        """The checkpoints in a file, which is checked as a whole before the first.

        Raises:
            UserError: the file is not as it should be.
        """


@cache
def importers() -> dict[str, Importer]:
    """All importers by name."""
    found: dict[str, Importer] = {}
    for module in pkgutil.iter_modules(__path__):
        if module.name not in BESIDE:
            importer = getattr(importlib.import_module(f"{__name__}.{module.name}"), "IMPORTER", None)
            if importer is not None:
                found[importer.name] = importer
    return dict(sorted(found.items()))


def importer_named(name: str, where: str = "") -> Importer:
    """An importer by name.

    Raises:
        UserError: there is none of that name.
    """
    try:
        return importers()[name]
    except KeyError:
        raise UserError(
            f"There is no importer {name!r}.", where=where, mend=f"Known importers: {', '.join(importers())}."
        ) from None
