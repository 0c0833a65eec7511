"""What is found out beyond single verdicts, and the list of it: every module of this folder that holds an `ANALYSIS`.

An analysis reads the staged catalog and the decisions just made on it, and gives rows of catalog tables, which are
recorded with the evaluation and replayed with it. Adding one is one new module, with its tables in catalog/schema.sql.
Here: the contract. Not here: deciding a claim (assets/claims), when it is run (assets/publish).
"""

from __future__ import annotations

import importlib
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import duckdb

from assets.claims.decide import Decisions, Material, Rows, evidence_digest, sum_of_hashes
from assets.claims.schema import Claim
from assets.study import digest
from catalog.record import Record, canonical_json


@dataclass(frozen=True)
class Situation:
    """Claims just decided, with all that they were decided on.

    Attributes:
        connection: to the staged catalog, read-only; its table `verdicts` does not hold the decisions yet.
        evaluation_id: of the decisions, that the rows will carry.
        of_build: the build whose evidence it is.
        record: where arrays stand; None where only the catalog is at hand.
    """

    connection: duckdb.DuckDBPyConnection
    claims: Sequence[Claim]
    material: Material
    decisions: Decisions
    evaluation_id: str
    of_build: int
    record: Record | None = None


class Analysis(ABC):
    """One question to the whole catalog; a module holds one instance, named ANALYSIS."""

    name: ClassVar[str]
    version: ClassVar[int] = 1
    """Raised when the same situation may give other rows."""
    tables: ClassVar[tuple[str, ...]]
    """The catalog tables that it fills."""

    @abstractmethod
    def rows(self, situation: Situation) -> Mapping[str, Rows]:
        """Rows by table; the same situation gives the same rows in the same order.

        A row of `evaluations` need hold only what is its own (conditions.py); the rest is that of the situation's.
        """


@cache
def analyses() -> dict[str, Analysis]:
    """All analyses by name, in the order of their names."""
    import assets.analyses as package

    modules = (importlib.import_module(f"{package.__name__}.{m.name}") for m in pkgutil.iter_modules(package.__path__))
    found = {module.ANALYSIS.name: module.ANALYSIS for module in modules if hasattr(module, "ANALYSIS")}
    return dict(sorted(found.items()))


def analyse(situation: Situation) -> dict[str, Rows]:
    """What all analyses find, by table."""
    found: dict[str, Rows] = {}
    for analysis in analyses().values():
        for table, rows in analysis.rows(situation).items():
            if table not in analysis.tables:
                raise ValueError(f"the analysis {analysis.name} does not declare the table {table}")
            found.setdefault(table, []).extend(rows)
    return found


def situation_digest(connection: duckdb.DuckDBPyConnection, claims: Sequence[Claim]) -> str:
    """sha256 over all that decides an evaluation: what decides the verdicts, and what the analyses read beside that."""
    content = {
        "verdicts": evidence_digest(connection, claims),
        "analyses": {name: analysis.version for name, analysis in analyses().items()},
        "measurements": sum_of_hashes(connection, "SELECT DISTINCT probe_run_id, variant_id FROM evidence_variants"),
        "checkpoints": sum_of_hashes(connection, "SELECT * EXCLUDE (since_build, weights_sha256) FROM checkpoints"),
        "metrics": sum_of_hashes(connection, "SELECT metric_id, construct, method, grain, lower, upper FROM metrics"),
        "defaults": sum_of_hashes(connection, "SELECT variant_id FROM metric_variants WHERE is_default"),
        "likeness": sum_of_hashes(connection, "SELECT * EXCLUDE (pair_run_id) FROM likeness"),
        "predictions": sum_of_hashes(connection, "SELECT * FROM predictions"),
        "advisories": sum_of_hashes(connection, "SELECT * FROM current_advisories"),
        "advised": sum_of_hashes(connection, "SELECT probe_run_id, advisory_id FROM advised_probe_runs WHERE suspect"),
        "known": sum_of_hashes(connection, "SELECT DISTINCT source_id, known_on FROM probe_runs WHERE status = 'ok'"),
    }
    return digest(canonical_json(content))
