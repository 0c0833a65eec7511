"""The report: a static site made from the catalog alone, readable offline and the same bytes for the same catalog.

`build` reads the catalog, renders every page into a folder aside, and swaps it in. Pages load one style sheet and one
script, both named by their content; data lie in the pages, since a page opened from disk can fetch nothing.
Not here: what stands on which page (pages/), charts (charts/).
"""

from __future__ import annotations

import hashlib
import shutil
import uuid
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import duckdb
import vl_convert
from altair.utils import schemapi
from filelock import FileLock

from catalog.home import Home
from catalog.read import open_catalog
from catalog.record import told_plainly
from reports.charts.theme import CONFIG
from reports.html import Page, environment
from reports.pages import claim, facts, family, index, methods

HERE = Path(__file__).parent


def build(home: Home) -> Path:
    """Makes the site from the last published catalog and puts it in place of the one before.

    Returns:
        the path of its first page.

    Raises:
        UserError: there is no catalog, or the disk refuses.
    """
    with open_catalog(home) as catalog, schemapi.debug_mode(False):  # the tests hold each chart against its schema
        files = render(catalog)
    aside = home.staging / f"reports-{uuid.uuid4().hex}"
    try:
        for name, content in files.items():
            path = aside / name
            with told_plainly(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
        with told_plainly(home.reports), FileLock(home.staging / "reports.lock"):
            _swap(aside, home.reports)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return home.reports / "index.html"


def _swap(new: Path, place: Path) -> None:
    """Puts the folder `new` in place; the one before stays until the new one is there."""
    old = new.with_name(f"{new.name}-old")
    if place.exists():
        place.rename(old)
    try:
        new.rename(place)
    except OSError:
        if old.exists():
            old.rename(place)
        raise
    shutil.rmtree(old, ignore_errors=True)


def render(catalog: duckdb.DuckDBPyConnection) -> dict[str, bytes]:
    """The site's files by their relative paths."""
    style, script = (HERE / "style.css").read_bytes(), chart_script()
    assets = {_named("style", "css", style): style, _named("charts", "js", script): script}
    style_path, script_path = assets
    common = facts.read(catalog)
    jinja = environment()
    shared = {"style": style_path, "script": script_path, "theme": CONFIG, "build": common.build}
    pages = {
        page.path: jinja.get_template(page.template).render(page=page, **shared, **page.values).encode()
        for page in _pages(catalog, common)
    }
    return {**assets, **pages}


def _pages(catalog: duckdb.DuckDBPyConnection, common: facts.Facts) -> Iterator[Page]:
    numbers = {row["family_id"]: family.measured(catalog, row["family_id"]) for row in common.families}
    yield index.page(common, numbers)
    for row in common.claims:
        yield claim.page(catalog, common, row, numbers)
    for row in common.families:
        yield family.page(catalog, common, row, numbers[row["family_id"]])
    yield methods.page(catalog, common)


def _named(stem: str, suffix: str, content: bytes) -> str:
    return f"assets/{stem}.{hashlib.sha256(content).hexdigest()[:12]}.{suffix}"


@cache
def chart_script() -> bytes:
    """Vega, Vega-Lite and the drawing of charts as one script; making it takes a second, hence once a process."""
    return vl_convert.javascript_bundle((HERE / "charts" / "charts.js").read_text(encoding="utf-8")).encode()
