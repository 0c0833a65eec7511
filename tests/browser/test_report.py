"""The report of a real run, read as a visitor would: opened from disk, followed link by link."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from tests.chromium import errors
from tests.conftest import Tiny

pytestmark = pytest.mark.browser

CLAIM = "prefix-matching-heads-exist"
PAPER = "return getComputedStyle(document.body).backgroundColor"
TOO_WIDE = "return document.documentElement.scrollWidth - window.innerWidth"


@pytest.fixture
def index(browser: Chrome, tiny: Tiny) -> Iterator[Path]:
    """The report's first page, opened."""
    page = tiny.home.reports / "index.html"
    open_page(browser, page)
    yield page
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def open_page(browser: Chrome, page: Path) -> None:
    browser.get(page.as_uri())
    until_drawn(browser)


def until_drawn(browser: Chrome) -> None:
    WebDriverWait(browser, 30).until(lambda b: b.execute_script("return document.documentElement.dataset.charts"))


def follow(browser: Chrome, link: str) -> None:
    """Clicks a link that is seen, and waits for the page."""
    element = browser.find_element(By.CSS_SELECTOR, link)
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
    element.click()
    until_drawn(browser)


def marks(browser: Chrome, kind: str) -> list[float]:
    """Widths, in pixels, of the marks of a kind in all charts of the page."""
    found = browser.find_elements(By.CSS_SELECTOR, f"[data-chart] svg .{kind} path")
    return [element.rect["width"] for element in found]


def test_a_cell_of_the_matrix_leads_to_its_claim_with_a_chart(browser: Chrome, index: Path) -> None:
    follow(browser, f"a.tile[href*='claims/{CLAIM}.html#family-tiny-neox']")

    assert f"claims/{CLAIM}.html" in browser.current_url
    place = browser.current_url.partition("#")[2]
    assert browser.find_element(By.ID, place).is_displayed()
    assert browser.find_element(By.TAG_NAME, "h1").text == "Heads that match prefixes exist."
    assert any(width > 1 for width in marks(browser, "mark-symbol"))
    assert errors(browser) == []


def test_a_claim_leads_to_a_family_with_a_line_per_training_run(browser: Chrome, index: Path, tiny: Tiny) -> None:
    open_page(browser, index.parent / "claims" / f"{CLAIM}.html")

    follow(browser, "a[href$='families/tiny-neox.html']")

    long_lines = [width for width in marks(browser, "mark-line") if width > 100]
    assert len(long_lines) >= len(tiny.run_ids)
    assert "tiny-neox" in browser.title
    assert errors(browser) == []


@pytest.mark.parametrize("page", ["index.html", f"claims/{CLAIM}.html", "families/tiny-neox.html", "methods.html"])
def test_a_page_fits_a_phone_and_a_dark_room(browser: Chrome, index: Path, page: str) -> None:
    open_page(browser, index.parent / page)
    by_day = luminance(browser.execute_script(PAPER))
    phone = {"width": 390, "height": 800, "deviceScaleFactor": 2, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
    dark = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", dark)

    open_page(browser, index.parent / page)

    assert browser.execute_script("return window.innerWidth") == 390
    assert browser.execute_script(TOO_WIDE) <= 0
    assert luminance(browser.execute_script(PAPER)) < 60 < 200 < by_day
    assert errors(browser) == []


def luminance(colour: str) -> float:
    """Mean of red, green and blue of `rgb(r, g, b)`."""
    parts = colour.partition("(")[2].rstrip(")").split(",")
    return sum(float(part) for part in parts[:3]) / 3
