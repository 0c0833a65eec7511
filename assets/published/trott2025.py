"""Trott (2025): attention heads of 36 Pythia training runs, from a clone of the study's repository.

Two folders under data/processed are read, whichever are there: attention_summaries (attention to the previous and to
the first token) and induction_results (prefix matching and recall on repeated tokens). The repository carries no
licence: its values stay on the user's disk.

Here: finding the files, and what they are a source of. Not here: reading them (trott2025_attention.py,
trott2025_induction.py), the design of the models (models/families/pythia.yaml), what the paper computed from the values
(claims/statistics/regressions.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from assets.probes.registry import Metric
from assets.probes.text_attention import FIRST_TOKEN_ALL, PREVIOUS_TOKEN_ALL
from assets.published import ImportedCheckpoint, trott2025_attention, trott2025_induction
from assets.published.trott2025_induction import PREFIX_MATCHING, REPEAT_RECALL
from catalog.errors import UserError

FOLDERS = (trott2025_attention.FOLDER, trott2025_induction.FOLDER)


@dataclass(frozen=True)
class Trott2025:
    """The importer; `path` is a clone of the repository, or a folder of the files itself."""

    name: str = "trott2025"
    version: int = 1
    metrics: tuple[Metric, ...] = (PREVIOUS_TOKEN_ALL, FIRST_TOKEN_ALL, PREFIX_MATCHING, REPEAT_RECALL)
    how_to_get: str = "git clone --depth 1 https://github.com/seantrott/mechinterp_generalizability"

    def source(self, path: Path) -> dict[str, Any]:
        """The row of catalog table `sources`."""
        return {
            "source_id": self.name,
            "kind": "published",
            "citation": "Trott, S. (2025). Toward a Theory of Generalizability in LLM Mechanistic Interpretability "
            "Research. arXiv 2509.22831",
            "url": "https://github.com/seantrott/mechinterp_generalizability",
            "commit_sha": commit_of(path),
            "licence": "none",
            "may_redistribute": False,
            "known_on": date(2025, 9, 26),
        }

    def files(self, path: Path) -> list[Path]:
        """The CSV files in `path` itself, or in the folders of those names up to three levels below it.

        Raises:
            UserError: there are none.
        """
        found = _attention_files(path) + _induction_files(path)
        if not found:
            what = "holds no files of Trott (2025)" if path.is_dir() else "does not exist"
            folders = " or ".join(f"data/processed/{name}" for name in FOLDERS)
            raise UserError(
                f"The folder {what}.",
                where=str(path),
                mend=f"Name a clone of the repository ({self.how_to_get}), or its folder {folders}.",
            )
        return found

    def read(self, file: Path) -> Iterator[ImportedCheckpoint]:
        """The checkpoints in one of these files."""
        of_attention = trott2025_attention.NAME.fullmatch(file.name)
        return (trott2025_attention if of_attention else trott2025_induction).read_file(file)


def _attention_files(path: Path) -> list[Path]:
    pattern = trott2025_attention.PATTERN
    return sorted(path.glob(pattern)) or _below(path, trott2025_attention.FOLDER, pattern)


def _induction_files(path: Path) -> list[Path]:
    """Their names are free. In `path` itself they are told by what the first line of one of them names."""
    here = [file for file in sorted(path.glob("*.csv")) if not trott2025_attention.NAME.fullmatch(file.name)]
    if path.name == trott2025_induction.FOLDER or any(map(trott2025_induction.looks_alike, here)):
        return here
    return _below(path, trott2025_induction.FOLDER, "*.csv")


def _below(path: Path, folder: str, pattern: str) -> list[Path]:
    return sorted(file for stars in ("", "*/", "*/*/") for file in path.glob(f"{stars}{folder}/{pattern}"))


def commit_of(path: Path) -> str | None:
    """The commit that a clone stands at, read from its .git folder; None where `path` is not (the data of) a clone."""
    resolved = path.resolve()
    is_within = any(resolved.match(f"data/processed/{name}") for name in FOLDERS)
    within = resolved.parents[2] if is_within else resolved
    git = within / ".git"
    try:
        head = (git / "HEAD").read_text(encoding="ascii").strip()
        reference = head.removeprefix("ref: ")
        if reference == head:
            return _sha(head)
        if (git / reference).is_file():
            return _sha((git / reference).read_text(encoding="ascii").strip())
        packed = (git / "packed-refs").read_text(encoding="ascii").splitlines()
        return next((_sha(line.split()[0]) for line in packed if line.endswith(f" {reference}")), None)
    except (OSError, UnicodeDecodeError):
        return None


def _sha(text: str) -> str | None:
    return text if re.fullmatch(r"[0-9a-f]{40}", text) else None


IMPORTER = Trott2025()
