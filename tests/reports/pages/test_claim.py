"""The claim pages: which figures a claim has, its other choices, the verdicts by family."""

from __future__ import annotations

import json

from reports.pages import claim, evidence
from reports.pages.matrix import Cell, cells
from reports.query import Query

NO_QUERY = Query("SELECT 1")


def verdict(level: str, subject: str, family: str | None, word: str, counts: tuple[int, int, int] | None = None):
    n_h, n_f, n_u = counts or (None, None, None)
    return {"claim_id": "c", "level": level, "subject": subject, "family_id": family, "verdict": word} | {
        "n_h": n_h,
        "n_f": n_f,
        "n_u": n_u,
    }


def test_a_cell_shows_the_highest_level_that_was_decided():
    found = cells(
        [
            verdict("run", "p-seed1", "pythia", "holds"),
            verdict("model", "p", "pythia", "holds", (5, 0, 0)),
            verdict("family", "pythia", "pythia", "fails", (0, 3, 1)),
            verdict("across", "all", None, "insufficient", (1, 0, 0)),
        ]
    )

    assert found["c", "pythia"].level == "family"
    assert found["c", "pythia"].counts == "0/4 models"
    assert found["c", ""].counts == "1/1 families"


def test_verdicts_of_several_models_are_not_merged():
    found = cells([verdict("model", "a", "f", "holds"), verdict("model", "b", "f", "inconclusive")])

    assert [v["verdict"] for v in found["c", "f"].verdicts] == ["holds", "inconclusive"]
    assert found["c", "f"].counts == ""


def test_a_verdict_that_counts_no_units_shows_none():
    assert Cell("run", (verdict("run", "r", "f", "holds", (1, 0, 0)),)).counts == ""
    assert Cell("model", (verdict("model", "m", "f", "holds", (0, 0, 0)),)).counts == ""


def test_every_cell_of_the_matrix_leads_to_its_evidence(pages):
    tiles = [e for e in pages["index.html"].all("a") if "tile" in e.attributes.get("class", "")]

    assert len(tiles) == 5 * 6 + 2
    assert "claims/prefix-matching-heads-exist.html#family-pythia" in {tile.attributes["href"] for tile in tiles}
    assert all(tile.text.strip() for tile in tiles)


LEVEL = {"kind": "level", "of": {"metrics": ["a"], "minus": "b"}, "direction": "above", "threshold": 0.3}


def test_the_metrics_of_a_claim_are_found_wherever_they_stand():
    assert evidence.metrics_of(LEVEL) == ["a"]
    assert evidence.metrics_of({"parts": [LEVEL, {"of": {"metrics": ["c", "a"]}}]}) == ["a", "c"]
    assert evidence.metrics_of({"specifications": {"x": {"of": {"metrics": ["d"]}}}}) == []


def test_the_line_of_the_criterion_is_drawn_where_runs_are_judged_by_it():
    assert evidence.run_lines(LEVEL) == [0.3]
    assert evidence.run_lines({**LEVEL, "direction": "within"}) == [-0.3, 0.3]
    assert evidence.run_lines({"kind": "conjunction", "parts": [LEVEL]}) == [0.3]
    assert evidence.run_lines({"kind": "order", "claimed": "before"}) == [0]
    assert evidence.run_lines({"kind": "order", "claimed": "same"}) == []
    assert evidence.run_lines({"kind": "onset_law", "factor": 10}) == [-1, 1]
    assert evidence.subject_lines({"kind": "onset_alike", "factor": 2}) == [2]
    assert evidence.subject_lines({"kind": "onset_trend", "direction": "falls"}) == [0]
    assert evidence.run_lines({"kind": "similarity", "threshold": 0.2, "share": 0.9}) == []
    assert evidence.subject_lines({"kind": "similarity", "threshold": 0.2, "share": 0.9}) == [0.9]
    assert evidence.subject_lines({"kind": "agreement", "claimed": "at_chance", "delta": 0.1}) == [-0.1, 0.1]
    assert evidence.subject_lines({"kind": "trend", "direction": "rises"}) == [0]
    assert evidence.subject_lines(LEVEL) == []


def test_the_runs_of_a_similarity_are_shown_by_their_trajectories_alone():
    own = {"family_id": "f", "model_id": "m", "run_id": "m-seed1", "estimate": 0.9, "included": True, "ci_low": None}
    runs = [own | {"ci_high": None, "unit": None, "verdict": None, "outcome": None}]
    reading = {"metrics": ["a"], "quantity": "final"}

    def shown(estimand: dict[str, object]) -> list[str]:
        found = evidence.figures({"axis": "positional"}, estimand, [], runs, {"f": None}, (NO_QUERY, NO_QUERY))
        return [figure.title for figure in found if figure.panels]

    assert shown({"kind": "similarity", "of": reading}) == []
    assert shown({"kind": "agreement", "of": reading | {"quantity": "top_layer"}}) == [
        "Estimate of each training run, layer of the top head"
    ]
    assert shown({"kind": "association", "first": reading, "second": reading}) == [
        "Estimate of each training run, value at the final checkpoint"
    ]


def titles(page) -> list[str]:
    return [e.text for e in page.all("h3") if "figure" in e.inside]


def test_figures_follow_the_kind_of_claim(pages):
    assert titles(pages["claims/larger-earlier-previous-token.html"])[0] == "Onset, log10 steps, by parameters"
    assert titles(pages["claims/prefix-matching-heads-exist.html"])[0] == (
        "Estimate of each training run and family, excess"
    )
    assert "Over training" in titles(pages["claims/previous-token-before-induction.html"])
    assert "Over training" not in titles(pages["claims/prefix-matching-heads-exist.html"])


def choice(dimensions: dict[str, str], word: str, level: str = "model") -> dict[str, object]:
    return {"level": level, "subject": "m", "dimensions": json.dumps(dimensions), "verdict": word, "estimate": 0.5}


def test_what_is_pooled_stands_below_what_it_is_pooled_over(catalog):
    verdicts = [
        {**verdict("model", "m", "f", "holds"), "estimate": 0.6, "ci_low": 0.5, "ci_high": 0.7, "unit": "excess"},
        {**verdict("across", "all", None, "holds"), "estimate": 0.5, "ci_low": 0.4, "ci_high": 0.6, "unit": "excess"}
        | {"pi_low": 0.1, "pi_high": 0.9},
        {**verdict("family", "f", "f", "holds"), "estimate": 1.0, "ci_low": 0.4, "ci_high": None}
        | {"unit": "share of models"},
    ]
    run = {"family_id": "f", "model_id": "m", "run_id": "m-seed1", "estimate": 0.61, "included": True}
    runs = [run | {"ci_low": None, "ci_high": None, "unit": "excess", "verdict": "holds", "outcome": "h"}]

    found = evidence.figures({"axis": "functional"}, LEVEL, verdicts, runs, {"f": None}, (NO_QUERY, NO_QUERY))

    estimates, shares = found
    assert estimates.title == "Estimate of each training run and model, excess"
    points = [[p["name"] for p in panel.spec["datasets"]["points"]] for panel in estimates.panels]
    assert points == [["m-seed1", "m"], ["across families"]]
    assert [p["pooled"] for p in estimates.panels[0].spec["datasets"]["points"]] == [False, True]
    assert estimates.panels[1].spec["datasets"]["predicted"] == [{"row": "across families", "low": 0.1, "high": 0.9}]
    assert "1 model (outlined), estimate 0.6. Across families (outlined), estimate 0.5. Wide bar" in estimates.caption
    assert shares.title == "Estimate of each family, share for which the claim holds"


def test_the_curve_orders_choices_by_their_estimate_and_marks_the_claims_own():
    own = {**verdict("family", "f", "f", "holds"), "estimate": 0.4, "ci_low": 0.3, "ci_high": 0.5}
    rows = [
        {**choice({"threshold": "0.5"}, "fails", "family"), "subject": "f", "estimate": estimate}
        | {"ci_low": None, "ci_high": None}
        for estimate in (0.9, 0.1, None)
    ]

    figure = claim.curve([own], rows, NO_QUERY)

    points = figure.panels[0].spec["datasets"]["points"]
    assert [(p["estimate"], p["pooled"]) for p in points] == [(0.1, False), (0.4, True), (0.9, False)]
    assert claim.curve([own], rows[2:], NO_QUERY) is None


def test_a_claim_tells_its_verdicts_by_level():
    verdicts = [
        verdict("family", "f", "f", "holds"),
        verdict("family", "g", "g", "fails"),
        verdict("run", "r", "f", "holds"),
    ]

    assert claim.by_level(verdicts) == [("2 families", "1 holds and 1 fails"), ("1 run", "1 holds")]


def test_single_choices_have_rows_and_combined_ones_are_counted():
    found = claim.specifications(
        [verdict("model", "m", "f", "holds")],
        [
            choice({"threshold": "0.5"}, "fails"),
            choice({"threshold": "0.5", "definition": "raw"}, "fails"),
            choice({"threshold": "0.1"}, "holds", level="run"),
        ],
    )

    assert found.subjects == [("model", "m")]
    assert [(label, row[0]["verdict"]) for label, row in found.rows] == [
        ("as claimed", "holds"),
        ("threshold: 0.5", "fails"),
    ]
    assert found.combined == [[("fails", 1)]]


def test_without_other_choices_there_is_no_table():
    assert claim.specifications([], [choice({"threshold": "0.1"}, "holds", level="run")]) is None


def test_a_claim_page_says_what_decides_it(pages):
    text = pages["claims/larger-earlier-previous-token.html"].text

    assert "A run in which it is the other way round." in text
    assert "attention = 'softmax' and n_layers >= 2" in text
    assert "source trott2025. Verdicts on such data are exploratory" in text
    assert "It would flip: without pythia-14m (inconclusive)." in text


def test_runs_left_out_say_why(pages):
    assert "outside the reference class" in pages["claims/prefix-matching-heads-exist.html"].text


def test_advisories_stand_on_the_pages_that_they_concern(pages):
    statement = "A tuned model in four bits does not stand for its base model."
    found = {path for path, page in pages.items() if statement in page.text}

    assert "families/smollm2.html" in found
    assert "claims/prefix-matching-heads-exist.html" in found
    assert "families/pythia.html" not in found


def test_an_instrument_is_told_by_architecture_without_a_class_or_other_choices(pages):
    text = pages["claims/prefix-matching-reliable.html"].text

    assert "decided for each architecture" in text
    assert "A training run passes if all its checks do" in text
    assert "have one setting each" in text
    assert "For which models does it hold?" not in text
