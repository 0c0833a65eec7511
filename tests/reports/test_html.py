"""Names become safe files, links and data."""

from __future__ import annotations

import json

from reports.html import Page, breakable, compact_json, linked, slug, web_address


def test_an_id_is_its_own_slug_and_others_are_told_apart():
    assert slug("smollm2-135m-instruct-q4_1") == "smollm2-135m-instruct-q4_1"
    assert slug("A/B") != slug("a/b")
    assert slug("../../etc") == slug("../../etc")
    assert "/" not in slug("../../etc")
    assert not slug("..").startswith(".")


def test_citations_get_links_and_nothing_else():
    text = linked("Olsson <b>2022</b>, arXiv 2209.11895; doi:10.1000/x.y, https://a.org/p?a=1&b=2.")

    assert '<a href="https://arxiv.org/abs/2209.11895" rel="external noreferrer">arXiv 2209.11895</a>' in text
    assert 'href="https://doi.org/10.1000/x.y"' in text
    assert 'href="https://a.org/p?a=1&amp;b=2"' in text
    assert "&lt;b&gt;2022" in text
    assert linked(None) == ""


def test_only_web_addresses_are_links():
    assert web_address("https://example.org/a") == "https://example.org/a"
    assert web_address("javascript:alert(1)") is None
    assert web_address('https://a" onclick="x') is None


def test_data_in_a_page_cannot_end_their_block():
    content = {"b": "</script><!--", "a": "\N{SNOWMAN}'&"}

    text = compact_json(content)

    assert "<" not in text
    assert "'" not in text
    assert json.loads(text) == content
    assert text.startswith('{"a":')


def test_long_ids_break_after_hyphens():
    assert breakable("control-no_<b>") == "control-<wbr>no_<wbr>&lt;b&gt;"


def test_a_page_knows_the_way_to_its_root():
    assert Page("index.html", "", "").root == ""
    assert Page("claims/x.html", "", "").root == "../"
