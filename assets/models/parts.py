"""Parts of a long training run, so that several machines measure one; and the locks that keep them from each other's.

A checkpoint belongs to one of sixteen slots by its label, whatever else a study chose; a part is every slot whose
number leaves its remainder. So parts of any two splits hold a checkpoint together only if they share its slot, and
whoever holds the slots' locks has these checkpoints to itself. Not here: how many parts a run gets (pipelines).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from filelock import FileLock, Timeout

from assets.models.sources import Say
from catalog.home import Home

N_SLOTS = 16
TAG = "part"
"""Tag of a Dagster run that measures a part: `2/4`."""


@dataclass(frozen=True)
class Part:
    """The checkpoints of a training run in every `of`-th slot, from the `number`-th; `of` divides sixteen."""

    number: int = 1
    of: int = 1

    @classmethod
    def of_tags(cls, tags: Mapping[str, str]) -> Part:
        """The part that a Dagster run's tags state; the whole where they state none."""
        number, _, of = tags.get(TAG, "1/1").partition("/")
        return cls(int(number), int(of))

    @property
    def slots(self) -> range:
        return range(self.number - 1, N_SLOTS, self.of)

    def holds(self, label: str) -> bool:
        return zlib.crc32(label.encode()) % N_SLOTS in self.slots

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"


WHOLE = Part()


def split(n_parts: int) -> list[Part]:
    """All parts of a split; `n_parts` divides sixteen."""
    return [Part(number, n_parts) for number in range(1, n_parts + 1)]


@contextmanager
def at_work_on(home: Home, run_id: str, say: Say, part: Part = WHOLE) -> Iterator[None]:
    """Holds a training run or a part, so that two processes of one home never make or measure the same at a time.

    Locks are taken in the order of slots: nobody waits for one who waits for him.
    """
    with ExitStack() as held:
        for lock in _locks(home, run_id, part):
            try:
                lock.acquire(timeout=0)
            except Timeout:
                say(f"Another process is at work on {run_id}: waiting for it")
                lock.acquire()
            held.callback(lock.release)
        yield


def is_at_work_on(home: Home, run_id: str) -> bool:
    """Whether a process holds a training run, or a part of it, just now."""
    try:
        for lock in _locks(home, run_id, WHOLE):
            with lock.acquire(timeout=0):
                pass
    except Timeout:
        return True
    return False


def _locks(home: Home, run_id: str, part: Part) -> list[FileLock]:
    folder = home.weights / ".locks"
    folder.mkdir(parents=True, exist_ok=True)
    return [FileLock(folder / f"{run_id}.{slot:02}.lock") for slot in part.slots]
