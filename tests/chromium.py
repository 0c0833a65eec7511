"""Headless Chromium for tests: left out with a reason where it is not installed, required where CI says so."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from selenium.webdriver import Chrome, ChromeOptions, ChromeService

REQUIRED = "MOVING_TARGET_REQUIRE_BROWSER"
SCREENS = Path(os.environ.get("CI_ARTIFACTS", Path(__file__).parents[1] / "data" / "screens"))
"""Where tests leave screenshots for people to look at."""
NAMES = ("chromium", "chromium-browser", "google-chrome")
QUIET = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1400,1000",
)


def chromium(profile: Path) -> Chrome:
    """A browser with an empty profile of its own, for the caller to quit."""
    browser = next(filter(None, map(shutil.which, NAMES)), None)
    driver = shutil.which("chromedriver")
    if browser is None or driver is None:
        reason = f"needs {' or '.join(NAMES)}, and chromedriver, on the path"
        # Not a Python package, so it cannot be demanded of everybody; CI sets REQUIRED and fails without it.
        pytest.fail(reason) if os.environ.get(REQUIRED) else pytest.skip(reason)
    options = ChromeOptions()
    options.binary_location = browser
    for argument in (*QUIET, f"--user-data-dir={profile}"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return Chrome(options=options, service=ChromeService(driver))


def errors(browser: Chrome) -> list[str]:
    """What the console complained of since it was last asked."""
    return [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
