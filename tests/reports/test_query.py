"""Queries bind their values, and what is shown of them runs."""

from __future__ import annotations

import duckdb

from reports.query import Query

NAME = "o'brien'; DROP TABLE t; --"


def test_values_are_bound_and_shown_as_literals():
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE t AS SELECT ? AS name", [NAME])
        query = Query("SELECT name, '$.a' AS path FROM t WHERE name = $name", {"name": NAME})

        assert query.rows(connection) == [{"name": NAME, "path": "$.a"}]
        assert connection.execute(query.shown()).fetchall() == [(NAME, "$.a")]


def test_shown_ends_the_statement():
    assert Query("\nSELECT 1\n").shown() == "SELECT 1;"


def test_every_query_on_a_page_runs_as_it_stands(pages, catalog):
    shown = {e.text for page in pages.values() for e in page.all("code") if "pre" in e.inside}

    assert len(shown) > 20
    for sql in sorted(shown):
        catalog.execute(sql).fetchall()
