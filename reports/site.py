"""The report: a static site made from the catalog alone, readable offline and the same bytes for the same catalog.

`build` reads the catalog, renders every page into a folder aside, and puts one after the other in place, the first page
last: a reader finds whole pages at any time, wherever a build may have been killed. Pages load one style sheet and one
script, both named by their content; data lie in the pages, since a page opened from disk can fetch nothing.
Not here: what stands on which page (pages/), charts (charts/).
"""

from __future__ import annotations

import hashlib
import os
import shutil
import uuid
from collections.abc import Collection, Iterator
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path

import duckdb
import vl_convert
from altair.utils import schemapi
from filelock import FileLock
from platformdirs import user_cache_path

from catalog.home import Home
from catalog.read import hold, open_catalog
from catalog.store import told_plainly
from reports.charts.theme import CONFIG
from reports.html import Page, environment
from reports.pages import changes, claim, facts, family, index, mechanism, methods, model
from reports.pages.next_steps import next_steps

HERE = Path(__file__).parent
FIRST = "index.html"
"""The first page; it bears the time of the catalog file that it was made from, so that an older one is known."""
ASKED_BY_EVERY_PAGE = (
    "current_evaluation",
    "current_verdicts",
    "verdict_changes",
    "verdicts_by_release",
    "advisory_effects",
    "prediction_record",
    "evidence_variants",
)


def build(home: Home) -> Path:
    """Makes the site from the last published catalog and puts it in place of the one before.

    Returns:
        the path of its first page.

    Raises:
        UserError: there is no catalog, or the disk refuses.
    """
    with told_plainly(home.root):
        home.root.mkdir(parents=True, exist_ok=True)
    aside = home.root / ".reports.part"
    with FileLock(home.root / ".reports.lock"):
        shown = home.catalog.stat().st_mtime_ns if home.catalog.exists() else 0
        with open_catalog(home) as catalog, schemapi.debug_mode(False):  # tests hold each chart against its schema
            files = render(catalog)
        try:
            for name, content in files.items():
                path = aside / name
                with told_plainly(path):
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(content)
            os.utime(aside / FIRST, ns=(shown, shown))
            with told_plainly(home.reports):
                _put_in_place(aside, home.reports, files)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    return home.reports / FIRST


def _put_in_place(new: Path, place: Path, names: Collection[str]) -> None:
    """Moves the files of folder `new` to `place`, the first page last, and removes what was there beside them."""
    for name in sorted(names, key=FIRST.__eq__):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        os.replace(new / name, place / name)
    for path in place.rglob("*"):
        if path.is_file() and path.relative_to(place).as_posix() not in names:
            path.unlink()


def render(catalog: duckdb.DuckDBPyConnection) -> dict[str, bytes]:
    """The site's files by their relative paths; the connection holds some views from then on."""
    hold(catalog, ASKED_BY_EVERY_PAGE)
    style, script = (HERE / "style.css").read_bytes(), chart_script()
    assets = {_named("style", "css", style): style, _named("charts", "js", script): script}
    style_path, script_path = assets
    common, builds = facts.read(catalog), changes.builds_of(catalog)
    jinja = environment()
    shared = {
        "style": style_path,
        "script": script_path,
        "theme": CONFIG,
        "build": common.build,
        "has_mechanisms": bool(mechanism.constructs(methods.METRICS.rows(catalog))),
    }
    pages = {
        page.path: jinja.get_template(page.template).render(page=page, **shared, **page.values).encode()
        for page in _pages(catalog, common, builds)
    }
    return {**assets, **pages, changes.FEED: changes.feed(builds, common)}


def _pages(catalog: duckdb.DuckDBPyConnection, common: facts.Facts, builds: list[changes.Build]) -> Iterator[Page]:
    numbers = {row["family_id"]: family.measured(catalog, row["family_id"]) for row in common.families}
    yield index.page(common, numbers, builds, next_steps(catalog, common))
    for row in common.claims:
        yield claim.page(catalog, common, row, numbers)
    for row in common.families:
        yield family.page(catalog, common, row, numbers[row["family_id"]])
    for row in common.models:
        yield from model.pages(catalog, common, row, numbers[row["family_id"]])
    yield methods.page(catalog, common)
    yield from mechanism.pages(catalog, common)
    yield changes.page(builds)


def _named(stem: str, suffix: str, content: bytes) -> str:
    return f"assets/{stem}.{hashlib.sha256(content).hexdigest()[:12]}.{suffix}"


@cache
def chart_script() -> bytes:
    """Vega, Vega-Lite and the drawing of charts as one script, kept in the user's cache: making it takes seconds."""
    drawing = (HERE / "charts" / "charts.js").read_text(encoding="utf-8")
    made_of = hashlib.sha256(f"{version('vl-convert-python')} {drawing}".encode()).hexdigest()
    kept = user_cache_path("moving-target") / f"charts.{made_of[:32]}.js"
    with suppress(OSError):
        return kept.read_bytes()
    script = vl_convert.javascript_bundle(drawing).encode()
    aside = kept.with_suffix(f".{uuid.uuid4().hex}.part")
    with suppress(OSError):
        kept.parent.mkdir(parents=True, exist_ok=True)
        aside.write_bytes(script)
        os.replace(aside, kept)
    return script
