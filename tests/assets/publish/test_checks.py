"""Each check of the catalog passes on a real one and finds the fault that it is there for."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from assets.publish.checks import CHECKS, Check, faults
from catalog.home import Home
from tests.conftest import Tiny


def update(change: str, metric: str, condition: str = "TRUE") -> str:
    """A statement that changes stored values of a metric."""
    return (
        f"UPDATE storage.measured_values SET {change} WHERE {condition} AND measured_id IN "
        f"(SELECT measured_id FROM storage.measured_variants WHERE metric_id = '{metric}')"
    )


FAULTS = {
    "attention_rows_sum_to_one": [
        "UPDATE probe_runs SET notes = '{\"row_sum_error\": 0.01}' WHERE probe = 'attention'",
        "UPDATE probe_runs SET notes = NULL WHERE probe = 'attention'",
    ],
    "no_nan": [
        update("value = 'nan'", "repeat_gain"),
        update("value = NULL", "repeat_gain"),
    ],
    "metrics_are_registered": [
        "DELETE FROM metrics WHERE metric_id = 'prefix_matching'",
        "DELETE FROM metric_variants WHERE metric_id = 'prefix_matching'",
    ],
    "values_lie_in_range": [
        update("value = 1.01", "first_token"),
        update("value = -0.01", "repeat_recall"),
    ],
    "likeness_lies_in_range": [
        "UPDATE pair_measurements SET value = 'nan' WHERE metric_id = 'index_correlation'",
        "UPDATE pair_measurements SET value = NULL WHERE metric_id = 'profile_likeness'",
        "UPDATE pair_measurements SET value = 1.01, chance = NULL WHERE metric_id = 'offset_likeness'",
        "UPDATE pair_measurements SET chance = -0.01 WHERE metric_id = 'same_top_layer'",
    ],
    "step_0_is_at_chance": [
        update("value = value + 0.02", "previous_token"),
        update("value = chance + 0.06", "prefix_matching", "layer = 1 AND head = 2"),
    ],
    "predictions_precede_measurements": [
        "INSERT INTO predictions BY NAME SELECT 'p' AS prediction_id, claim_id, claim_version, model_id AS subject, "
        "1 AS of_build, 'run' AS level, '' AS basis, TIMESTAMP '2026-01-01' AS made_at, 1 AS since_build "
        "FROM claims, models LIMIT 1",
    ],
}


@pytest.fixture
def home(tiny: Tiny, tmp_path: Path) -> Home:
    """A copy of a published catalog, for the test to spoil."""
    shutil.copy(tiny.home.catalog, tmp_path)
    return Home(tmp_path)


@pytest.fixture
def catalog(home: Home) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(home.catalog)) as connection:
        yield connection


def test_every_check_is_tried_here() -> None:
    assert set(FAULTS) == {check.name for check in CHECKS}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_a_real_catalog_passes(check: Check, catalog: duckdb.DuckDBPyConnection) -> None:
    assert catalog.execute(check.faults).fetchall() == []


@pytest.mark.parametrize(
    ("check", "fault"),
    [(check, fault) for check in CHECKS for fault in FAULTS[check.name]],
    ids=lambda each: str(each)[:60],
)
def test_a_fault_is_found(check: Check, fault: str, catalog: duckdb.DuckDBPyConnection) -> None:
    catalog.execute(fault)

    assert len(catalog.execute(check.faults).fetchall()) > 0


def test_faults_are_counted_by_check(home: Home) -> None:
    assert faults(home) == {}

    with duckdb.connect(str(home.catalog)) as connection:
        connection.execute(update("value = 'nan'", "repeat_gain"))
        spoiled = connection.execute("SELECT count(*) FROM measurements WHERE metric_id = 'repeat_gain'").fetchall()

    assert faults(home) == {"no_nan": spoiled[0][0]}
