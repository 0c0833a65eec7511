"""Texts that natural-text metrics are measured on: one that comes with the project, or one that a study names.

A corpus is its bytes: the hash is part of every variant that reads it, the name only says it readably. The text that
comes with the project is Lewis Carroll, Alice's Adventures in Wonderland (1865), in the public domain; lines are
unwrapped. Every language model has read it many times, so a low loss on it is no sign of quality: name a text of your
own where that matters. Here: which text. Not here: how it is cut into sequences (texts.py).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from catalog.errors import UserError

DEFAULT = Path(__file__).parent / "alice.txt"


@dataclass(frozen=True)
class Corpus:
    """A text file, UTF-8."""

    name: str
    path: Path
    sha256: str

    @classmethod
    def of_file(cls, path: Path, name: str | None = None) -> Corpus:
        """The corpus in a file.

        Raises:
            UserError: there is no such file, or it is not UTF-8 text.
        """
        try:
            return cls(name or path.stem, path, _digest(path, path.stat().st_mtime_ns))
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(
                f"The corpus can't be read: {error}", where=str(path), mend="Name a text file in UTF-8 under `corpus`."
            ) from None

    @property
    def identity(self) -> str:
        """`alice-3f2a9c1b44d0`: what a variant's parameter `corpus` holds."""
        return f"{self.name}-{self.sha256[:12]}"

    def text(self) -> str:
        """The whole text."""
        return self.path.read_text(encoding="utf-8")


@cache
def _digest(path: Path, changed_ns: int) -> str:
    """sha256 of a text, computed again where the file has changed: a process may outlive a corpus."""
    content = path.read_bytes()
    content.decode()
    return hashlib.sha256(content).hexdigest()


def default_corpus() -> Corpus:
    """The text that comes with the project."""
    return Corpus.of_file(DEFAULT)
