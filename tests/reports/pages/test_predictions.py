"""What a claim's page says of predictions: those with numbers, and what came of them."""

from reports.pages.predictions import predictions_query


def test_scored_predictions_come_first_and_silent_ones_are_left_out(catalog):
    found = predictions_query("prefix-matching-heads-exist").rows(catalog)

    assert [(row["model_id"], row["n_scored"]) for row in found] == [("pythia-14m", 5), ("pythia-70m", None)]


def test_the_page_shows_them_and_a_claim_without_any_has_no_such_section(pages):
    page = pages["claims/prefix-matching-heads-exist.html"].text

    assert "0.625 [0.25, 0.875]" in page
    assert "a share <of> others" in page
    assert "the same; not measured yet" in page
    assert "Predictions and how they did" not in pages["claims/same-layer-across-seeds.html"].text
