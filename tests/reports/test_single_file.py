"""The site in one file: every page in it, every link within it, and nothing that its policy would refuse."""

from __future__ import annotations

import base64
import hashlib
import re

import pytest

from reports.single_file import single_file
from tests.reports.conftest import Parsed


@pytest.fixture(scope="module")
def content(files: dict[str, bytes]) -> str:
    return single_file(files).decode()


def test_every_page_is_a_section_and_every_link_leads_to_one(content: str, files: dict[str, bytes]) -> None:
    page = Parsed(content)

    ids = [element.attributes["id"] for element in page.with_attribute("id")]
    assert len(ids) == len(set(ids))
    assert {e.attributes["id"] for e in page.with_attribute("data-page")} == {
        name for name in files if name.endswith(".html") and name.count("/") < 2
    }
    addresses = [element.attributes["href"] for element in page.all("a") if "href" in element.attributes]
    within = {address[1:] for address in addresses if address.startswith("#")}
    assert within <= set(ids)
    assert {address for address in addresses if not re.match("#|https?:", address)} <= {"feed.xml"}


def test_charts_find_their_data(content: str) -> None:
    page = Parsed(content)

    ids = {element.attributes["id"] for element in page.with_attribute("id")}
    charts = [element.attributes["data-chart"] for element in page.with_attribute("data-chart")]
    assert charts
    assert set(charts) <= ids


def test_the_policy_allows_exactly_what_is_in_the_file(content: str) -> None:
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', content)[1]

    for tag in ("script", "style"):
        [inner] = re.findall(rf"<{tag}>(.*?)</{tag}>", content, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inner.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert not re.findall(r"""(?:src|href)=["'](?!#|data:|https?:|feed)[^"']*\.(?:js|css)""", content)


def test_the_text_of_a_page_stays(content: str, files: dict[str, bytes]) -> None:
    name = "claims/larger-earlier-previous-token.html"
    start = content.index(f'id="{name}"')
    section = content[start : content.index("</section>\n<section data-page", start)]

    def words(markup: str) -> str:
        return " ".join(re.sub(r"<[^>]*>", " ", markup).split())

    original = files[name].decode().partition("<main")[2].partition(">")[2].partition("</main>")[0]
    assert words(original) == words(section.partition(">")[2])
