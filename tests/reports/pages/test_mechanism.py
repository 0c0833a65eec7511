"""The mechanism pages: which there are, what stands on them, and hostile names."""

from __future__ import annotations

from catalog.read import open_catalog
from reports import site
from reports.html import mechanism_path

HOSTILE = "<script>alert('x')</script>\"&\N{SNOWMAN}</script>" + "a" * 300


def test_constructs_with_two_metrics_have_a_page_and_stand_in_the_index(pages):
    made = {path for path in pages if path.startswith("mechanisms/")}

    leads = {e.attributes["href"] for e in pages["mechanisms.html"].all("a")}
    assert made == {f"mechanisms/{name}.html" for name in ("copying", "induction", "previous_token")}
    assert made <= leads
    assert "mechanisms.html" in {e.attributes["href"] for e in pages["methods.html"].all("a")}


def test_the_metrics_stand_side_by_side_with_their_claims(pages):
    page = pages["mechanisms/induction.html"]

    assert "A made-up definition of prefix_matching" in page.text
    assert "../claims/prefix-matching-heads-exist.html" in {e.attributes["href"] for e in page.all("a")}
    assert "prefix_matching_placebo" in page.text


def test_the_matrix_tells_each_cell_in_words_and_numbers(pages):
    page = pages["mechanisms/induction.html"]

    cells = [e for e in page.all("td") if "rho" in e.attributes.get("class", "").split()]
    assert len(cells) == 2 * 5
    correlated = [e for e in cells if "7 runs" in e.text]
    assert len(correlated) == 8
    assert all("±" in e.text for e in correlated)


def test_without_scores_of_heads_a_sentence_stands_for_the_matrix(pages):
    page = pages["mechanisms/copying.html"]

    assert "none of these metrics scores single heads" in page.text
    assert not page.with_attribute("data-chart")


def _hostile(tables):
    for row in tables["metrics"]:
        row["construct"] = HOSTILE if row["construct"] == "induction" else row["construct"]
        row["method"] = row["unit"] = row["chance_rule"] = HOSTILE


def test_hostile_constructs_come_out_as_text(home_with, parse):
    with open_catalog(home_with(_hostile)) as catalog:
        made = site.render(catalog)

    content = made[mechanism_path(HOSTILE)]
    page = parse(content)
    assert page.all("h1")[0].text.startswith("<script>alert")
    assert {e.attributes.get("type") for e in page.all("script")} == {None, "application/json"}
    assert b"<script>alert" not in content
    assert b"<script>alert" not in made["methods.html"] + made["mechanisms.html"]
