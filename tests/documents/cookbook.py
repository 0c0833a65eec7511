"""The cookbook as a page, catalog/COOKBOOK.md: each question, its SQL, and its answer in a catalog.

Here: layout. Not here: the questions (catalog/questions.py and its folder).
"""

from __future__ import annotations

import re

import duckdb
import polars as pl

from catalog.questions import FOLDER, Question, questions
from tests.documents.markdown import cell, plain, table

PATH = FOLDER.parent / "COOKBOOK.md"
MOST_ROWS = 8
HEAD = """\
# SQL cookbook

<!-- Written by `make docs`; a test holds its SQL to the files in cookbook/. -->

Questions that can be asked of `catalog.duckdb`, with their answers in the catalog of `make demo`:

{contents}

What you may want to change stands in each query's first part, `asked`.

```sh
.venv/bin/python -m pipelines sql --cookbook                          # lists them
.venv/bin/python -m pipelines sql --cookbook where-induction-heads-sit
.venv/bin/python -m pipelines sql - < my-change-of-one.sql
```

What each table and column holds: [DICTIONARY.md](DICTIONARY.md).
"""


def page(connection: duckdb.DuckDBPyConnection) -> str:
    found = questions().values()
    contents = "\n".join(f"- [{question.question}](#{anchor(question.question)})" for question in found) + "\n"
    head = HEAD.replace("{contents}", held(connection))
    return "\n".join([head, contents, *(section(question, connection) for question in found)])


def held(connection: duckdb.DuckDBPyConnection) -> str:
    """What was measured in a catalog, and published by others."""
    rows = connection.execute(
        "FROM current_probe_runs JOIN checkpoints USING (checkpoint_id) JOIN training_runs USING (run_id) "
        "JOIN models USING (model_id) SELECT provenance, count(DISTINCT run_id), string_agg(DISTINCT family_id, ', ' "
        "ORDER BY family_id) GROUP BY provenance ORDER BY provenance"
    ).fetchall()
    told = {"measured": "training runs measured here", "published": "training runs that others published values of"}
    return "\n".join(f"- {n} {told[provenance]}: {plain(families)}" for provenance, n, families in rows)


def section(question: Question, connection: duckdb.DuckDBPyConnection) -> str:
    answer = connection.sql(question.sql).pl()
    return f"## {question.question}\n\n`{question.name}`\n\n```sql\n{question.sql}```\n\n{answered(answer)}"


def anchor(heading: str) -> str:
    """The name under which a heading is linked to."""
    return re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-")


def answered(answer: pl.DataFrame) -> str:
    """The first rows, and how many there are."""
    if answer.is_empty():
        return "Answer: no row.\n"
    shown = table(answer.columns, [[cell(value) for value in row] for row in answer.head(MOST_ROWS).iter_rows()])
    rows = "one row" if answer.height == 1 else f"{answer.height:,} rows"
    first = f", the first {MOST_ROWS}" if answer.height > MOST_ROWS else ""
    return f"Answer: {rows}{first}.\n\n{shown}"
