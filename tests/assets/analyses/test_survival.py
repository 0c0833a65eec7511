"""Kaplan-Meier against published and pinned values; which models test a claim, by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from assets.analyses.registry import Situation
from assets.analyses.survival import ANALYSIS, curve
from assets.claims.decide import decide_on, read_material
from assets.claims.schema import Claim

if TYPE_CHECKING:
    from tests.assets.claims.conftest import Library, World

LEUKAEMIA = [6, 6, 6, 7, 10, 13, 16, 22, 23, 6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35]
"""Weeks in remission under 6-MP (Freireich et al. 1963): nine events, then twelve censored."""


def test_the_curve_of_the_classic_trial() -> None:
    """As in the textbooks (Kalbfleisch and Prentice; `sts list` of Stata prints these intervals)."""
    rows = {row["n_tested"]: row for row in curve(LEUKAEMIA, [True] * 9 + [False] * 12)}

    published = {
        6: (21, 3, 0.8571, 0.6197, 0.9516),
        7: (17, 1, 0.8067, 0.5631, 0.9228),
        10: (15, 1, 0.7529, 0.5032, 0.8894),
        13: (12, 1, 0.6902, 0.4316, 0.8491),
        16: (11, 1, 0.6275, 0.3675, 0.8049),
        22: (7, 1, 0.5378, 0.2678, 0.7468),
        23: (6, 1, 0.4482, 0.1881, 0.6801),
    }
    for n, (at_risk, events, *numbers) in published.items():
        row = rows[n]
        assert (row["n_at_risk"], row["n_events"]) == (at_risk, events)
        assert [row["survival"], row["ci_low"], row["ci_high"]] == pytest.approx(numbers, abs=5e-5)
    assert (rows[0]["survival"], rows[0]["n_at_risk"], rows[0]["n_events"]) == (1.0, 21, 9)


def test_the_curve_of_few_claims_is_that_of_survfit() -> None:
    """R 4.2.2, survival 3.5-3, survfit(Surv(t, e) ~ 1, conf.type = "log-log"); eight digits printed."""
    times = [1, 1, 2, 2, 3, 3, 4, 5, 5, 6, 7, 9]
    failed = [bool(event) for event in (1, 0, 1, 1, 0, 1, 0, 1, 0, 1, 0, 0)]

    rows = curve(times, failed)

    assert [(r["n_tested"], r["n_at_risk"], r["n_events"]) for r in rows[1:]] == [
        (1, 12, 1), (2, 10, 2), (3, 8, 1), (4, 6, 0), (5, 5, 1), (6, 3, 1), (7, 2, 0), (9, 1, 0),
    ]  # fmt: skip
    pinned = [
        (0.91666667, 0.538977181, 0.98782557),
        (0.73333333, 0.378960954, 0.90561746),
        (0.64166667, 0.302249676, 0.84829436),
        (0.64166667, 0.302249676, 0.84829436),
        (0.51333333, 0.184043971, 0.76896294),
        (0.34222222, 0.063428224, 0.65907000),
    ]
    for row, expected in zip(rows[1:], pinned, strict=False):
        assert (row["survival"], row["ci_low"], row["ci_high"]) == pytest.approx(expected, rel=1e-7)


def test_where_nothing_has_failed_yet_or_all_has_there_is_no_interval() -> None:
    rows = curve([1] * 4 + [2] * 6, [False] * 4 + [True] * 6)

    assert [(row["survival"], row["ci_low"], row["ci_high"]) for row in rows] == [(1.0, None, None)] * 2 + [
        (0.0, None, None)
    ]


@pytest.mark.parametrize(
    ("failed", "told"),
    [
        (
            [True] * 4 + [False] * 9,
            "4 of 13 claims failed on some model: a survival curve needs 5 failures among 10 claims or more.",
        ),
        ([True] * 9, "9 of 9 claims failed on some model: a survival curve needs 5 failures among 10 claims or more."),
        ([], "0 of 0 claims failed on some model: a survival curve needs 5 failures among 10 claims or more."),
    ],
)
def test_too_few_failures_are_one_line(failed: list[bool], told: str) -> None:
    [row] = curve([3] * len(failed), failed)

    assert row["reason"] == told
    assert (row["survival"], row["n_at_risk"], row["n_events"]) == (None, len(failed), sum(failed))


def of_claims(world: World, *claims: Claim) -> dict[str, dict[str, Any]]:
    with world.catalog() as connection:
        material = read_material(connection, claims)
        situation = Situation(connection, claims, material, decide_on(material, claims, "e"), "e", 1)
        rows = ANALYSIS.rows(situation)["claim_tests"]
    return {row["claim_id"]: row for row in rows}


def released(
    world: World, model_id: str, day: str | None, scores: list[float], family: str = "f", **design: Any
) -> None:
    world.model(model_id, family, released_on=day, **design)
    for seed, score in enumerate(scores):
        world.run(f"{model_id}-{seed}", model_id)
        world.measure(f"{model_id}-{seed}", "prefix_matching", {(0, 0): score}, step=9)
        world.measure(f"{model_id}-{seed}", "prefix_matching_placebo", {(0, 0): 0.0}, step=9)


def test_models_test_a_claim_in_the_order_of_release(world: World, library: Library) -> None:
    """Five runs decide a model, one speaks for itself; mixed is no failure; nothing counts after the first failure.

    Not among the tests: a calibration model, one without a date, one outside of the reference class, one undecided.
    """
    released(world, "third", "2024-01-01", [0.8])
    released(world, "first", "2022-01-01", [0.8] * 5)
    released(world, "second", "2023-01-01", [0.8] * 4 + [0.1])
    released(world, "fails", "2025-01-01", [0.1] * 5)
    released(world, "later", "2026-01-01", [0.1])
    released(world, "undated", None, [0.1] * 5)
    released(world, "linear", "2022-06-01", [0.1] * 5, attention="none")
    released(world, "unmeasured", "2022-06-01", [])
    world.family("c", "calibration")
    released(world, "trained", "2021-01-01", [0.1] * 5, "c")

    rows = of_claims(
        world, library.plain("prefix-matching-heads-exist"), library.plain("larger-steeper-previous-token")
    )

    row = rows["prefix-matching-heads-exist"]
    assert row["reason"] == "In the order of release: holds on first; mixed on second; holds on third; fails on fails."
    assert (row["n_tested"], row["failed"], row["model_id"]) == (4, True, "fails")
    row = rows["larger-steeper-previous-token"]
    assert (row["n_tested"], row["failed"], row["model_id"]) == (0, False, None)


def test_models_of_one_parent_are_one_test(world: World, library: Library) -> None:
    released(world, "base", "2022-01-01", [0.8])
    released(world, "other", "2023-01-01", [0.8])
    released(world, "tuned", "2024-01-01", [0.1], parent_model_id="base")

    row = of_claims(world, library.plain("prefix-matching-heads-exist"))["prefix-matching-heads-exist"]

    assert row["reason"] == "In the order of release: mixed on base; holds on other."
    assert (row["n_tested"], row["failed"], row["model_id"]) == (2, False, "other")
