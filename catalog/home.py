"""Where everything stays on disk: the folder named by MOVING_TARGET_HOME (default ./data).

Here: paths. Not here: what is written to them (record.py, build.py) or read from them (read.py).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

ENVIRONMENT_VARIABLE = "MOVING_TARGET_HOME"


@dataclass(frozen=True)
class Home:
    """The folders of one installation.

    `record` is the truth (keep it, back it up). `weights` and `imports` are caches. `catalog`, `reports` and `dagster`
    can be deleted: the first two are made again from the record, the last holds only Dagster's own history.
    """

    root: Path

    @classmethod
    def from_environment(cls) -> Home:
        return cls(Path(os.environ.get(ENVIRONMENT_VARIABLE, "data")).expanduser().resolve())

    @property
    def record(self) -> Path:
        return self.root / "record"

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
    def staging(self) -> Path:
        return self.root / "staging"

    @property
    def reports(self) -> Path:
        return self.root / "reports"

    @property
    def dagster(self) -> Path:
        return self.root / "dagster"

    def relative(self, path: Path) -> str:
        """The path as the record holds it: relative to the home, with forward slashes."""
        return path.relative_to(self.root).as_posix()
