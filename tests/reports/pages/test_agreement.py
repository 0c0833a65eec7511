"""The multitrait-multimethod matrix: its correlations against scipy, what a cell is, what the sentence says."""

from __future__ import annotations

import random
from statistics import mean, stdev

import pytest
from scipy.stats import spearmanr

from catalog.read import open_catalog
from reports.pages import agreement

ATTENTION, WEIGHTS = "attention", "weights"
HEADS = ("prefix_matching", "duplicate_token", "previous_token", "first_token")


def _two_methods(tables):
    """duplicate_token becomes a second method for induction; scores are drawn anew, with many ties."""
    drawn = random.Random(5)
    for row in tables["metrics"]:
        if row["metric_id"] == "duplicate_token":
            row |= {"construct": "induction", "method": WEIGHTS}
    for row in tables["measurements"]:
        row["value"] = round(drawn.random(), 1)


@pytest.fixture
def two_methods(home_with):
    with open_catalog(home_with(_two_methods)) as connection:
        yield connection


def by_scipy(connection, a: str, b: str) -> list[float]:
    """Spearman's correlation over the heads of each final checkpoint that is no control's."""
    rows = connection.sql(
        f"""
SELECT x.run_id, list(x.value ORDER BY x.layer, x.head) AS a, list(y.value ORDER BY x.layer, x.head) AS b
FROM head_scores AS x JOIN head_scores AS y USING (checkpoint_id, layer, head)
JOIN families AS f ON f.family_id = x.family_id AND f.role <> 'control'
WHERE x.metric_id = '{a}' AND y.metric_id = '{b}' AND x.is_final GROUP BY x.run_id"""
    ).fetchall()
    return [spearmanr(values_a, values_b).statistic for _, values_a, values_b in rows]


def overall(connection, construct: str):
    rows = agreement.correlations_query(construct).rows(connection)
    return [row for row in rows if row["family_id"] is None]


@pytest.mark.parametrize("other", HEADS[1:])
def test_correlations_are_those_of_scipy_ties_included(two_methods, other):
    expected = by_scipy(two_methods, "prefix_matching", other)

    found = overall(two_methods, "induction")

    pairs = {frozenset((row["metric_a"], row["metric_b"])): row for row in found}
    row = pairs[frozenset(("prefix_matching", other))]
    assert row["n_runs"] == len(expected) == 7
    assert row["rho"] == pytest.approx(mean(expected), abs=1e-9)
    assert row["spread"] == pytest.approx(stdev(expected), abs=1e-9)
    assert (row["low"], row["high"]) == pytest.approx((min(expected), max(expected)), abs=1e-9)


def test_families_are_averaged_by_themselves_and_controls_left_out(two_methods):
    rows = agreement.correlations_query("induction").rows(two_methods)

    runs = {row["family_id"]: row["n_runs"] for row in rows if row["metric_b"] == "previous_token"}
    assert runs == {None: 7, "calibration-neox": 6, "smollm2": 1}


def test_a_head_that_differs_in_rank_is_listed_with_both_values(two_methods):
    rows = agreement.apart_query("induction").rows(two_methods)

    assert len(rows) == agreement.SHOWN
    assert [row["apart"] for row in rows] == sorted((row["apart"] for row in rows), reverse=True)
    assert {(row["metric_a"], row["metric_b"]) for row in rows} == {("duplicate_token", "prefix_matching")}
    first = rows[0]
    values = two_methods.sql(
        f"SELECT metric_id, value FROM head_scores WHERE run_id = '{first['run_id']}' AND layer = {first['layer']} "
        f"AND head = {first['head']} AND is_final AND metric_id IN ('duplicate_token', 'prefix_matching') ORDER BY 1"
    ).fetchall()
    assert values == [("duplicate_token", first["value_a"]), ("prefix_matching", first["value_b"])]
    assert first["apart"] == pytest.approx(abs(first["place_a"] - first["place_b"]) / (first["n_heads"] - 1))


def _constant(tables):
    for row in tables["measurements"]:
        row["value"] = 0.5


def test_heads_that_all_score_the_same_give_no_correlation(home_with):
    with open_catalog(home_with(_constant)) as connection:
        assert overall(connection, "induction") == []


def _one_constant(tables):
    _two_methods(tables)
    for row in tables["measurements"]:
        row["value"] = 0.5 if row["metric_id"] == "duplicate_token" else row["value"]


def test_a_metric_that_ranks_nothing_comes_apart_from_none(home_with):
    with open_catalog(home_with(_one_constant)) as connection:
        assert agreement.apart_query("induction").rows(connection) == []


def metric(name: str, construct: str, method: str):
    return {"metric_id": name, "construct": construct, "method": method, "grain": "head"}


def pair(a, b, rho: float, n_runs: int = 9):
    same = {"same_construct": a["construct"] == b["construct"], "same_method": a["method"] == b["method"]}
    return {"metric_a": a["metric_id"], "metric_b": b["metric_id"], "rho": rho, "spread": 0.1, "n_runs": n_runs, **same}


LOOKS = metric("looks", "induction", ATTENTION)
PLACEBO = metric("looks_placebo", "induction", ATTENTION)
WEIGHS = metric("weighs", "induction", WEIGHTS)
OTHER = metric("other", "sink", ATTENTION)
OWN = [LOOKS, PLACEBO, WEIGHS]


def test_cells_say_what_they_are_on_both_sides_of_the_diagonal():
    found = [pair(LOOKS, WEIGHS, 0.55), pair(LOOKS, PLACEBO, -0.4), pair(LOOKS, OTHER, 0.05)]

    made = agreement.matrix(OWN, [OTHER], found, {"looks": {"mean_split_half": 0.99, "n_models": 3}})

    cells = {
        (row["metric_id"], column["metric_id"]): cell
        for row, cells in made.rows
        for column, cell in zip(made.columns, cells, strict=True)
    }
    assert cells["looks", "weighs"] == cells["weighs", "looks"]
    assert (cells["looks", "weighs"].kind, cells["looks", "weighs"].word) == ("validity", "strong")
    assert (cells["looks", "looks_placebo"].kind, cells["looks", "looks_placebo"].word) == (
        "placebo",
        "moderate, opposite",
    )
    assert (cells["looks", "other"].kind, cells["looks", "other"].word) == ("other, same method", "none")
    assert cells["looks", "looks"] == agreement.Cell("reliability", 0.99, None, 3)
    assert cells["weighs", "other"] == agreement.Cell("other, other method", None)
    assert (cells["looks", "weighs"].shade, cells["looks", "looks_placebo"].shade) == ("rho-plus-3", "rho-minus-2")


def test_the_mechanism_shows_through_where_methods_agree_more_than_one_method_does_on_several():
    agree = agreement.told("induction", OWN, [pair(LOOKS, WEIGHS, 0.8), pair(LOOKS, OTHER, -0.2)])
    differ = agreement.told("induction", OWN, [pair(LOOKS, WEIGHS, 0.1), pair(LOOKS, OTHER, -0.2)])

    assert "correlate 0.8 on average (very strong; 1 pair, 9 runs at most), more than" in agree
    assert "the mechanism shows through the method" in agree
    assert "(0.2 in size, 1 pair): the scores depend on the method" in differ


def test_placebos_are_not_counted_as_agreement():
    text = agreement.told("induction", OWN, [pair(LOOKS, PLACEBO, 0.9)])

    assert text == "No two methods scored the same heads for induction, so that nothing can be said about agreement."


def test_one_method_alone_is_said_to_be_one():
    text = agreement.told("sink", [OTHER], [pair(OTHER, metric("another", "sink", ATTENTION), 0.9)])

    assert "its metrics by one method correlate 0.9 on average (1 pair)" in text


def test_metrics_of_whole_checkpoints_have_no_heads_to_agree_on():
    assert "scores single heads" in agreement.told("recall", [{**OTHER, "grain": "checkpoint"}], [])
