"""The site opened from disk in headless Chromium: charts are drawn, nothing is complained of, the run menu works."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.support.ui import WebDriverWait

from catalog.home import Home
from reports import site
from tests.chromium import chromium

pytestmark = pytest.mark.browser
DRAWN = "return document.documentElement.dataset.charts === 'drawn'"


@pytest.fixture(scope="module")
def opened(home: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Chrome]]:
    """Opens a page of the made-up site and waits until its charts are drawn."""
    own = Home(tmp_path_factory.mktemp("browser"))
    shutil.copy(home.catalog, own.catalog)
    folder = site.build(own).parent
    driver = chromium(tmp_path_factory.mktemp("profile"))

    def go(path: str) -> Chrome:
        driver.get((folder / path).as_uri())
        WebDriverWait(driver, 30).until(lambda d: d.execute_script(DRAWN))
        return driver

    yield go
    driver.quit()


PAGES = ("index.html", "methods.html", "families/calibration-neox.html", "claims/larger-earlier-previous-token.html")


@pytest.mark.parametrize("path", PAGES)
def test_every_chart_is_drawn_without_complaint(opened, path):
    driver = opened(path)

    held = driver.execute_script("return document.querySelectorAll('[data-chart]').length")
    drawn = driver.execute_script("return document.querySelectorAll('[data-chart] svg.marks').length")
    assert drawn == held
    assert not [entry["message"] for entry in driver.get_log("browser")]


def test_every_page_of_the_site_is_without_complaint(opened, home):
    driver = opened("index.html")
    folder = Path(driver.current_url.removeprefix("file://")).parent

    for page in sorted(folder.rglob("*.html")):
        opened(page.relative_to(folder).as_posix())
        assert not [entry["message"] for entry in driver.get_log("browser")], page.name


def test_no_page_is_wider_than_a_phone(opened):
    driver = opened("index.html")
    driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 360, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    )
    for path in PAGES:
        opened(path)
        assert driver.execute_script("return document.documentElement.scrollWidth") <= 360, path
    driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_the_run_menu_changes_the_map(opened):
    driver = opened("families/pythia.html")
    shape = "return document.querySelector('#heads-pythia-14m svg.marks').outerHTML"
    menu = "const menu = document.querySelector('#heads-pythia-14m select'); menu.selectedIndex = 1;"

    before = driver.execute_script(shape)
    driver.execute_async_script(
        f"{menu} menu.dispatchEvent(new Event('change')); setTimeout(arguments[arguments.length - 1], 500)"
    )

    assert driver.execute_script("return document.querySelectorAll('#heads-pythia-14m svg.marks').length") == 1
    assert driver.execute_script(shape) != before
