"""The slider over checkpoints in headless Chromium: arrow keys move it, the map follows, the step is told in words."""

from __future__ import annotations

import shutil

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from catalog.home import Home
from reports import site
from tests.chromium import chromium

pytestmark = pytest.mark.browser


def test_the_slider_moves_through_checkpoints_by_keyboard(home, tmp_path):
    own = Home(tmp_path / "site")
    own.root.mkdir()
    shutil.copy(home.catalog, own.catalog)
    folder = site.build(own).parent
    driver = chromium(tmp_path / "profile")
    try:
        driver.get((folder / "models/pythia-14m/pythia-14m-seed1.html").as_uri())
        WebDriverWait(driver, 30).until(
            lambda d: d.execute_script("return document.documentElement.dataset.charts === 'drawn'")
        )
        shape = "return document.querySelector('#head-maps svg.marks').outerHTML"
        slider, told = driver.find_element(By.CSS_SELECTOR, "#head-maps input[type=range]"), "#head-maps output"
        before = driver.execute_script(shape)
        assert driver.find_element(By.CSS_SELECTOR, told).text == "step 143,000 (293M tokens)"

        slider.send_keys(Keys.HOME)
        WebDriverWait(driver, 10).until(lambda d: d.execute_script(shape) != before)

        assert driver.find_element(By.CSS_SELECTOR, told).text == "step 0 (0 tokens)"
        assert slider.get_attribute("aria-valuetext") == "step 0 (0 tokens)"
        assert not driver.get_log("browser")
    finally:
        driver.quit()
