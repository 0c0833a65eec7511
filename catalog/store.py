"""Where the files of a record stand: a folder of this machine or of a shared file system, or an object store.

Here: listing, reading and writing whole files, by path relative to the record (`ledger/models/pythia-70m.000001.json`).
Files are immutable, so copies of remote ones are kept on this disk. Not here: what the files are called and what they
hold (record.py).
"""

from __future__ import annotations

import errno
import hashlib
import os
import time
import uuid
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Protocol

from catalog.errors import UserError
from catalog.home import RECORD_VARIABLE, Home

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

N_FETCHED_AT_ONCE = 16
LEFTOVER_AFTER_S = 3600
"""Age from which a file that was being written is what a killed process left: nothing takes so long to write."""


class Store(Protocol):
    """The files of one record. Paths have forward slashes; a file exists whole or not at all."""

    location: str
    """The folder or URL, for messages."""

    def folders(self, folder: str) -> list[str]:
        """Names of the folders in a folder, sorted."""

    def names(self, folder: str) -> list[str]:
        """Names of the entries (*.json) in a folder as it is now, sorted; none where there is no such folder."""

    def exists(self, path: str) -> bool:
        """Whether the file is there now."""

    def latest(self, folder: str, stem: str) -> int:
        """The highest N of the files STEM.N.json, 0 where there is none; they are numbered without gaps.

        As of the store's first listing of the folder or later: where it is out of date, `write_new` refuses the next.
        """

    def write_new(self, path: str, content: bytes) -> bool:
        """Writes a file; False where the name is taken (the file there is left as it is)."""

    def local(self, path: str) -> Path:
        """A file of this machine that holds the same bytes, the file itself or a copy; FileNotFoundError if none."""

    def bring(self, paths: Iterable[str]) -> None:
        """Makes `local` of these files quick, where they are there."""

    def tidy(self) -> None:
        """Removes what killed processes left half written; others may be writing."""

    def usage(self) -> tuple[int, int]:
        """Number of files, and bytes."""


def store_of(home: Home) -> Store:
    """The store of a home's record.

    Raises:
        UserError: no installed package knows the URL's protocol.
    """
    if home.record_is_remote:
        return RemoteStore(home.record_location, home.record_copies)
    return FolderStore(home.record)


@contextmanager
def told_plainly(path: Path) -> Iterator[None]:
    """Turns what the disk refuses while writing `path` into one message.

    Raises:
        UserError: no space, no permission, a read-only disk.
    """
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise UserError(
                "The disk is full.",
                where=str(path),
                mend="Free some space (`status --disk` shows what is held) and run the same command again: "
                "what was finished is kept, and only the rest is done.",
            ) from error
        if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
            raise UserError(
                f"The file can't be written: {error.strerror}.",
                where=str(path),
                mend="Give yourself the right to write there.",
            ) from error
        raise


def write_new(path: Path, content: bytes) -> bool:
    """Writes a file whole or not at all; False where the name is taken (the file there is left as it is)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name[:80]}.{uuid.uuid4().hex}.part")
    try:
        with told_plainly(path):
            with aside.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            try:
                os.link(aside, path)
            except FileExistsError:
                return False
    finally:
        aside.unlink(missing_ok=True)
    return True


def remove_leftovers(folder: Path) -> None:
    """Removes what killed processes left of `write_new` anywhere below a folder; others may be writing there."""
    before = time.time() - LEFTOVER_AFTER_S
    for within, _, names in os.walk(folder):
        for part in (Path(within, name) for name in names if name.startswith(".") and name.endswith(".part")):
            with suppress(FileNotFoundError):
                if part.stat().st_mtime < before:
                    part.unlink()


class FolderStore:
    """A folder: of a local disk, or of a shared file system that has hard links (NFS, Lustre)."""

    def __init__(self, root: Path) -> None:
        self._root, self.location = root, str(root)

    def folders(self, folder: str) -> list[str]:
        return sorted(path.name for path in (self._root / folder).glob("*") if path.is_dir())

    def names(self, folder: str) -> list[str]:
        try:
            return sorted(name for name in os.listdir(self._root / folder) if _is_entry(name))
        except FileNotFoundError:
            return []

    def exists(self, path: str) -> bool:
        return (self._root / path).exists()

    def latest(self, folder: str, stem: str) -> int:
        return _count_up(lambda name: (self._root / folder / name).exists(), stem)

    def write_new(self, path: str, content: bytes) -> bool:
        return write_new(self._root / path, content)

    def local(self, path: str) -> Path:
        file = f"{self.location}/{path}"  # as text: joining paths takes longer than reading an entry
        if not os.path.exists(file):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), file)
        return Path(file)

    def bring(self, paths: Iterable[str]) -> None:
        """Nothing to do: they are here."""

    def tidy(self) -> None:
        remove_leftovers(self._root)

    def usage(self) -> tuple[int, int]:
        sizes = [file.stat().st_size for file in self._root.rglob("*") if file.is_file()]
        return len(sizes), sum(sizes)


class RemoteStore:
    """An fsspec URL: s3://bucket/folder, gs://, az://, sftp://, memory://.

    A name is taken by opening it in mode "xb": one request that fails where the object exists, on S3 and Google
    Storage. On a file system without that mode two processes that take one name at the same moment could both succeed,
    the later one winning; so too, one that is not an object store may show a file that is still being written.

    A folder is listed once, and what is read is copied to this disk, under a name made of all that the listing tells of
    the file (size, time, ETag): a file that was replaced is fetched anew.
    """

    def __init__(self, url: str, copies: Path) -> None:
        self.location = url.rstrip("/")
        self._files, self._root = _file_system(url)
        self._copies = copies
        self._listed: dict[str, dict[str, str]] = {}

    def folders(self, folder: str) -> list[str]:
        return sorted(_name(found) for found in self._list(folder) if found["type"] == "directory")

    def names(self, folder: str) -> list[str]:
        found = {_name(details): _fingerprint(details) for details in self._list(folder) if details["type"] == "file"}
        self._listed[folder] = found
        return sorted(name for name in found if _is_entry(name))

    def exists(self, path: str) -> bool:
        with self._reaching(path):
            self._files.invalidate_cache(self._at(path))
            return self._files.exists(self._at(path))

    def latest(self, folder: str, stem: str) -> int:
        return _count_up(self._known(folder).__contains__, stem)

    def write_new(self, path: str, content: bytes) -> bool:
        folder, name = _split(path)
        with self._reaching(path):
            try:
                self._create(self._at(path), content)
            except FileExistsError:
                self._listed.pop(folder, None)
                return False
        if folder in self._listed:
            self._listed[folder][name] = ""
        return True

    def local(self, path: str) -> Path:
        folder, name = _split(path)
        if not self._known(folder).get(name):
            self.names(folder)
        fingerprint = self._listed[folder].get(name)
        if fingerprint is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), f"{self.location}/{path}")
        copy = self._copies / folder / f"{fingerprint}{PurePosixPath(name).suffix}"
        if not copy.exists():
            with self._reaching(path):
                content = self._files.cat_file(self._at(path))
            write_new(copy, content)
        return copy

    def bring(self, paths: Iterable[str]) -> None:
        wanted = list(paths)
        for folder in {_split(path)[0] for path in wanted}:
            self.names(folder)
        with ThreadPoolExecutor(N_FETCHED_AT_ONCE) as pool:
            list(pool.map(self._bring, wanted))

    def tidy(self) -> None:
        """Only copies are written aside here."""
        remove_leftovers(self._copies)

    def usage(self) -> tuple[int, int]:
        with self._reaching(""):
            found = self._files.find(self._root, detail=True).values()
        return len(found), sum(details["size"] or 0 for details in found)

    def _bring(self, path: str) -> None:
        with suppress(FileNotFoundError):
            self.local(path)

    def _at(self, path: str) -> str:
        return f"{self._root}/{path}" if path else self._root

    def _known(self, folder: str) -> dict[str, str]:
        """Fingerprints by name, as the folder was last listed; empty for a file written since."""
        if folder not in self._listed:
            self.names(folder)
        return self._listed[folder]

    def _list(self, folder: str) -> list[dict[str, Any]]:
        with self._reaching(folder):
            self._files.invalidate_cache(self._at(folder))
            try:
                return self._files.ls(self._at(folder), detail=True)
            except FileNotFoundError:
                return []

    def _create(self, at: str, content: bytes) -> None:
        try:
            with self._files.open(at, "xb") as file:
                file.write(content)
        except FileNotFoundError:  # not an object store: folders must be made
            self._files.makedirs(str(PurePosixPath(at).parent), exist_ok=True)
            with self._files.open(at, "xb") as file:
                file.write(content)
        except (NotImplementedError, ValueError):  # what fsspec raises for a file system that lacks mode "xb"
            self._files.pipe_file(at, content, mode="create")

    @contextmanager
    def _reaching(self, path: str) -> Iterator[None]:
        """Whatever the file system's package raises, as one message."""
        try:
            yield
        except UserError:
            raise
        except Exception as error:
            raise UserError(
                f"The record can't be reached: {type(error).__name__}: {error}",
                where=f"{self.location}/{path}",
                mend="Check the network, the bucket's name and your credentials, and run the same command again: "
                "what was recorded is kept.",
            ) from error


def _file_system(url: str) -> tuple[AbstractFileSystem, str]:
    """The file system, and the record's path in it."""
    from fsspec.core import url_to_fs

    try:
        files, root = url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise UserError(
            f"The record's URL can't be used: {error}.",
            where=f"{RECORD_VARIABLE}={url}",
            mend="Install what fsspec needs for it into the same environment: `pip install s3fs` for s3://, gcsfs for "
            "gs://, adlfs for az://.",
        ) from None
    return files, root.rstrip("/")


def _count_up(exists: Any, stem: str) -> int:
    number = 0
    while exists(f"{stem}.{number + 1:06}.json"):
        number += 1
    return number


def _is_entry(name: str) -> bool:
    return name.endswith(".json") and not name.startswith(".")


def _split(path: str) -> tuple[str, str]:
    folder, _, name = path.rpartition("/")
    return folder, name


def _name(details: dict[str, Any]) -> str:
    return details["name"].rstrip("/").rpartition("/")[2]


def _fingerprint(details: dict[str, Any]) -> str:
    told = sorted((key, str(value)) for key, value in details.items())
    return hashlib.sha256(repr(told).encode()).hexdigest()
