"""Measured values come back as they were added, and the summaries of heads are what the heads themselves give."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from catalog import build, measured
from catalog.build import finish, publishing, rebuild, stage
from catalog.errors import UserError
from catalog.home import Home
from catalog.measured import SCHEMA, add_measurements, measured_twice, read_measurements
from catalog.read import open_catalog
from tests.bench import records

BEST_HEADS = """
SELECT
    family_id, model_id, run_id, checkpoint_id, step, tokens_seen, is_final, metric_id, variant_id, layer, head,
    value, chance, excess, standard_error,
    value - lead(value) OVER of_checkpoint AS margin, count(*) OVER (PARTITION BY checkpoint_id, variant_id) AS n_heads,
    provenance, source_id
FROM head_scores
WINDOW of_checkpoint AS (PARTITION BY checkpoint_id, variant_id ORDER BY value DESC, layer, head)
QUALIFY row_number() OVER of_checkpoint = 1
"""
"""The views, from the rows themselves."""
TRAJECTORIES = """
SELECT
    family_id, model_id, run_id, checkpoint_id, step, tokens_seen, metric_id, variant_id,
    max(value) AS best_value, max(excess) AS best_excess, round(avg(value), 12) AS mean_value,
    any_value(chance) AS chance, count(*) FILTER (excess > 0.3) AS n_heads_above, count(*) AS n_heads,
    any_value(provenance) AS provenance
FROM head_scores
WHERE step IS NOT NULL
GROUP BY ALL
"""
SUBJECTS = """
INSERT INTO families (family_id, role, since_build) VALUES ('f', 'natural', 1);
INSERT INTO models (model_id, family_id, since_build) VALUES ('m', 'f', 1);
INSERT INTO training_runs (run_id, model_id, since_build) VALUES ('r', 'm', 1);
INSERT INTO checkpoints (checkpoint_id, run_id, label, step, is_final, availability, since_build) VALUES
    ('r@0', 'r', '0', 0, false, 'available', 1), ('r@9', 'r', '9', 9, true, 'available', 1),
    ('r@x', 'r', 'x', NULL, false, 'available', 1);
INSERT INTO metrics (metric_id, construct, method, grain, unit, has_excess, definition, definition_version, since_build)
    VALUES ('score', 'c', 'attention', 'head', 'p', true, '', 1, 1),
        ('raw', 'c', 'weights', 'head', 'p', false, '', 1, 1);
INSERT INTO metric_variants (variant_id, metric_id, parameters, label, is_default, since_build)
    VALUES ('score.a', 'score', '{}', '', true, 1), ('raw.a', 'raw', '{}', '', true, 1);
INSERT INTO probe_runs (probe_run_id, checkpoint_id, probe, probe_version, parameters, provenance, source_id, status,
        recorded_at, cache_key, n_rows, since_build)
    SELECT p, c, 'p', 1, k, 'published', 's', 'ok', TIMESTAMP '2026-01-01', p, 0, 1
    FROM (VALUES ('p0', 'r@0', '1'), ('p9', 'r@9', '1'), ('q9', 'r@9', '2'), ('px', 'r@x', '1')) AS t(p, c, k);
"""


def row(probe_run: str, variant: str, layer: int | None, head: int | None, value: float | None, **more: Any) -> Any:
    of = {"probe_run_id": probe_run, "checkpoint_id": f"r@{probe_run[1:]}", "variant_id": variant, "stratum": ""}
    metric = variant.partition(".")[0]
    return {**of, "metric_id": metric, "layer": layer, "head": head, "value": value, "chance": 0.1, "n": 8, **more}


ROWS = [
    *(row("p0", "score.a", layer, head, 0.2 + 0.1 * head) for layer in (1, 0) for head in (0, 1)),  # two best heads
    row("p0", "score.a", 0, 0, 0.95, stratum="offset=1"),
    row("p0", "raw.a", 0, 3, 0.9, chance=None, standard_error=0.01),  # a single head, no excess
    row("p9", "score.a", 0, 0, None),
    row("p9", "score.a", 0, 1, 0.7, chance=0.2),
    row("p9", "score.a", 0, 2, 0.5),
    row("p9", "score.a", None, None, 0.99),  # not about a head
    row("p9", "raw.a", 0, 0, None),
    row("p9", "raw.a", 0, 1, None),
    row("q9", "score.a", 0, 2, 0.8),  # superseded or not, never both
    row("px", "score.a", 1, 0, 0.4),
    row("px", "score.a", 1, 1, 0.9, sender_layer=0, sender_head=1),  # an edge
]


@pytest.fixture
def catalog() -> Iterator[duckdb.DuckDBPyConnection]:
    """With the rows added in two goes."""
    with duckdb.connect() as connection:
        build._create(connection)
        connection.execute(SUBJECTS)
        add_measurements(connection, pl.DataFrame(ROWS[:6], schema=SCHEMA))
        add_measurements(connection, pl.DataFrame(ROWS[6:], schema=SCHEMA))
        yield connection


def rows_of(connection: duckdb.DuckDBPyConnection, query: str) -> list[Any]:
    return sorted(connection.execute(query).fetchall(), key=repr)


def test_measurements_come_back_as_they_were_added(catalog: duckdb.DuckDBPyConnection) -> None:
    columns = ", ".join(SCHEMA)
    added = pl.DataFrame(ROWS, schema=SCHEMA).rows()

    assert rows_of(catalog, f"SELECT {columns} FROM measurements") == sorted(added, key=repr)


@pytest.mark.parametrize(
    ("view", "definition"),
    [
        ("FROM best_heads", BEST_HEADS),
        ("SELECT * REPLACE (round(mean_value, 12) AS mean_value) FROM trajectories", TRAJECTORIES),
    ],
)
def test_summaries_are_what_the_heads_give(catalog: duckdb.DuckDBPyConnection, view: str, definition: str) -> None:
    expected = rows_of(catalog, definition)

    assert len(expected) >= 4
    assert rows_of(catalog, view) == expected


def test_evidence_variants_count_the_rows_of_evidence(catalog: duckdb.DuckDBPyConnection) -> None:
    counted = (
        "SELECT checkpoint_id, variant_id, stratum, count(*), any_value(probe_run_id) FROM evidence GROUP BY 1, 2, 3"
    )

    found = rows_of(catalog, "SELECT checkpoint_id, variant_id, stratum, n_rows, probe_run_id FROM evidence_variants")
    assert found == rows_of(catalog, counted)


def test_a_value_that_stands_twice_is_found(
    catalog: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measured, "ROWS_AT_ONCE", 2)
    assert measured_twice(catalog, None) is None

    catalog.execute("INSERT INTO storage.measured_values FROM storage.measured_values WHERE value = 0.9 AND head = 3")

    assert measured_twice(catalog, None) == ("p0", "raw.a", 0, 3, None, None, "")
    assert measured_twice(catalog, 2) is None


def test_files_of_other_types_and_columns_are_converted(catalog: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    given = {"probe_run_id": "p", "variant_id": "v", "metric_id": "m", "checkpoint_id": "c", "stratum": ""}
    pl.DataFrame({**given, "layer": [0, 1], "head": [2, 3], "value": [1, 2], "value_a": [None, None]}).write_parquet(
        tmp_path / "a.parquet"
    )

    rows = read_measurements([str(tmp_path / "a.parquet")])

    assert dict(rows.schema) == dict(SCHEMA)
    assert rows.select("layer", "head", "value", "value_a", "n").rows() == [
        (0, 2, 1.0, None, None),
        (1, 3, 2.0, None, None),
    ]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Of a made record, as the bench has it."""
    home = Home(tmp_path / "home")
    records.make(home, records.Size(2, 2), processes=1)
    return home


def publish(home: Home) -> int:
    with publishing(home):
        return finish(home, stage(home))


def all_rows(home: Home) -> dict[str, list[Any]]:
    with open_catalog(home) as connection:
        tables = [name for name in build.table_keys(connection) if name not in ("builds", "schema_info")]
        return {table: rows_of(connection, f"FROM {table}") for table in tables}


def test_a_made_record_is_built_and_shows_its_heads(home: Home) -> None:
    publish(home)

    with open_catalog(home) as connection:
        assert connection.execute("SELECT count(*) FROM evidence").fetchall() == [(4 * records.ROWS_OF_CHECKPOINT,)]
        assert connection.execute("SELECT count(*), min(n_heads) FROM best_heads").fetchall() == [(16, 256)]
        assert len(connection.execute("FROM claim_matrix").fetchall()) > 10
        assert rows_of(connection, "FROM best_heads") == rows_of(connection, BEST_HEADS)


def test_entries_taken_in_parts_give_the_same_catalog(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    to = records.record_of(home)
    for family in ("control", "natural"):  # several generations of one entry, one of them a history
        to.put("families", "f", {"families": [{"family_id": "f", "role": family}]})
        to.put("studies", "s", {"studies": [{"study_id": "s", "content": {"role": family}, "file_sha256": family}]})
    publish(home)
    whole = all_rows(home)

    monkeypatch.setattr(build, "ENTRIES_AT_ONCE", 1)
    monkeypatch.setattr(measured, "ROWS_AT_ONCE", 1000)
    rebuild(home)

    assert all_rows(home) == whole
    assert [role for name, _, role, *_ in whole["families"] if name == "f"] == ["natural"]


def test_a_probe_run_whose_file_holds_a_value_twice_is_not_published(home: Home) -> None:
    to = records.record_of(home)
    values = records._values(records._places(), records.np.random.default_rng(0), 0.5)
    checkpoint = "model0-seed0@step0"
    to.put_probe_run(records._probe_run_row(checkpoint, "0" * 24 + "f" * 40), pl.concat([values, values[:1]]))

    with pytest.raises(UserError, match="The view measurements holds two rows"):
        publish(home)
