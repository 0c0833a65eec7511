"""Leases on what is fetched: who uses a checkpoint's weights, as the kernel knows it.

A lease is a lock on a file (flock). Users share it; who fetches or evicts owns it. It ends with its process, however
that ends, so that weights are never held by the dead. The file's time tells when they were used last, its content how
many bytes they are. Not here: what is fetched or evicted (cache.py).
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Lease:
    """An open lease, by default on nothing: it is neither shared nor owned yet."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path, self._descriptor = path, descriptor

    def share(self) -> None:
        """Waits while somebody owns it; then it can't be owned by others."""
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        fcntl.flock(self._descriptor, fcntl.LOCK_SH)

    def own(self) -> None:
        """Waits until nobody else shares or owns it."""
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)

    def try_to_own(self) -> bool:
        """Owns it where nobody shares or owns it; False where somebody does."""
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def note(self, n_bytes: int) -> None:
        """Writes down how many bytes the weights are, or will be once they are fetched."""
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, str(n_bytes).encode(), 0)

    def touch(self) -> None:
        """Says that the weights are used now."""
        now = time.time_ns()  # finer than the time that the kernel would set by itself
        os.utime(self.path, ns=(now, now))


@contextmanager
def lease_on(path: Path) -> Iterator[Lease]:
    """Opens a lease, made if there is none, and gives it back at the end of the block."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        yield Lease(path, descriptor)
    finally:
        os.close(descriptor)


def noted_bytes(path: Path) -> int:
    """What the lease's file says about the size of the weights; 0 where it says nothing."""
    try:
        return int(path.read_text() or 0)
    except FileNotFoundError:
        return 0
