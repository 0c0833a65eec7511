"""Text and tables as Markdown, so that names from outside come out as they are and never as markup."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

MARKUP = re.compile(r"[\\`*\[\]~$|]|(?<![^\W_])_|_(?![^\W_])")
"""What Markdown reads as markup inside of a cell; an underscore only at the edge of a word."""
HIDDEN = re.compile(r"[<>&]|:(?=//)|(?<=www)\.|@(?=[\w-]+\.)")
"""What begins HTML and entities, and what makes links of bare addresses."""
LONGEST = 110


def plain(text: str) -> str:
    """Text as Markdown shows it unchanged, on one line."""
    harmless = HIDDEN.sub(lambda found: f"&#{ord(found[0])};", text)
    return re.sub(r"\s+", " ", MARKUP.sub(r"\\\g<0>", harmless)).strip()


def cell(value: object) -> str:
    """A value of a result, cut where it is long."""
    text = written(value)
    return plain(text if len(text) <= LONGEST else text[: LONGEST - 1] + "…")


def written(value: object) -> str:
    """A value as text: lists without brackets, entries of a map as `key: value`."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return ", ".join(f"{written(key)}: {written(each)}" for key, each in value.items())
    return ", ".join(map(written, value)) if isinstance(value, list) else str(value)


def table(names: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of texts that are Markdown already."""
    lines = [names, ["---"] * len(names), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"
