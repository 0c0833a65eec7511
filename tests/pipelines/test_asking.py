"""What a query may do, and how its answer is written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from click.testing import Result

from catalog.errors import UserError
from catalog.questions import questions
from pipelines import asking
from pipelines.asking import ask, write_parquet
from tests.conftest import Tiny

Invoke = Callable[..., Result]

KINDS = (
    "SELECT map {1: 2} AS m, [1, 2] AS l, {'a': 1} AS s, sum(n) AS total, 1.5::DECIMAL(3, 1) AS d, "
    "INTERVAL 36 HOUR AS i, 'NaN'::DOUBLE AS nan, '\\xAB'::BLOB AS b, DATE '2026-01-02' AS day, NULL AS nothing "
    "FROM (SELECT unnest([1, 2]) AS n)"
)


@pytest.mark.parametrize(
    "query",
    [
        "COPY models TO '{}/out.csv'",
        "COPY (FROM models) TO '{}/out.parquet'",
        "EXPORT DATABASE '{}/out'",
        "ATTACH '{}/out.duckdb'",
        "SELECT getenv('HOME')",
        "FROM '{}/secret.csv'",
        "FROM read_csv('{}/secret.csv')",
        "FROM read_text('{}/secret.csv')",
        "FROM read_blob('{}/secret.csv')",
        "FROM read_json('{}/secret.csv')",
        "FROM read_parquet('{}/secret.csv')",
        "FROM sniff_csv('{}/secret.csv')",
        "FROM glob('{}/*')",
        "FROM query('COPY models TO ''{}/out.csv''')",
        "FROM query_table('{}/secret.csv')",
        "EXPLAIN ANALYZE COPY models TO '{}/out.csv'",
        "EXPLAIN ANALYZE DELETE FROM models",
        "EXPLAIN ANALYZE CREATE TABLE mine AS SELECT 1",
        "WITH gone AS (DELETE FROM models RETURNING *) FROM gone",
        "CREATE TEMP TABLE mine AS SELECT 1",
        "PREPARE mine AS DELETE FROM models",
        "PRAGMA database_list",
        "CALL enable_logging()",
        "FROM enable_logging()",
        "FROM duckdb_secrets()",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "RESET enable_external_access",
        "USE memory",
        "SELECT 1; COPY models TO '{}/out.csv'",
        "SELECT 1; SELECT 2",
        "FROM text",
        "FROM connection",
    ],
)
def test_no_trick_gets_through(query: str, tiny: Tiny, tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_text("secret\n")
    before = tiny.home.catalog.read_bytes()

    with pytest.raises(UserError):
        ask(tiny.home, query.replace("{}", str(tmp_path)))

    assert [path.name for path in tmp_path.iterdir() if path.name != "home"] == ["secret.csv"]
    assert tiny.home.catalog.read_bytes() == before


@pytest.mark.parametrize("query", ["", "  ", "-- nothing", ";"])
def test_no_query_is_told(query: str, tiny: Tiny) -> None:
    with pytest.raises(UserError, match="There is no query"):
        ask(tiny.home, query)


def test_describe_summarize_and_explain_are_queries(tiny: Tiny) -> None:
    assert "model_id" in ask(tiny.home, "DESCRIBE models")["column_name"].to_list()
    assert "model_id" in ask(tiny.home, "SUMMARIZE models")["column_name"].to_list()
    assert ask(tiny.home, "EXPLAIN FROM models").height == 1


def test_csv_holds_one_value_a_cell(tiny: Tiny) -> None:
    lines = asking.as_csv(ask(tiny.home, KINDS)).splitlines()

    assert lines[0] == "m,l,s,total,d,i,nan,b,day,nothing"
    assert lines[1] == '"{""1"": 2}","[1, 2]","{""a"": 1}",3,1.5,36:00:00,NaN,ab,2026-01-02,'


def test_json_is_valid_and_numbers_stay_numbers(tiny: Tiny) -> None:
    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    [row] = json.loads(asking.as_json(ask(tiny.home, KINDS)), parse_constant=refuse)

    assert (row["total"], row["d"], row["nan"], row["b"]) == (3, 1.5, None, "ab")
    assert (row["m"], row["l"], row["s"], row["i"]) == ({"1": 2}, [1, 2], {"a": 1}, "36:00:00")


def test_parquet_gives_the_same_rows_again(tiny: Tiny, tmp_path: Path) -> None:
    rows = ask(tiny.home, "SELECT run_id, layer, head, value FROM head_scores ORDER BY ALL")

    write_parquet(rows, tmp_path / "heads.parquet", tiny.home)

    assert pl.read_parquet(tmp_path / "heads.parquet").equals(rows)
    assert [path.name for path in tmp_path.iterdir() if path.name != "home"] == ["heads.parquet"]


@pytest.mark.parametrize("place", ["catalog.duckdb", "record/models.parquet", "nowhere/x.parquet", "reports"])
def test_parquet_is_not_written_over_what_is_the_homes(place: str, tiny: Tiny) -> None:
    before = tiny.home.catalog.read_bytes()

    with pytest.raises(UserError):
        write_parquet(pl.DataFrame({"a": [1]}), tiny.home.root / place, tiny.home)

    assert tiny.home.catalog.read_bytes() == before
    assert not (tiny.home.record / "models.parquet").exists()


def test_a_kind_of_value_that_frames_lack_is_told(tiny: Tiny) -> None:
    with pytest.raises(UserError, match="can't be shown"):
        ask(tiny.home, "SELECT union_value(a := 1) AS u")


def test_the_cookbook_is_listed_and_a_question_of_it_asked(invoke: Invoke, tmp_path: Path) -> None:
    listed = invoke("sql", "--cookbook").output
    answered = invoke("sql", "--cookbook", "architectures-compared", "--csv").output
    kept = invoke("sql", "--cookbook", "cost-of-probes", "--parquet", str(tmp_path / "cost.parquet"))

    assert [name for name in questions() if name not in listed] == []
    assert answered.splitlines()[1].startswith("gpt_neox,prefix_matching,1,1,2,")
    assert set(pl.read_parquet(tmp_path / "cost.parquet")["probe"]) == {"attention", "repeats"}
    assert "2 rows" in kept.stderr


def test_names_that_would_command_a_terminal_are_shown_as_codes(invoke: Invoke) -> None:
    output = invoke("sql", "SELECT chr(27) || '[2J[bold]' || chr(7) || chr(155) AS name").output

    assert "\\x1b[2J[bold]\\x07\\x9b" in output
    assert not set(output) & {"\x1b", "\x07", "\x9b"}


def test_a_plan_is_shown_whole(invoke: Invoke) -> None:
    output = invoke("sql", "EXPLAIN SELECT run_id, count(*) FROM training_runs GROUP BY run_id").output

    assert "training_runs" in output
    assert len(output.splitlines()) > 10


def test_a_question_that_the_cookbook_lacks_is_told_with_those_near(invoke: Invoke) -> None:
    outcome = invoke("sql", "--cookbook", "costs-of-probes")

    assert isinstance(outcome.exception, UserError)
    assert "cost-of-probes" in str(outcome.exception)


def test_without_a_terminal_a_query_is_read_from_standard_input(invoke: Invoke) -> None:
    assert invoke("sql", "--csv", input="SELECT 6 * 7 AS answer").output == "answer\n42\n"
