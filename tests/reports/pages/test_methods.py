"""The methods page beside each definition: reliability, known answers, faults of the instrument, claims."""

from __future__ import annotations

import json

from catalog.read import open_catalog
from reports import site
from reports.pages import methods


def test_claims_are_read_off_their_estimands_placebos_included():
    of = {"metrics": ["prefix_matching"], "minus": "prefix_matching_placebo"}
    estimand = {
        "kind": "order",
        "first": of,
        "second": {"metric": "repeat_recall"},
        "specifications": {"metrics": ["no"]},
    }
    claim = {"claim_id": "c", "estimand": json.dumps(estimand)}

    assert methods.readers([claim]) == {name: [claim] for name in (*of["metrics"], of["minus"], "repeat_recall")}


def card(page, metric: str):
    [found] = [e for e in page.all("section") if e.attributes.get("id") == f"metric-{metric}"]
    return " ".join(found.text.split())


def test_a_metric_s_card_tells_its_figures_and_its_claims(pages):
    text = card(pages["methods.html"], "prefix_matching")

    assert "split-half 1, retest" in text
    assert "step 0: mean excess" in text
    assert "One-layer models have no induction heads." in text
    assert "no advisory about its instrument" in text
    assert "no claim reads it" in card(pages["methods.html"], "duplicate_token")


def _faulty(tables):
    scope = {"probes": ["attention"], "suspect": False}
    fault = {"advisory_id": "off-by-one", "scope": json.dumps(scope), "statement": "Counted from <one>."}
    tables["advisories"].append({**fault, "citation": "doi:10.1000/1", "withdrawn": False})


def test_known_faults_stand_with_the_metrics_that_they_concern(home_with, parse):
    with open_catalog(home_with(_faulty)) as catalog:
        page = parse(site.render(catalog)["methods.html"])

    assert "Advisory: Counted from <one>." in card(page, "prefix_matching")
    assert "no advisory about its instrument" in card(page, "previous_token_all")
