"""The site as a whole: what is written, that it is the same each time, and that its pages keep their promises."""

from __future__ import annotations

import os
import posixpath
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import vl_convert

from catalog.errors import UserError
from catalog.home import Home
from catalog.read import open_catalog
from reports import site
from reports.pages import methods

HOSTILE = "<script>alert('x')</script>\"&\N{SNOWMAN}"
Tables = dict[str, list[dict[str, Any]]]


@pytest.fixture
def own_home(home: Home, tmp_path: Path) -> Home:
    """A copy of the made-up catalog that a test may write beside."""
    copy = Home(tmp_path / "own")
    copy.root.mkdir()
    shutil.copy(home.catalog, copy.catalog)
    return copy


def test_build_writes_a_page_per_claim_and_family(own_home, files):
    index = site.build(own_home)

    assert index == own_home.reports / "index.html"
    written = {path.relative_to(own_home.reports).as_posix() for path in own_home.reports.rglob("*") if path.is_file()}
    assert written == set(files)
    assert {"index.html", "methods.html", "families/pythia.html", "claims/same-layer-across-seeds.html"} <= written


def test_an_unchanged_catalog_gives_the_same_bytes(own_home):
    site.build(own_home)
    first = {path: path.read_bytes() for path in own_home.reports.rglob("*") if path.is_file()}

    site.build(own_home)

    assert first == {path: path.read_bytes() for path in own_home.reports.rglob("*") if path.is_file()}


def test_the_same_catalog_gives_the_same_bytes_in_another_process(own_home, files):
    code = "import sys; from pathlib import Path; from catalog.home import Home; from reports import site\n"
    code += "site.build(Home(Path(sys.argv[1])))"
    root = Path(__file__).parents[2]

    subprocess.run([sys.executable, "-c", code, str(own_home.root)], check=True, cwd=root, env={"PYTHONHASHSEED": "7"})

    assert {path: (own_home.reports / path).read_bytes() for path in files} == files


def test_a_page_that_is_no_more_goes(own_home):
    own_home.reports.mkdir()
    (own_home.reports / "old.html").write_text("old")

    site.build(own_home)

    assert not (own_home.reports / "old.html").exists()


def test_a_build_that_fails_leaves_the_site_and_no_traces(own_home, monkeypatch):
    site.build(own_home)
    before = (own_home.reports / "index.html").read_bytes()

    def refuse(self: Path, content: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", refuse)
    with pytest.raises(UserError, match="disk is full"):
        site.build(own_home)

    assert (own_home.reports / "index.html").read_bytes() == before
    assert not list(own_home.root.glob(".reports.part"))


def test_a_killed_build_leaves_whole_pages_and_counts_as_older(own_home, files, monkeypatch):
    site.build(own_home)
    (own_home.reports / "index.html").write_text("of an earlier catalog")
    os.utime(own_home.reports / "index.html", (0, 0))
    moved = []

    def dies(source: Path, target: Path) -> None:
        if len(moved) == 3:
            raise KeyboardInterrupt
        moved.append(target)
        shutil.move(source, target)

    monkeypatch.setattr(os, "replace", dies)
    with pytest.raises(KeyboardInterrupt):
        site.build(own_home)

    others = [path for path in files if path != "index.html"]
    assert len(moved) == 3
    assert all((own_home.reports / path).read_bytes() == files[path] for path in others)
    assert (own_home.reports / "index.html").stat().st_mtime < own_home.catalog.stat().st_mtime


def test_a_report_is_as_old_as_the_catalog_that_it_shows(own_home):
    index = site.build(own_home)

    assert index.stat().st_mtime_ns == own_home.catalog.stat().st_mtime_ns


def test_without_a_catalog_the_message_says_what_to_do(tmp_path):
    with pytest.raises(UserError, match="There is no catalog yet"):
        site.build(Home(tmp_path))


def test_reports_load_neither_torch_nor_dagster():
    code = "import sys, reports.site; assert not {'torch', 'transformers', 'dagster'} & set(sys.modules)"

    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])


def test_every_link_leads_to_a_file_and_an_anchor(pages, files):
    anchors = {path: {e.attributes["id"] for e in page.with_attribute("id")} for path, page in pages.items()}
    broken = []
    for path, page in pages.items():
        for element in page.all("a"):
            target = urlsplit(element.attributes["href"])
            if target.scheme:
                continue
            file = posixpath.normpath(posixpath.join(posixpath.dirname(path), target.path)) if target.path else path
            if file not in files or (target.fragment and target.fragment not in anchors[file]):
                broken.append((path, element.attributes["href"]))

    assert not broken


def test_only_citations_lead_outside_and_nothing_is_fetched(pages, files):
    for path, page in pages.items():
        for element in page.with_attribute("src") + page.all("link"):
            address = element.attributes.get("src") or element.attributes["href"]
            inside = posixpath.normpath(posixpath.join(posixpath.dirname(path), address))
            assert inside in files or address.startswith("data:image/svg+xml,"), address
        outside = [e for e in page.with_attribute("href") if urlsplit(e.attributes["href"]).scheme in ("http", "https")]
        assert all(e.tag == "a" and e.attributes["rel"] == "external noreferrer" for e in outside)
    assert b"url(" not in next(content for path, content in files.items() if path.endswith(".css"))


def test_pages_live_under_a_strict_policy(pages):
    for page in pages.values():
        policy = next(e for e in page.all("meta") if e.attributes.get("http-equiv") == "Content-Security-Policy")
        rules = dict(rule.strip().split(" ", 1) for rule in policy.attributes["content"].split(";"))
        assert rules["default-src"] == "'none'"
        assert rules["script-src"] == rules["style-src"] == "'self' file:"
        for element in page.elements:
            assert not [name for name in element.attributes if name.startswith("on") or name == "style"]
            data = element.attributes.get("type") == "application/json"
            assert element.tag != "style"
            assert element.tag != "script" or data or ("src" in element.attributes and not element.text)


def test_every_chart_has_a_caption_and_a_name(pages):
    for page in pages.values():
        figures = page.all("figure")
        captions = page.all("figcaption")
        charts = page.with_attribute("data-chart")
        assert len(figures) == len(captions)
        assert all(len(caption.text.strip()) > 30 for caption in captions)
        assert all("figure" in chart.inside and len(chart.attributes["aria-label"]) > 30 for chart in charts)
        assert all(figure.text.strip().split("\n")[0] for figure in figures)


def test_every_chart_finds_its_data_and_compiles(pages, files):
    for path in ("index.html", "claims/larger-earlier-previous-token.html", "families/calibration-neox.html"):
        specs = {e.attributes["id"]: e.text for e in pages[path].all("script") if "id" in e.attributes}
        for chart in pages[path].with_attribute("data-chart"):
            compiled = vl_convert.vegalite_to_vega(specs[chart.attributes["data-chart"]])
            assert compiled["marks"]


def test_no_chart_is_empty(pages):
    for page in pages.values():
        specs = {e.attributes["id"]: e.text for e in page.all("script") if "id" in e.attributes}
        for chart in page.with_attribute("data-chart"):
            assert re.search(r'"(points|cells|means)":\[\{', specs[chart.attributes["data-chart"]])


def test_pages_are_small(files):
    assert all(len(content) < 2_000_000 for path, content in files.items() if path.endswith(".html"))


def test_pages_can_be_read_aloud(pages):
    for path, page in pages.items():
        ids = [element.attributes["id"] for element in page.with_attribute("id")]
        assert len(ids) == len(set(ids)), path
        assert page.all("a")[0].attributes["href"] == "#main"
        assert len(page.all("h1")) == 1
        assert all(e.attributes.get("scope") for e in page.all("th"))
        assert len(page.all("caption")) == len(page.all("table"))
        labelled = [e.attributes["aria-labelledby"] for e in page.with_attribute("aria-labelledby")]
        assert set(labelled) <= set(ids)
        assert page.all("html")[0].attributes["lang"] == "en"


def _hostile(tables: Tables) -> None:
    """Names from outside that try to be markup, in every place that a page shows."""
    old = "smollm2"
    for table in ("families", "models"):
        for row in tables[table]:
            row["family_id"] = HOSTILE if row["family_id"] == old else row["family_id"]
    for row in tables["verdicts"]:
        row["subject"] = HOSTILE if row["level"] == "family" and row["subject"] == old else row["subject"]
        row["reason"] = HOSTILE
    family = next(row for row in tables["families"] if row["family_id"] == HOSTILE)
    family["url"] = "javascript:alert(1)"
    family["description"] = f"{HOSTILE} </script><img src=x onerror=alert(1)>"
    for row in tables["claims"]:
        row["statement"] = row["citation"] = row["criterion"] = HOSTILE * 10
    for row in tables["models"]:
        row["architecture"] = HOSTILE
    for table in ("models", "training_runs"):
        for row in tables[table]:
            row["model_id"] = HOSTILE if row["model_id"] == "pythia-14m" else row["model_id"]
    for row in tables["training_runs"]:
        row["description"] = HOSTILE
    for row in tables["metrics"]:
        row["definition"] = HOSTILE


def test_names_from_outside_stay_text(home_with, parse):
    with open_catalog(home_with(_hostile)) as catalog:
        made = site.render(catalog)

    known = {"application/json", None}
    for path, content in made.items():
        if path.endswith(".html"):
            page = parse(content)
            assert {e.attributes.get("type") for e in page.all("script")} <= known
            assert not page.all("img")
            assert not [e for e in page.all("a") if not re.match(r"https://|[#\w.]", e.attributes["href"])]
            assert not [e for e in page.all("a") if e.attributes["href"].startswith("javascript:")]
            assert HOSTILE in page.text or path.startswith(("models/", "mechanisms"))
            assert b"<script>alert" not in content
    assert any(re.fullmatch(r"families/script-alert-x-script-[0-9a-f]{8}\.html", path) for path in made)


def test_an_empty_catalog_is_said_in_sentences(empty_home, parse):
    with open_catalog(empty_home) as catalog:
        made = site.render(catalog)

    assert sorted(path for path in made if path.endswith(".html")) == ["changes.html", "index.html", "methods.html"]
    index, method = parse(made["index.html"]), parse(made["methods.html"])
    assert not index.with_attribute("data-chart")
    assert "There are no claims in the catalog yet" in index.text
    assert "No training run was measured at two checkpoints or more." in index.text
    assert "No metric is in the catalog yet." in method.text


def _undecided(tables: Tables) -> None:
    for table in ("verdicts", "verdict_runs", "specifications", "evaluations", "measurements", "probe_runs"):
        tables[table] = []


def test_what_is_missing_is_said_in_sentences(home_with, parse):
    with open_catalog(home_with(_undecided)) as catalog:
        made = site.render(catalog)

    claim, family = parse(made["claims/same-layer-across-seeds.html"]), parse(made["families/pythia.html"])
    assert not claim.with_attribute("data-chart")
    assert not family.with_attribute("data-chart")
    assert "was not decided for any family" in claim.text
    assert "No development to show" in family.text
    assert "Nothing was measured or imported for this family yet." in family.text


def test_methods_come_from_the_metrics_table(pages, catalog):
    text = pages["methods.html"].text

    for row in methods.METRICS.rows(catalog):
        assert row["definition"] in text
        assert row["chance_rule"] in text


def test_published_and_measured_are_told_apart_with_their_citation(pages):
    published, measured = pages["families/pythia.html"], pages["families/calibration-neox.html"]

    assert "Trott 2025" in published.text
    assert "published" in published.text
    assert "measured" in measured.text
    assert any(e.attributes["href"] == "https://arxiv.org/abs/2509.22831" for e in published.all("a"))


def _without_one_checkpoint(tables: Tables) -> None:
    tables["probe_runs"] = [row for row in tables["probe_runs"] if row["checkpoint_id"] != "pythia-14m-seed1@step0"]


def test_checkpoints_without_a_measurement_are_named(home_with, parse):
    with open_catalog(home_with(_without_one_checkpoint)) as catalog:
        made = site.render(catalog)

    text = parse(made["families/pythia.html"]).text
    assert "No measurement counts for 1 checkpoint: pythia-14m-seed1@step0." in text
    assert "No measurement counts" not in parse(made["families/smollm2.html"]).text


def _rename(tables: Tables, old: str, new: str) -> None:
    for rows in tables.values():
        for row in rows:
            for key, value in row.items():
                if isinstance(value, str) and value == old:
                    row[key] = new


def test_an_id_of_three_hundred_letters_has_its_page(home_with: Callable[..., Home]):
    with open_catalog(home_with(lambda tables: _rename(tables, "pythia", "a" * 300))) as catalog:
        made = site.render(catalog)

    assert all(len(Path(path).name) < 120 for path in made)
    assert ("a" * 300).encode() in made["index.html"]
