"""The whole site in headless Chromium: every page and link, keyboard and screen reader, day, night and phone.

Screenshots of each kind of page are left in $CI_ARTIFACTS (default data/screens), for people to look at.
"""

from __future__ import annotations

import base64
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from axe_core_python.selenium import Axe
from selenium.webdriver import Chrome
from selenium.webdriver.support.ui import WebDriverWait

from catalog.home import Home
from reports import site
from reports.single_file import write_single_file
from tests.chromium import SCREENS, chromium, errors

pytestmark = pytest.mark.browser
DRAWN = "return document.documentElement.dataset.charts === 'drawn'"
ASKED_FOR = "return performance.getEntriesByType('resource').map(entry => entry.name)"
LINKS = "return [...document.querySelectorAll('a[href]')].map(link => link.href)"
DRAWINGS = "return [...document.querySelectorAll('[data-chart]')].filter(c => !c.querySelector('svg.marks')).length"
PHONE = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
LOOKS = {"light": (1300, "light"), "dark": (1300, "dark"), "phone": (390, "light")}
TALLEST = 6000


@pytest.fixture(scope="module")
def folder(home: Home, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The made-up site on disk."""
    own = Home(tmp_path_factory.mktemp("whole"))
    shutil.copy(home.catalog, own.catalog)
    write_single_file(own, own.root / "one.html")
    return site.build(own).parent


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    found = chromium(tmp_path_factory.mktemp("profile"))
    found.set_script_timeout(120)
    yield found
    found.quit()


@pytest.fixture(scope="module")
def paths(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.html"))


def look_at(driver: Chrome, page: Path, anchor: str = "") -> None:
    driver.get("about:blank")  # so that another anchor of the same page loads it anew
    driver.get(page.as_uri() + anchor)
    WebDriverWait(driver, 60).until(lambda d: d.execute_script(DRAWN))


def one_of_each(paths: list[str]) -> list[str]:
    """The pages at the top, and one page of each folder."""
    return [*(path for path in paths if "/" not in path), *{p.partition("/")[0]: p for p in paths if "/" in p}.values()]


def test_every_page_opens_and_asks_for_nothing_outside_of_its_folder(driver: Chrome, folder: Path, paths: list[str]):
    for path in paths:
        look_at(driver, folder / path)

        assert errors(driver) == [], path
        assert driver.execute_script(DRAWINGS) == 0, path
        asked = [url for url in driver.execute_script(ASKED_FOR) if not url.startswith("data:")]
        assert [url for url in asked if not url.startswith(folder.as_uri())] == [], path


def test_every_link_leads_to_a_place_that_is_there(driver: Chrome, folder: Path, paths: list[str]):
    ids: dict[Path, set[str]] = {}
    links: set[tuple[str, str]] = set()
    for path in paths:
        driver.get((folder / path).as_uri())
        ids[folder / path] = set(driver.execute_script("return [...document.querySelectorAll('[id]')].map(e => e.id)"))
        links |= {(path, link) for link in driver.execute_script(LINKS) if link.startswith("file:")}

    assert len(links) > 100
    for path, link in links:
        target = Path(unquote(urlsplit(link).path))
        assert target.is_file(), (path, link)
        anchor = unquote(urlsplit(link).fragment)
        assert not anchor or anchor in ids[target], (path, link)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_fault(driver: Chrome, folder: Path, paths: list[str], scheme: str):
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    faults = []
    for path in one_of_each(paths):
        look_at(driver, folder / path)
        found = Axe().run(driver)
        faults += [
            (path, violation["id"], node["html"][:200])
            for violation in found["violations"]
            if violation["impact"] in ("serious", "critical")
            for node in violation["nodes"]
        ]
        assert len(found["passes"]) > 10
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})

    assert faults == []


def test_the_keyboard_reaches_the_content_first(driver: Chrome, folder: Path):
    look_at(driver, folder / "index.html")

    driver.switch_to.active_element.send_keys("\ue004")
    assert driver.switch_to.active_element.get_attribute("href").endswith("#main")
    driver.switch_to.active_element.send_keys("\ue007")
    assert driver.execute_script("return document.activeElement.id") == "main"


def test_the_matrix_is_filtered(driver: Chrome, folder: Path):
    look_at(driver, folder / "index.html")
    rows = "return [...document.querySelectorAll('tr[data-axis]')].filter(row => row.offsetParent).length"
    choose = (
        "const menu = document.querySelector('[data-filter=axis]'); menu.value = arguments[0];"
        "menu.dispatchEvent(new Event('change', {bubbles: true}))"
    )

    before = driver.execute_script(rows)
    driver.execute_script(choose, "developmental")

    assert 0 < driver.execute_script(rows) < before
    assert f"of {before} claims" in driver.execute_script("return document.querySelector('output').textContent")
    driver.execute_script(choose, "")
    assert driver.execute_script(rows) == before


def test_a_site_in_one_file_shows_the_page_that_is_asked_for(driver: Chrome, folder: Path):
    shown = (
        "return [...document.querySelectorAll('[data-page]')].filter(page => page.offsetParent).map(page => page.id)"
    )
    look_at(driver, folder.parent / "one.html")
    assert driver.execute_script(shown) == ["index.html"]

    driver.execute_script("document.querySelector('a.tile').click()")
    WebDriverWait(driver, 10).until(lambda d: d.execute_script(shown)[0].startswith("claims/"))

    assert len(driver.execute_script(shown)) == 1
    assert errors(driver) == []


@pytest.mark.parametrize("look", LOOKS)
def test_screens_are_left_to_be_looked_at(driver: Chrome, folder: Path, paths: list[str], look: str):
    width, scheme = LOOKS[look]
    SCREENS.mkdir(parents=True, exist_ok=True)
    driver.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    )
    for path in one_of_each(paths):
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {**PHONE, "width": width, "mobile": width < 600})
        look_at(driver, folder / path)
        assert driver.execute_script("return document.documentElement.scrollWidth") <= width, path
        height = min(TALLEST, driver.execute_script("return document.documentElement.scrollHeight"))
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        shot = driver.execute_cdp_cmd("Page.captureScreenshot", {"clip": clip, "captureBeyondViewport": True})
        (SCREENS / f"{path.replace('/', '-').removesuffix('.html')}-{look}.png").write_bytes(
            base64.b64decode(shot["data"])
        )
    driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})

    assert len(list(SCREENS.glob(f"*-{look}.png"))) >= 4
