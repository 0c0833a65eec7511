"""The cookbook: questions that researchers ask of the catalog, each a file of SQL in cookbook/.

A file begins with a comment: the question on its first line, then how to read the answer and what to change. What a
user may want to change stands in the query's first part, `asked`.
Not here: the SQL (cookbook/*.sql), running it (pipelines/asking.py), its answers in the documents (tests/documents).
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from itertools import takewhile
from pathlib import Path

from catalog.errors import UserError

FOLDER = Path(__file__).parent / "cookbook"


@dataclass(frozen=True)
class Question:
    """One file: its name without ending, the question, how to read the answer, and the whole text."""

    name: str
    question: str
    advice: str
    sql: str


@cache
def questions() -> dict[str, Question]:
    """The cookbook by name."""
    return {path.stem: _read(path) for path in sorted(FOLDER.glob("*.sql"))}


def question_named(name: str) -> Question:
    """
    Raises:
        UserError: there is no such question; the message names those that are near.
    """
    found = questions()
    if name not in found:
        near = ", ".join(get_close_matches(name, found, cutoff=0.4)) or "those that `sql --cookbook` lists"
        raise UserError(f"The cookbook has no question {name!r}.", where=name, mend=f"Perhaps {near}.")
    return found[name]


def _read(path: Path) -> Question:
    sql = path.read_text(encoding="utf-8")
    first, *rest = [line.removeprefix("-- ") for line in takewhile(_is_comment, sql.splitlines())]
    return Question(path.stem, first, "\n".join(rest), sql)


def _is_comment(line: str) -> bool:
    return line.startswith("--")
