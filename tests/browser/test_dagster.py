"""Dagster's UI as a user meets it: the assets of an empty home, one training run materialized there by clicks."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support import expected_conditions
from selenium.webdriver.support.ui import WebDriverWait

from catalog.home import Home
from catalog.record import Record
from tests.chromium import SCREENS, errors
from tests.end_to_end.conftest import guarded, wait_until

pytestmark = [pytest.mark.browser, pytest.mark.slow]

RUN = "tiny-neox-model-seed0"
TO_MATERIALIZE_S = 180


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def dagster(tmp_path: Path, tiny_study: str, home: Home) -> Iterator[str]:
    """The address of `python -m pipelines ui` on an empty home."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    process = guarded(tmp_path).start("ui", tiny_study, "--port", str(port))
    try:
        wait_until(lambda: process.poll() is not None or answers(address), seconds=120)
        yield address
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            output, _ = process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            output, _ = process.communicate()
        print(output)  # pytest shows it where the test fails


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/server_info", timeout=5):
            return True
    except (urllib.error.URLError, OSError):
        return False


def screen(browser: Chrome, name: str) -> None:
    SCREENS.mkdir(parents=True, exist_ok=True)
    browser.save_screenshot(str(SCREENS / f"dagster-{name}.png"))


def seen(browser: Chrome, xpath: str, seconds: float = 30) -> WebElement:
    """An element once it is there and can be clicked."""
    return WebDriverWait(browser, seconds).until(expected_conditions.element_to_be_clickable((By.XPATH, xpath)))


def test_a_training_run_is_materialized_by_clicks(browser: Chrome, dagster: str, home: Home) -> None:
    browser.set_window_size(1400, 2400)  # the list of assets holds the rows that are in sight, and no others
    browser.get(f"{dagster}/assets")
    for asset in ("attention", "catalog", "checkpoints", "claims", "evidence", "repeats", "report", "verdicts"):
        assert seen(browser, f"//a[@href='/assets/{asset}']").text == asset
    screen(browser, "assets")

    browser.get(f"{dagster}/locations/pipelines.definitions/jobs/measure")
    seen(browser, "//button[contains(., 'Materialize all')]").click()
    seen(browser, "//*[starts-with(text(), 'Select a partition')]").click()
    seen(browser, f"//*[@title='{RUN}']").click()
    seen(browser, "//*[text()='Partition selection']").click()  # away from the list, which closes it
    seen(browser, "//button[contains(., 'Launch 1 run')]").click()
    seen(browser, "//*[contains(text(), 'Launched run')]")
    browser.get(f"{dagster}/runs")
    assert seen(browser, "//*[text()='Success' or text()='Failure']", TO_MATERIALIZE_S).text == "Success"

    done = Record(home).finished()
    assert sorted(name.partition(".")[0] for name in done) == ["attention"] * 4 + ["repeats"] * 4
    assert set(done.values()) == {"ok"}
    values = pl.read_parquet(home.measurements / "*.parquet")
    assert set(values["checkpoint_id"]) == {f"{RUN}@step{step}" for step in (0, 10, 20)}
    assert values["value"].is_finite().all()

    browser.get(f"{dagster}/assets/attention?view=partitions&partition={RUN}")
    assert seen(browser, "//*[text()='Materialized']")
    assert "prefix_matching" in seen(browser, "//table[contains(., 'step20')]").text
    screen(browser, "partition")

    browser.get(f"{dagster}/locations/pipelines.definitions/jobs/publish")
    assert seen(browser, "//button[contains(., 'Materialize all')]")
    screen(browser, "graph")
    assert errors(browser) == []
