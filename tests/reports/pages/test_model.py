"""The pages of models and training runs: checkpoints, verdicts, links between them."""

from __future__ import annotations

import pytest

from catalog.read import open_catalog
from reports import site
from reports.html import model_path, run_path

HOSTILE = "<script>alert('x')</script>\"&\N{SNOWMAN}</script>" + "a" * 300


def test_every_model_and_every_run_has_a_page_and_they_lead_to_each_other(pages):
    model, run = pages["models/pythia-14m.html"], pages["models/pythia-14m/pythia-14m-seed3.html"]

    leads = {e.attributes["href"] for e in model.all("a")}
    assert {f"../models/pythia-14m/pythia-14m-seed{seed}.html" for seed in range(1, 6)} <= leads
    assert "../families/pythia.html" in leads
    here = [e for e in run.all("a") if e.attributes.get("aria-current") == "page"]
    assert [e.text for e in here] == ["pythia-14m-seed3"]
    assert {"../../models/pythia-14m.html", "../../models/pythia-14m/pythia-14m-seed1.html"} <= {
        e.attributes["href"] for e in run.all("a")
    }


def test_a_model_tells_the_verdicts_on_it_and_on_its_runs(pages, catalog):
    rows = catalog.sql(
        "SELECT statement, reason FROM current_verdicts JOIN claims USING (claim_id) "
        "WHERE level = 'model' AND subject = 'calibration-neox-2l'"
    ).fetchall()

    page = pages["models/calibration-neox-2l.html"]

    assert len(rows) == 5
    assert all(statement in page.text and reason in page.text for statement, reason in rows)
    assert "6 holds" in page.text
    assert "1 claim without a verdict on it, and why" in page.text


def test_the_likeness_of_a_model_s_runs_stands_beside_chance(pages):
    compared, alone = pages["models/pythia-14m.html"], pages["models/calibration-neox-2l.html"]

    row = next(e.text for e in compared.all("tr") if "Previous token" in e.text and "0.875" in e.text)
    assert row.count("chance 0.5") == 3
    assert "configurational: the spectra <were> not measured" in row
    assert "No two training runs of this model were compared." in alone.text


def test_a_run_lists_its_checkpoints_with_their_top_heads(pages):
    page = pages["models/calibration-neox-2l/calibration-neox-2l-seed0.html"]

    cells = [e.text for e in page.all("td")]
    assert "1.02M" in cells
    assert "0.905 (layer 1, head 1)" in cells
    assert len([e for e in page.all("tr") if "tbody" in e.inside]) == 13


def test_a_model_without_steps_says_so_and_shows_its_map(pages):
    page = pages["models/smollm2-135m-instruct-q4_1.html"]

    assert "No development to show" in page.text
    assert not page.all("input")
    assert "at main the highest value is" in page.text
    assert "Derived from smollm2-135m-instruct." in page.text


def _without_runs(tables):
    for table in (
        "verdicts",
        "verdict_runs",
        "training_runs",
        "checkpoints",
        "measurements",
        "probe_runs",
        "conflicts",
    ):
        tables[table] = []


def test_a_model_without_runs_says_so(home_with, parse):
    with open_catalog(home_with(_without_runs)) as catalog:
        page = parse(site.render(catalog)["models/pythia-14m.html"])

    assert "No training run of this model is in the catalog." in page.text
    assert "No claim was decided on this model." in page.text
    assert not page.with_attribute("data-chart")


def _hostile(tables):
    old = {"pythia-14m": HOSTILE, "pythia-14m-seed1": f"{HOSTILE} 1"}
    for rows in tables.values():
        for row in rows:
            row |= {key: old[value] for key, value in row.items() if isinstance(value, str) and value in old}
    for row in tables["checkpoints"]:
        row["label"] = HOSTILE


@pytest.fixture
def hostile(home_with):
    with open_catalog(home_with(_hostile)) as catalog:
        return site.render(catalog)


def test_names_from_outside_stay_text_on_their_own_pages(hostile, parse):
    for path in (model_path(HOSTILE), run_path(HOSTILE, f"{HOSTILE} 1")):
        page = parse(hostile[path])
        assert page.all("h1")[0].text.startswith("<script>alert")
        assert {e.attributes.get("type") for e in page.all("script")} == {None, "application/json"}
        assert b"<script>alert" not in hostile[path]
        assert len(path) < 200
