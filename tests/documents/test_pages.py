"""The pages made of the catalog are up to date, and hostile names stand in them as text."""

from __future__ import annotations

import re

import duckdb
import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from catalog.questions import questions
from tests.documents import cookbook, dictionary
from tests.documents.markdown import cell, plain, table

HOSTILE = (
    "<script>alert('a')</script>",
    "a | b || c",
    "*bold* _it_ __b__ `code` ~~gone~~",
    "[here](https://example.org) ![x](y) <https://example.org>",
    "&amp; &#60;b&#62; \\| \\*",
    "$x$ snake_case_name _private_ a\nb",
    "www.example.org http://example.org a@example.org seed0@step1",
    "❄ {{ x }} # no heading",
)


def rendered(page: str) -> list[Token]:
    """The tokens of a page, inline ones included, as markdown-it reads it with tables and strike-through."""
    tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(page)
    return [each for token in tokens for each in (token, *(token.children or []))]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_name_comes_out_as_text(text: str) -> None:
    page = table(["name", "next"], [[plain(text), "after"]])

    tokens = rendered(page)

    kinds = {token.type.removesuffix("_open").removesuffix("_close") for token in tokens}
    assert kinds <= {"table", "thead", "tbody", "tr", "th", "td", "inline", "text", "text_special"}
    cells = [token.children or [] for token in tokens if token.type == "inline"]
    assert "".join(each.content for each in cells[2]) == " ".join(text.split())
    assert cells[3][0].content == "after"


def test_a_bare_address_is_left_no_link() -> None:
    assert plain("www.example.org https://a.b me@a.b run-seed0@step1") == (
        "www&#46;example.org https&#58;//a.b me&#64;a.b run-seed0@step1"
    )


def test_lists_maps_and_nulls_of_a_result_are_readable() -> None:
    values = (["a_b", "c"], {1: 6, 2: 1}, None, True, 0.5, "x" * 200)

    assert [cell(value) for value in values] == ["a_b, c", "1: 6, 2: 1", "", "true", "0.5", "x" * 109 + "…"]


def test_the_dictionary_is_up_to_date() -> None:
    assert dictionary.PATH.read_text(encoding="utf-8") == dictionary.page(), "run `make docs`"


def test_the_dictionary_links_to_what_it_describes() -> None:
    page = dictionary.PATH.read_text(encoding="utf-8")

    linked = re.findall(r"\]\(#(\w+)\)", page)
    assert sorted(linked) == sorted(re.findall(r"^### (\w+)$", page, re.MULTILINE))


def test_the_cookbooks_page_holds_each_query_as_it_is_and_no_other() -> None:
    page = cookbook.PATH.read_text(encoding="utf-8")

    shown = re.findall(r"^```sql\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert shown == [question.sql for question in questions().values()], "run `make docs`"


def test_the_cookbooks_contents_lead_to_its_headings() -> None:
    page = cookbook.PATH.read_text(encoding="utf-8")

    headings = [cookbook.anchor(heading) for heading in re.findall(r"^## (.+)$", page, re.MULTILINE)]
    assert re.findall(r"^- \[.*\]\(#(.+)\)$", page, re.MULTILINE) == headings
    assert len(set(headings)) == len(questions())


def test_an_answer_shows_its_first_rows_and_how_many_there_are() -> None:
    with duckdb.connect() as connection:
        many = cookbook.answered(connection.sql("SELECT 7 + range AS n FROM range(20) ORDER BY 1").pl())
        none = cookbook.answered(connection.sql("SELECT 1 AS n WHERE FALSE").pl())

    assert many.splitlines()[0] == "Answer: 20 rows, the first 8."
    assert many.splitlines()[-1] == "| 14 |"
    assert none == "Answer: no row.\n"
