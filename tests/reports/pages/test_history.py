"""Verdicts over time on the pages: releases, moves with their causes, advisories, conflicts."""

from __future__ import annotations

CLAIM = "claims/prefix-matching-heads-exist.html"


def test_a_claim_page_tells_what_would_have_been_said_by_release(pages):
    text = pages[CLAIM].text

    assert "2 days of release; verdicts turned 1 time, last across families on 2024-11-01." in text
    assert "2023-04-03" in text


def test_moves_stand_with_their_causes_on_the_claim_and_on_the_first_page(pages):
    for path in (CLAIM, "index.html"):
        assert "What moved here" in pages[path].text or "What changed" in pages[path].text
        assert "(unknown)" in pages[path].text
    assert "What moved here" not in pages["claims/same-layer-across-seeds.html"].text


def test_what_an_advisory_changes_is_shown(pages):
    assert "tuned-and-quantised on the verdict across families" in pages[CLAIM].text
    assert "(they count)" in pages[CLAIM].text


def test_conflicts_stand_on_both_claims(pages):
    for path in (CLAIM, "claims/larger-earlier-previous-token.html"):
        assert (
            "One or the other. The cheapest measurement that would tell: prefix_matching on pythia-14m."
            in pages[path].text
        )
