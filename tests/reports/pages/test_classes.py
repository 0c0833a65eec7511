"""What claim and family pages say of classes: the class found with its aliases, and what is expected of models."""

from __future__ import annotations

from reports.pages.classes import SHOWN, classes_of, expected_of


def test_the_broadest_aliases_are_shown_and_the_others_counted(catalog):
    found = classes_of(catalog, "same-layer-across-seeds")

    assert found.identifiable
    assert [row["predicate"] for row in found.aliases] == [f"n_params >= {n}" for n in range(1, SHOWN + 1)]
    assert found.n_more == 10 - SHOWN


def test_a_claim_without_a_class_says_why(catalog, pages):
    assert classes_of(catalog, "larger-earlier-previous-token").reason is None
    assert "no class of models was looked for" in pages["claims/larger-earlier-previous-token.html"].text


def test_the_claim_page_tells_an_identifiable_class_from_another(pages):
    one = pages["claims/same-layer-across-seeds.html"].text
    other = pages["claims/prefix-matching-heads-exist.html"].text

    assert "Told apart <well>." in one
    assert "n_params >= 3" in one
    assert "And 2 more" in one
    assert "not identifiable" not in one
    assert "not identifiable" in other


def test_what_is_expected_rests_on_identifiable_classes_and_on_verdicts_of_families(catalog):
    predicted = {
        (row["model_id"], row["claim_id"], row["expected"])
        for name in ("pythia", "smollm2", "control-one-layer")
        for row in expected_of(catalog, name).predicted
    }

    assert predicted == {
        ("pythia-70m", "prefix-matching-heads-exist", "does_not_hold"),
        ("smollm2-135m-instruct-q4_1", "same-layer-across-seeds", "holds"),
    }


def test_the_family_page_lists_what_is_expected(pages):
    page = pages["families/smollm2.html"].text

    assert "What is expected, not measured" in page
    assert "Inside of the class for which it holds: n_params >= 1 (and 9 aliases)." in page
    assert "Nothing is predicted." in pages["families/control-one-layer.html"].text
