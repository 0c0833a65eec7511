"""A folder that is filled aside and put in its place whole. Not here: what is written into it."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from catalog.errors import UserError
from catalog.store import told_plainly


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """A folder beside the one named, which takes its place at the end; whatever goes wrong leaves nothing behind.

    Raises:
        UserError: something stands there already, or the disk refuses.
    """
    folder = Path(os.path.abspath(folder.expanduser()))
    with _told(folder):
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise UserError(
                "There is something already." if folder.is_dir() else "There is a file of that name.",
                where=str(folder),
                mend="Name a new or empty folder, or remove this one: nothing is ever overwritten.",
            )
        folder.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=".export-", suffix=".part", dir=folder.parent))
        try:
            yield beside
            beside.chmod(0o755)
            os.replace(beside, folder)
        finally:
            shutil.rmtree(beside, ignore_errors=True)


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    """What the disk refuses, as one message, also where DuckDB writes."""
    try:
        with told_plainly(folder):
            try:
                yield
            except duckdb.IOException as error:
                if "No space left" in str(error):
                    raise OSError(28, "No space left on device") from error
                raise
    except OSError as error:
        raise UserError(
            f"The folder can't be written: {error.strerror}.", where=str(folder), mend="Name another folder."
        ) from error


def sha256_of_file(path: Path) -> str:
    """sha256 of a file's bytes, hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
