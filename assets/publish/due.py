"""Whether a publication would change anything, found out without Dagster and torch."""

from __future__ import annotations

from pathlib import Path

import duckdb

from assets.analyses.registry import situation_digest
from assets.claims.recording import put_claims
from assets.likeness.plan import due
from assets.publish.publication import claims_in_force
from assets.published.importing import is_imported
from assets.study import Study
from catalog.home import Home
from catalog.read import first_row, is_of_this_schema
from catalog.record import Record


def publication_is_due(home: Home, study: Study) -> bool:
    """Whether the record holds what the catalog lacks, training runs are to be compared, a claim or the rules changed,
    or the report is older."""
    record = Record(home)
    put_claims(record, study)
    if not all(is_imported(published, record) for published in study.published):
        return True
    builds = record.builds()
    if not builds or not home.catalog.exists():
        return True
    if set(record.paths()) - {path for build in builds for path, _ in build["entries"]}:
        return True
    return _report_is_older(home) or _is_behind(home, study)


def _report_is_older(home: Home) -> bool:
    index: Path = home.reports / "index.html"
    return not index.exists() or index.stat().st_mtime < home.catalog.stat().st_mtime


def _is_behind(home: Home, study: Study) -> bool:
    try:
        with duckdb.connect(str(home.catalog), read_only=True) as connection:
            if not is_of_this_schema(connection):
                return True
            digest = situation_digest(connection, claims_in_force(connection, study))
            row = first_row(connection, "SELECT inputs_digest FROM current_evaluation")
            return row is None or row[0] != digest or bool(due(connection))
    except duckdb.Error:
        return True
