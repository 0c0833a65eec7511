"""Weights fetched from hubs, on disk: each checkpoint once, whole or not at all, and never more than the budget.

    weights/hub/ORG--NAME/commits/COMMIT/described/   config.json and tokenizer files; small, kept, one link of many
                                         arriving/    files that are being fetched, or were when a process was killed
                                         whole/       everything that loading needs, right to the last bit
                                         lease        who uses it, when it was used last, how many bytes it is

MOVING_TARGET_WEIGHTS_GB (default 50: a 7-billion-parameter checkpoint in use and the next one, with room to spare, on
the disk of a laptop) bounds what stands in `arriving` and `whole`. What was used longest ago goes first; what is leased
never goes. Not here: fetching a file (fetching.py), which files a checkpoint needs (needed.py).
"""

from __future__ import annotations

import os
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from assets.models.files import folder_aside, megabytes
from assets.models.hub.fetching import Say, fetch_file, is_right
from assets.models.hub.leases import Lease, lease_on, noted_bytes
from assets.models.hub.listing import ListedFile, folder_of
from assets.models.hub.rates import note_fetch
from assets.models.sources import NoRoomYet
from catalog.errors import UserError
from catalog.home import Home
from catalog.store import told_plainly

VARIABLE = "MOVING_TARGET_WEIGHTS_GB"
DEFAULT_GB = 50
POLL_S = 1.0
"""How often it is looked whether others have given room back."""


@dataclass(frozen=True)
class Place:
    """Where one commit of a repository stands."""

    repository: str
    commit: str
    home: Home

    @property
    def key(self) -> tuple[str, str]:
        """As listings name it."""
        return self.repository, self.commit

    @property
    def folder(self) -> Path:
        return folder_of(self.repository, self.home) / "commits" / self.commit

    @property
    def described(self) -> Path:
        return self.folder / "described"

    @property
    def whole(self) -> Path:
        return self.folder / "whole"

    @property
    def lease(self) -> Path:
        return self.folder / "lease"

    @property
    def where(self) -> str:
        return f"{self.repository} at {self.commit}"


def budget_bytes() -> int:
    """What fetched weights may take on disk.

    Raises:
        UserError: the variable holds no positive number.
    """
    stated = os.environ.get(VARIABLE, "").strip() or str(DEFAULT_GB)
    try:
        budget = float(stated)
    except ValueError:
        budget = -1.0
    if not 0 < budget < float("inf"):
        raise UserError(
            f"The budget of weights is no positive number: {stated!r}.",
            where=f"environment variable {VARIABLE}",
            mend=f"Give gigabytes, as in {VARIABLE}={DEFAULT_GB}.",
        )
    return int(budget * 1e9)


def used_bytes(home: Home) -> int:
    """What fetched weights take of the budget; what is being fetched counts as if it were there."""
    return sum(noted_bytes(lease) for lease in _occupied(home))


def describe(place: Place, files: list[ListedFile], say: Say) -> Path:
    """The folder of the small files, fetched if it is not there; what other commits share is fetched and kept once."""
    if not place.described.exists():
        with folder_aside(place.described, needed=sum(file.size for file in files)) as aside:
            for file in files:
                shared = place.home.weights / "hub" / "small" / file.git_oid
                if not shared.exists():
                    fetch_file(place.repository, place.commit, file, aside / file.path, say)
                    shared.parent.mkdir(parents=True, exist_ok=True)
                    with suppress(FileExistsError):
                        os.link(aside / file.path, shared)
                else:
                    os.link(shared, aside / file.path)
    return place.described


@contextmanager
def held(place: Place, weights: list[ListedFile], say: Say, *, ahead: bool) -> Iterator[Path]:
    """A folder with described files and weights, on disk and right for as long as the block runs.

    Args:
        place: where they belong; its small files are there.
        weights: the files of weights.
        say: told what is fetched.
        ahead: nobody waits for them yet, so that room is not waited for either.

    Raises:
        NoRoomYet: `ahead`, and others use what the budget allows.
        HubUnreachable, UserError: they can't be fetched; they are larger than the budget.
    """
    with lease_on(place.lease) as lease:
        checked = False
        while True:
            lease.share()
            if (checked and is_there(place)) or _is_right(place, weights):
                break
            lease.own()
            if not _is_right(place, weights):
                _fetch(place, weights, lease, say, ahead=ahead)
            checked = True
        lease.touch()
        try:
            yield place.whole
        finally:
            lease.touch()


def is_there(place: Place) -> bool:
    """Whether the weights are on disk."""
    return place.whole.exists()


def _is_right(place: Place, weights: list[ListedFile]) -> bool:
    return all(is_right(place.whole / file.path, file) for file in weights)


def _fetch(place: Place, weights: list[ListedFile], lease: Lease, say: Say, *, ahead: bool) -> None:
    """Fetches what is missing into `arriving`, which becomes `whole`."""
    needed, arriving = sum(file.size for file in weights), place.folder / "arriving"
    with told_plainly(place.whole):
        shutil.rmtree(place.whole, ignore_errors=True)  # damaged on disk
        _wait_for_room(place, lease, arriving, needed, say, ahead=ahead)
        missing = needed - sum(path.stat().st_size for path in arriving.iterdir())
        say(f"{place.where}: fetching {megabytes(missing)}")
        started = time.perf_counter()
        for file in weights:
            fetch_file(place.repository, place.commit, file, arriving / file.path, say)
        seconds = time.perf_counter() - started
        for path in place.described.iterdir():
            if not (arriving / path.name).exists():
                os.link(path, arriving / path.name)
        arriving.rename(place.whole)
    note_fetch(missing, seconds, place.home)
    say(f"{place.where}: fetched in {seconds:.1f} s")


def _wait_for_room(place: Place, lease: Lease, arriving: Path, needed: int, say: Say, *, ahead: bool) -> None:
    """Makes room for a checkpoint and takes it, before anybody else can."""
    if needed > budget_bytes():
        raise UserError(
            f"The checkpoint's weights are larger than the budget: {megabytes(needed)} of {megabytes(budget_bytes())}.",
            where=place.where,
            mend=f"Set {VARIABLE} to {-(-needed // 10**9) + 1} or more, where the disk has that much room.",
        )
    told = others_gone = False
    while True:
        with lease_on(place.home.weights / "hub" / ".room") as room:
            room.own()
            shutil.rmtree(_leaving(place.home), ignore_errors=True)  # of an eviction that was killed
            others = [path for path in _occupied(place.home) if path != place.lease]
            lacking = _evict(others, needed, arriving, _leaving(place.home))
            if not lacking:
                arriving.mkdir(parents=True, exist_ok=True)
                lease.note(needed)
                return
        if ahead:
            raise NoRoomYet(lacking, where=place.where)
        if others_gone:
            raise UserError(
                lacking,
                where=str(place.home.weights),
                mend="Free some space (`status --disk` shows what is held), or let MOVING_TARGET_HOME name a folder on "
                "another disk, and run the same command again.",
            )
        others_gone = not any(_is_leased(path) for path in others)
        if others_gone:
            continue  # they may have gone since room was looked for
        if not told:
            say(f"{place.where}: waits until other processes have measured what they hold. {lacking}")
            told = True
        time.sleep(POLL_S)


def _evict(leases: list[Path], needed: int, arriving: Path, leaving: Path) -> str:
    """Removes what was used longest ago, until so many bytes fit budget and disk; else why they do not."""
    sizes = {path: noted_bytes(path) for path in leases}
    here = sum(path.stat().st_size for path in arriving.iterdir()) if arriving.exists() else 0
    oldest_first = sorted(leases, key=lambda path: path.stat().st_mtime_ns)
    while True:
        free = shutil.disk_usage(arriving.parent).free
        over_budget = sum(sizes.values()) + needed - budget_bytes()
        if over_budget <= 0 and free >= needed - here:
            return ""
        while oldest_first and not _remove(oldest_first[0], leaving):
            oldest_first.pop(0)
        if not oldest_first:
            break
        sizes.pop(oldest_first.pop(0))
    if over_budget > 0:
        return f"The budget is taken: {megabytes(over_budget)} more are needed than {VARIABLE} allows."
    return f"The disk is full: {megabytes(needed - here)} are needed, {megabytes(free)} are free."


def _remove(path: Path, leaving: Path) -> bool:
    """Removes weights, by way of the folder `leaving`, unless somebody uses them: they are never found in part."""
    with lease_on(path) as lease:
        if not lease.try_to_own():
            return False
        leaving.mkdir(exist_ok=True)
        for folder in (path.parent / "whole", path.parent / "arriving"):
            if folder.exists():
                folder.rename(leaving / uuid.uuid4().hex)
        shutil.rmtree(leaving)
    return True


def _leaving(home: Home) -> Path:
    return home.weights / "hub" / ".leaving"


def _is_leased(path: Path) -> bool:
    with lease_on(path) as lease:
        return not lease.try_to_own()


def _occupied(home: Home) -> list[Path]:
    """The leases of all weights that are there, in whole or in part."""
    folders = (home.weights / "hub").glob("*/commits/*")
    return [f / "lease" for f in folders if (f / "whole").exists() or (f / "arriving").exists()]
