"""The first page: what it says above the matrix."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reports.pages import facts, family, index


@pytest.fixture(scope="module")
def found(catalog) -> facts.Facts:
    return facts.read(catalog)


def test_natural_families_are_told_with_the_claims_that_do_not_hold(found):
    pythia, smollm2 = index.standouts(found)

    assert pythia.family == "pythia"
    assert pythia.counts == "1 fails, 1 mixed and 1 inconclusive"
    assert [(verdict, claim["claim_id"]) for verdict, claim in pythia.against] == [
        ("mixed", "no-induction-in-one-layer"),
        ("fails", "prefix-matching-heads-exist"),
    ]
    assert smollm2.family == "smollm2"


def test_calibration_families_are_never_told_as_evidence(found):
    assert {standout.family for standout in index.standouts(found)} == {"pythia", "smollm2"}


def test_without_verdicts_across_the_summary_says_what_is_lacking(found):
    insufficient = [{**verdict, "verdict": "insufficient"} for verdict in found.verdicts]

    assert index.summary(replace(found, verdicts=insufficient)).endswith("needs five natural families, and here are 2.")
    assert index.summary(found).startswith("Across families: 1 ")


def test_the_glance_has_a_panel_a_model_that_developed(pages):
    charts = [e.attributes["aria-label"] for e in pages["index.html"].with_attribute("data-chart")]

    assert [label.split(", ")[1].split(":")[0] for label in charts] == [
        "pythia-14m",
        "pythia-70m",
        "pythia-160m",
        "calibration-neox-2l",
        "control-no-repeats-2l",
        "control-one-layer-1l",
    ]


def test_instruments_stand_by_architecture_and_apart_from_claims_about_models(found, catalog):
    nothing = family.measured(catalog, "no-such-family")
    values = index.page(found, {row["family_id"]: nothing for row in found.families}, [], []).values

    assert [claim["claim_id"] for claim in values["instruments"]] == ["prefix-matching-reliable"]
    assert values["architectures"] == ["gpt_neox", "llama"]
    cell = values["instrument_cells"]["prefix-matching-reliable", "llama"]
    assert (cell.verdicts[0]["verdict"], cell.counts) == ("fails", "5/6 runs")
    assert "prefix-matching-reliable" not in {c["claim_id"] for _, claims in values["claims_by_axis"] for c in claims}


def test_rows_of_the_matrix_say_by_what_they_are_filtered(pages, found):
    rows = pages["index.html"].with_attribute("data-axis")

    onset = next(row for row in rows if "Larger models show" in row.text)
    assert onset.attributes["data-axis"] == "developmental"
    claim = next(row for row in found.claims if row["claim_id"] == "larger-earlier-previous-token")
    assert onset.attributes["data-constructs"].split() == index.constructs_of(found, claim) != []
    words = {verdict["verdict"] for verdict in found.verdicts if verdict["claim_id"] == claim["claim_id"]}
    assert set(onset.attributes["data-verdicts"].split()) <= words
    assert "inconclusive" in onset.attributes["data-verdicts"].split()
