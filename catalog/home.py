"""Where everything stays: the folder named by MOVING_TARGET_HOME (default ./data); the record elsewhere, if
MOVING_TARGET_RECORD names a folder or an fsspec URL.

Here: paths. Not here: what is written to them (store.py, record.py, build.py) or read from them (read.py).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

ENVIRONMENT_VARIABLE = "MOVING_TARGET_HOME"
RECORD_VARIABLE = "MOVING_TARGET_RECORD"


@dataclass(frozen=True)
class Home:
    """The folders of one installation.

    `record` is the truth, and `models` what the user added to studies (keep both, back them up). `weights`, `imports`
    and `record_copies` are caches. `catalog`, `reports` and `dagster` can be deleted: the first two are made again from
    the record, the last holds only Dagster's own history.
    """

    root: Path
    record_location: str = ""
    """Folder or fsspec URL of the record; empty = the folder record/ of the home."""

    @classmethod
    def from_environment(cls) -> Home:
        root = Path(os.environ.get(ENVIRONMENT_VARIABLE, "data")).expanduser().resolve()
        return cls(root, _resolved(os.environ.get(RECORD_VARIABLE, "")))

    @property
    def record_is_remote(self) -> bool:
        return _is_url(self.record_location)

    @property
    def record(self) -> Path:
        """The record's folder; there is none where it is remote."""
        assert not self.record_is_remote
        return Path(self.record_location) if self.record_location else self.root / "record"

    @property
    def record_copies(self) -> Path:
        """Copies of a remote record's files."""
        return self.root / "record-copies"

    @property
    def measurements(self) -> Path:
        return self.record / "measurements"

    @property
    def arrays(self) -> Path:
        return self.record / "arrays"

    @property
    def pair_measurements(self) -> Path:
        return self.record / "pair_measurements"

    @property
    def ledger(self) -> Path:
        return self.record / "ledger"

    @property
    def evaluations(self) -> Path:
        return self.record / "evaluations"

    @property
    def builds(self) -> Path:
        return self.record / "builds"

    @property
    def models(self) -> Path:
        return self.root / "models"

    @property
    def weights(self) -> Path:
        return self.root / "weights"

    @property
    def corpora(self) -> Path:
        return self.root / "corpora"

    @property
    def imports(self) -> Path:
        return self.root / "imports"

    @property
    def catalog(self) -> Path:
        return self.root / "catalog.duckdb"

    @property
    def sql_history(self) -> Path:
        """Queries typed at the prompt of `sql`."""
        return self.root / "sql-history"

    @property
    def staging(self) -> Path:
        return self.root / "staging"

    @property
    def reports(self) -> Path:
        return self.root / "reports"

    @property
    def dagster(self) -> Path:
        return self.root / "dagster"


def _is_url(location: str) -> bool:
    return "://" in location or "::" in location


def _resolved(location: str) -> str:
    """A path made absolute, also from a file:// URL; any other URL as it is."""
    if location.startswith("file://"):
        location = unquote(location.removeprefix("file://"))
    return location if not location or _is_url(location) else str(Path(location).expanduser().resolve())
