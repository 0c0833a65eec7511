"""The catalog is built from the record, and again the same; the record survives what goes wrong."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from catalog import build, record, store
from catalog.build import discard, finish, publishing, rebuild, references, stage, table_keys
from catalog.errors import UserError
from catalog.home import Home
from catalog.read import check_is_query, open_catalog, sandboxed
from catalog.record import Record

VARIANT = "previous_token.bos-false.input-distinct.n-24"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    put_facts(Record(home))
    return home


def put_facts(to: Record) -> None:
    to.put("sources", "moving-target", {"sources": [{"source_id": "moving-target", "kind": "measured"}]})
    to.put("families", "fam", {"families": [{"family_id": "fam", "role": "natural", "description": "a family"}]})
    to.put(
        "models",
        "fam-1",
        {"models": [{"model_id": "fam-1", "family_id": "fam", "n_layers": 2, "properties": {"a": 1}}]},
    )
    to.put(
        "training_runs", "fam-1-seed0", {"training_runs": [{"run_id": "fam-1-seed0", "model_id": "fam-1", "seed": 0}]}
    )
    for step in (0, 10):
        put_checkpoint(to, step, "w" * 64)
    metric = {
        "metric_id": "previous_token", "construct": "previous_token", "method": "attention", "grain": "head",
        "unit": "probability", "has_excess": True, "definition": "...", "definition_version": 1,
    }  # fmt: skip
    to.put("metrics", "previous_token", {"metrics": [metric]})
    variant = {
        "variant_id": VARIANT,
        "metric_id": "previous_token",
        "parameters": "{}",
        "label": "1-back",
        "is_default": True,
    }
    to.put("metric_variants", VARIANT, {"metric_variants": [variant]})


def put_checkpoint(to: Record, step: int, weights: str) -> None:
    checkpoint = {
        "checkpoint_id": f"fam-1-seed0@step{step}", "run_id": "fam-1-seed0", "label": f"step{step}", "step": step,
        "is_final": step == 10, "availability": "available", "weights_sha256": weights,
    }  # fmt: skip
    to.put("checkpoints", checkpoint["checkpoint_id"], {"checkpoints": [checkpoint]})


def put_probe_run(to: Record, step: int, value: float, key: str, **changes: Any) -> str:
    row = {
        "checkpoint_id": f"fam-1-seed0@step{step}", "weights_sha256": "w" * 64, "probe": "attention",
        "probe_version": 1, "parameters": "{}", "provenance": "measured", "source_id": "moving-target",
        "status": "ok", "dtype": "float32", "cache_key": key, **changes,
    }  # fmt: skip
    values = pl.DataFrame(
        {
            "variant_id": [VARIANT] * 2,
            "metric_id": ["previous_token"] * 2,
            "layer": [0, 0],
            "head": [0, 1],
            "sender_layer": [None] * 2,
            "sender_head": [None] * 2,
            "stratum": [""] * 2,
            "value": [value, value / 2],
            "value_a": [None] * 2,
            "value_b": [None] * 2,
            "chance": [0.1, 0.1],
            "standard_error": [0.01] * 2,
            "n": [8, 8],
        }
    )
    return to.put_probe_run(row, None if row["status"] != "ok" else values)


def publish(home: Home) -> int:
    with publishing(home):
        return finish(home, stage(home))


def query(home: Home, sql: str) -> list[tuple[Any, ...]]:
    with open_catalog(home) as connection:
        return connection.execute(sql).fetchall()


def test_evidence_shows_what_was_recorded(home: Home) -> None:
    put_probe_run(Record(home), 10, 0.8, "k1")

    assert publish(home) == 1

    rows = query(home, "SELECT head, value, excess, family_id, step FROM evidence ORDER BY head")
    assert rows == [(0, 0.8, pytest.approx(0.7 / 0.9), "fam", 10), (1, 0.4, pytest.approx(1 / 3), "fam", 10)]


def test_nothing_new_makes_no_build(home: Home) -> None:
    publish(home)
    before = home.catalog.read_bytes()

    assert publish(home) == 1
    assert home.catalog.read_bytes() == before
    assert not list(home.staging.glob("*"))


def test_a_rebuild_gives_the_same_content_in_every_table(home: Home, tmp_path: Path) -> None:
    to = Record(home)
    put_probe_run(to, 0, 0.1, "k0")
    publish(home)
    put_probe_run(to, 10, 0.8, "k1")
    to.put("models", "fam-1", {"models": [{"model_id": "fam-1", "family_id": "fam", "n_layers": 3}]})
    to.put(
        "advisories",
        "a",
        {"advisories": [{"advisory_id": "a", "scope": {"models": ["x"]}, "statement": "s", "withdrawn": False}]},
    )
    publish(home)
    published = tmp_path / "published.duckdb"
    home.catalog.rename(published)

    rebuild(home)

    with duckdb.connect(str(home.catalog), read_only=True) as connection:
        connection.execute(f"ATTACH '{published}' AS was (READ_ONLY)")
        for table in table_keys(connection):
            both = [(f"main.{table}", f"was.main.{table}"), (f"was.main.{table}", f"main.{table}")]
            for one, other in both:
                assert connection.execute(f"SELECT * FROM {one} EXCEPT ALL SELECT * FROM {other}").fetchall() == [], (
                    table
                )
        assert connection.execute("SELECT n_layers, since_build FROM models").fetchall() == [(3, 2)]


def test_as_of_shows_what_counted_then(home: Home) -> None:
    to = Record(home)
    put_probe_run(to, 10, 0.8, "k1")
    publish(home)
    put_probe_run(to, 10, 0.6, "k2", probe_version=2)
    publish(home)

    assert query(home, "SELECT value FROM evidence WHERE head = 0") == [(0.6,)]
    assert query(home, "SELECT value FROM measurements_as_of(1) WHERE head = 0") == [(0.8,)]


def test_a_failed_probe_run_supersedes_nothing(home: Home) -> None:
    to = Record(home)
    put_probe_run(to, 10, 0.8, "k1")
    put_probe_run(to, 10, 0.0, "k2", probe_version=2, status="failed", reason="NaN")
    publish(home)

    assert query(home, "SELECT value FROM evidence WHERE head = 0") == [(0.8,)]
    assert query(home, "SELECT reason FROM probe_runs WHERE status = 'failed'") == [("NaN",)]
    assert set(to.finished()) == {"attention.k1"}


def test_measured_comes_before_published_and_both_stay(home: Home) -> None:
    to = Record(home)
    put_probe_run(to, 10, 0.8, "k1")
    put_probe_run(to, 10, 0.7, "k2", provenance="published", weights_sha256=None)
    publish(home)

    assert query(home, "SELECT value, provenance FROM evidence WHERE head = 0") == [(0.8, "measured")]
    assert query(home, "SELECT count(*) FROM current_measurements WHERE head = 0") == [(2,)]


def test_a_suspect_measurement_is_no_evidence(home: Home) -> None:
    to = Record(home)
    put_probe_run(to, 10, 0.8, "k1")
    scope = {"models": ["fam-1"], "probes": ["attention"], "suspect": True}
    to.put(
        "advisories",
        "bad",
        {"advisories": [{"advisory_id": "bad", "scope": scope, "statement": "s", "withdrawn": False}]},
    )
    publish(home)

    assert query(home, "SELECT count(*) FROM evidence") == [(0,)]
    assert query(home, "SELECT count(*) FROM current_measurements") == [(2,)]


def test_measurements_of_replaced_weights_are_no_evidence(home: Home) -> None:
    to = Record(home)
    put_probe_run(to, 10, 0.8, "k1")
    publish(home)
    put_checkpoint(to, 10, "v" * 64)
    publish(home)

    assert query(home, "SELECT count(*) FROM evidence") == [(0,)]
    assert query(home, "SELECT count(*) FROM measurements") == [(2,)]


def test_onset_is_an_interval(home: Home) -> None:
    to = Record(home)
    put_checkpoint(to, 20, "w" * 64)
    for step, value in ((0, 0.1), (10, 0.8), (20, 0.9)):
        put_probe_run(to, step, value, f"k{step}")
    publish(home)

    assert query(home, "SELECT after_step, by_step, status FROM onsets") == [(0, 10, "observed")]


def test_the_best_head_is_named_with_its_margin(home: Home) -> None:
    put_probe_run(Record(home), 10, 0.8, "k1")
    publish(home)

    assert query(home, "SELECT layer, head, value, margin, n_heads FROM best_heads") == [
        (0, 0, 0.8, pytest.approx(0.4), 2)
    ]


def test_a_dangling_reference_is_not_published(home: Home) -> None:
    publish(home)
    put_probe_run(Record(home), 999, 0.8, "k1")

    with pytest.raises(UserError, match="fam-1-seed0@step999"):
        publish(home)

    assert query(home, "SELECT build FROM schema_info") == [(1,)]


def test_a_changed_file_of_the_record_is_refused(home: Home) -> None:
    put_probe_run(Record(home), 10, 0.8, "k1")
    next(home.measurements.glob("*.parquet")).write_bytes(b"changed")

    with pytest.raises(UserError, match="changed after it was written"):
        publish(home)


def test_a_publication_that_died_before_the_swap_is_replayed(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(home)
    put_probe_run(Record(home), 10, 0.8, "k1")

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(build.os, "replace", die)
        with pytest.raises(KeyboardInterrupt):
            publish(home)

    assert query(home, "SELECT count(*) FROM evidence") == [(0,)]
    assert publish(home) == 2
    assert query(home, "SELECT count(*) FROM evidence") == [(2,)]


def test_a_full_disk_is_told_plainly_and_leaves_nothing_half_written(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(store.os, "fsync", full)
        with pytest.raises(UserError, match="The disk is full"):
            put_probe_run(Record(home), 10, 0.8, "k1")

    assert not list(home.measurements.glob("*")) + list(home.measurements.glob(".*"))
    put_probe_run(Record(home), 10, 0.8, "k1")
    assert publish(home) == 1


def test_two_writers_never_take_the_same_name(home: Home) -> None:
    to = Record(home)

    first, second = put_probe_run(to, 10, 0.8, "k1"), put_probe_run(to, 10, 0.8, "k1")

    assert first != second
    assert publish(home) == 1


def test_values_of_a_killed_process_are_taken_over(home: Home) -> None:
    first = put_probe_run(Record(home), 10, 0.8, "k1")
    (home.ledger / "probe_runs" / f"{first}.ok.json").unlink()  # as if it had been killed before

    assert put_probe_run(Record(home), 10, 0.8, "k1") == first
    assert [path.name for path in home.measurements.iterdir()] == [f"{first}.parquet"]


def test_other_values_of_a_killed_process_count_for_nothing(home: Home) -> None:
    first = put_probe_run(Record(home), 10, 0.8, "k1")
    (home.ledger / "probe_runs" / f"{first}.ok.json").unlink()

    second = put_probe_run(Record(home), 10, 0.7, "k1")
    publish(home)

    assert second != first
    assert query(home, "SELECT probe_run_id, value FROM evidence WHERE head = 0") == [(second, 0.7)]


def test_what_killed_processes_were_writing_goes_when_it_is_old(home: Home) -> None:
    old, young = (home.ledger / "models" / f".{name}.json.part" for name in ("old", "young"))
    for path in (old, young):
        path.write_text("{")
    os.utime(old, (0, 0))

    publish(home)

    assert not old.exists()
    assert young.exists()


def test_entries_are_listed_before_those_that_they_refer_to(home: Home) -> None:
    publish(home)
    with open_catalog(home) as connection:
        between = {(table, other) for table, _, other, _ in references(connection)}
    kinds = list(record.REFERRING_FIRST)

    referring = {table for table, other in between if other not in ("builds", "evaluations")}
    in_ledger = referring & {path.split("/")[1] for path in Record(home).paths()}
    assert in_ledger <= set(kinds)
    assert [(a, b) for a, b in between if {a, b} <= set(kinds) and kinds.index(a) >= kinds.index(b)] == []


def test_what_is_recorded_while_entries_are_listed_fits_together(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = os.listdir
    pending = [30, 20]

    def listing(folder: Path) -> list[str]:
        found = listed(folder)
        if pending and Path(folder).parent == home.ledger:
            step = pending.pop()
            put_checkpoint(Record(home), step, "w" * 64)
            put_probe_run(Record(home), step, 0.8, f"k{step}")
        return found

    monkeypatch.setattr(os, "listdir", listing)
    put_probe_run(Record(home), 10, 0.8, "k1")

    assert publish(home) == 1


def test_discard_leaves_no_file(home: Home) -> None:
    with publishing(home):
        discard(stage(home))

    assert not list(home.staging.glob("*"))


def test_every_table_column_view_and_macro_has_a_comment(home: Home) -> None:
    publish(home)

    tables = "table_name IN (SELECT table_name FROM duckdb_tables())"
    assert query(home, f"SELECT column_name FROM duckdb_columns() WHERE comment IS NULL AND {tables}") == []
    assert query(home, "SELECT table_name FROM duckdb_tables() WHERE comment IS NULL") == []
    assert query(home, "SELECT view_name FROM duckdb_views() WHERE comment IS NULL AND NOT internal") == []
    assert query(home, "SELECT function_name FROM duckdb_functions() WHERE NOT internal AND comment IS NULL") == []


@pytest.mark.parametrize(
    "sql", ["COPY (SELECT 1) TO 'x.csv'", "DELETE FROM models", "ATTACH 'x.db'", "SET threads = 1", "SELEC 1"]
)
def test_only_queries_are_let_through(sql: str) -> None:
    with pytest.raises(UserError):
        check_is_query(sql)


def test_other_peoples_sql_reads_no_file(home: Home, tmp_path: Path) -> None:
    publish(home)
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    connection = sandboxed(home.catalog)

    with pytest.raises(duckdb.Error, match="disabled"):
        connection.execute(f"SELECT * FROM read_text('{secret}')")

    assert connection.execute("SELECT count(*) FROM models").fetchone() == (1,)
    connection.close()


def test_the_same_fact_is_recorded_once(home: Home) -> None:
    to = Record(home)
    row = {"source_id": "moving-target", "kind": "measured"}

    assert not to.put("sources", "moving-target", {"sources": [row]})
    assert to.put("sources", "moving-target", {"sources": [{**row, "url": "https://example.org"}]})
    assert json.loads((home.ledger / "sources" / "moving-target.000002.json").read_text())["key"] == "moving-target"


def test_a_catalog_of_another_schema_is_built_again_from_the_record(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_probe_run(Record(home), 10, 0.5, "key")
    publish(home)
    with duckdb.connect(str(home.catalog)) as connection:
        connection.execute("DROP TABLE pair_measurements CASCADE")

    monkeypatch.setattr(build, "SCHEMA_VERSION", record.SCHEMA_VERSION + 1)
    put_probe_run(Record(home), 0, 0.4, "other")
    publish(home)

    assert query(home, "SELECT schema_version FROM schema_info") == [(record.SCHEMA_VERSION + 1,)]
    assert query(home, "SELECT count(*) FROM pair_measurements") == [(0,)]
    assert query(home, "SELECT count(DISTINCT checkpoint_id) FROM evidence") == [(2,)]
