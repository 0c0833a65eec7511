"""One checkpoint held after the other, the next one's weights fetched while one is measured.

Here: the order, one thread that fetches ahead, and letting go whatever happens. Not here: what holding means to a
source (sources/), what is done with the weights (assets/probes/measure.py).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace

from assets.models.sources import NoRoomYet, Pinned, Planned, Refused, Say, Source, TrainingRun, pin_each, source_named
from catalog.errors import UserError
from catalog.home import Home


def hold_each(run: TrainingRun, planned: list[Planned], home: Home, say: Say) -> Iterator[Pinned | Refused]:
    """Every checkpoint with its weights on disk, until the next is asked for; those that can't be had as refused.

    The next one's weights are fetched while the caller has one. What goes wrong with that is told at its turn.
    """
    source = source_named(run.kind, run.run_id)
    pinned = pin_each(run, planned, home, say)
    upcoming = _Ahead.of(next(pinned, None), source, run, home)
    try:
        while upcoming is not None:
            with ExitStack() as holding:
                had = upcoming.take(holding, say)
                upcoming = _Ahead.of(next(pinned, None), source, run, home)
                if upcoming is not None:
                    upcoming.start()
                yield had
    finally:
        if upcoming is not None:
            upcoming.abandon()


class _Ahead:
    """A checkpoint whose weights are wanted next, maybe on their way already."""

    def __init__(self, had: Pinned | Refused, source: Source, run: TrainingRun, home: Home) -> None:
        self._had, self._source, self._run, self._home = had, source, run, home
        self._holding, self._said = ExitStack(), list[str]()
        self._fault: BaseException | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._is_abandoned = False

    @classmethod
    def of(cls, had: Pinned | Refused | None, source: Source, run: TrainingRun, home: Home) -> _Ahead | None:
        return None if had is None else cls(had, source, run, home)

    def start(self) -> None:
        """Begins to fetch. A daemon: a process that is interrupted does not wait for it."""
        if isinstance(self._had, Pinned):
            self._thread = threading.Thread(target=self._fetch, name="fetching ahead", daemon=True)
            self._thread.start()

    def take(self, holding: ExitStack, say: Say) -> Pinned | Refused:
        """The checkpoint, held by `holding` from now on, or why it can't be had."""
        if isinstance(self._had, Refused):
            return self._had
        try:
            if self._thread is not None:
                self._thread.join()
                for line in self._said:
                    say(line)
                if self._fault is None:
                    holding.push(self._holding.pop_all())
                    return self._had
                if not isinstance(self._fault, NoRoomYet):
                    raise self._fault
            folder = holding.enter_context(self._source.held(self._run, self._had, self._home, say))
        except UserError as error:
            return Refused.by(error, self._had.planned)
        return replace(self._had, folder=folder)

    def abandon(self) -> None:
        """Nobody wants it any more: what is held, or will be once it is fetched, is let go."""
        with self._lock:
            self._is_abandoned = True
            self._holding.close()

    def _fetch(self) -> None:
        assert isinstance(self._had, Pinned)
        try:
            held = self._source.held(self._run, self._had, self._home, self._said.append, ahead=True)
            with ExitStack() as fetching:
                self._had = replace(self._had, folder=fetching.enter_context(held))
                with self._lock:
                    if not self._is_abandoned:
                        self._holding = fetching.pop_all()
        except BaseException as fault:
            self._fault = fault
