"""The verdicts on the published data of Trott (2025): figures of VERDICTS, and those printed in the paper's report."""

from __future__ import annotations

from typing import Any

import duckdb
import pytest

from assets.claims.decide import decide
from assets.claims.schema import load_claims

pytestmark = pytest.mark.reference
Verdicts = dict[tuple[str, str, str], dict[str, Any]]


@pytest.fixture(scope="module")
def verdicts(pythia: duckdb.DuckDBPyConnection) -> Verdicts:
    rows = decide(pythia, load_claims("all"), "e1").verdicts
    return {(row["claim_id"], row["level"], row["subject"]): row for row in rows}


@pytest.mark.parametrize(
    ("claim_id", "verdict", "estimate", "low", "high"),
    [
        ("larger-earlier-previous-token", "fails", -0.177, -1.09, 0.73),
        ("larger-steeper-previous-token", "holds", 0.01475, 0.004, 0.025),
        ("larger-higher-previous-token", "inconclusive", 0.0678, -0.040, 0.176),
        ("larger-more-transient-previous-token", "holds", 0.0584, 0.047, 0.069),
    ],
)
def test_trends(verdicts: Verdicts, claim_id: str, verdict: str, estimate: float, low: float, high: float) -> None:
    row = verdicts[claim_id, "family", "pythia"]

    assert row["verdict"] == verdict
    assert row["estimate"] == pytest.approx(estimate, rel=0.005)
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((low, high), abs=0.006)
    assert (row["n_runs"], row["n_models"]) == (36, 4)
    assert row["exploratory"]


def test_larger_is_earlier_up_to_70m_only(verdicts: Verdicts) -> None:
    reason = verdicts["larger-earlier-previous-token", "family", "pythia"]["reason"]

    assert "pythia-70m to pythia-160m" in reason
    assert "Holm p 0.047" in reason
    assert "Holm p 3.4e-06" in reason


def test_one_family_is_no_evidence_across(verdicts: Verdicts) -> None:
    row = verdicts["larger-steeper-previous-token", "across", "all"]

    assert row["verdict"] == "insufficient"
    assert "1 of 1 agree: it holds. A convenience sample of 1 family (pythia)" in row["reason"]


@pytest.mark.parametrize("model", ["pythia-14m", "pythia-70m", "pythia-160m", "pythia-410m"])
def test_seeds_share_their_trajectory(verdicts: Verdicts, model: str) -> None:
    row = verdicts["trajectories-alike-within-model", "model", model]

    assert (row["verdict"], row["estimate"]) == ("holds", 1.0)


def test_trajectories_tell_the_smallest_size_apart_only(verdicts: Verdicts) -> None:
    """Within less between: .0839, .0015, .0032; all three beyond chance, the latter two below .01."""
    row = verdicts["trajectories-tell-models-apart", "family", "pythia"]

    assert row["verdict"] == "mixed"
    assert "pythia-14m and pythia-70m 0.0839 [0.0655, 0.102], Holm p 0.000123: told apart" in row["reason"]
    assert "pythia-160m 0.00154 [-0.00109, 0.00416], Holm p 0.0106: a difference, but smaller" in row["reason"]
    assert "pythia-410m 0.00316 [-3.79e-05, 0.00637], Holm p 0.000247: a difference, but" in row["reason"]
    assert row["robustness"] == "robust"


@pytest.mark.parametrize(
    ("size", "estimate", "low", "high"),
    [
        ("14m", 0.0032, -0.075, 0.082),
        ("70m", -0.0062, -0.056, 0.044),
        ("160m", 0.0052, -0.023, 0.033),
        ("410m", 0.0075, -0.0105, 0.0255),
    ],
)
def test_the_negative_control_is_at_chance(
    verdicts: Verdicts, size: str, estimate: float, low: float, high: float
) -> None:
    """Jackknife over heads, written apart with numpy; 4,000 permutations of heads have deviations of .051 to .011."""
    row = verdicts["head-index-is-arbitrary", "model", f"pythia-{size}"]

    assert row["verdict"] == "holds"
    assert (row["estimate"], row["ci_low"], row["ci_high"]) == pytest.approx((estimate, low, high), abs=0.0006)
    assert verdicts["head-index-is-arbitrary", "family", "pythia"]["verdict"] == "holds"


@pytest.mark.parametrize(
    ("size", "counts", "layers"),
    [("14m", (5, 4), 6), ("70m", (8, 1), 6), ("160m", (6, 2, 1), 12), ("410m", (5, 2, 1, 1), 24)],
)
def test_the_layer_agrees_beyond_chance_and_is_not_identical(
    verdicts: Verdicts, size: str, counts: tuple[int, ...], layers: int
) -> None:
    """Layers of the top head, counted by hand from the files."""
    alike = sum(n * (n - 1) for n in counts) / 72
    row = verdicts["same-layer-across-seeds", "model", f"pythia-{size}"]

    assert row["estimate"] == pytest.approx((alike - 1 / layers) / (1 - 1 / layers))
    assert row["verdict"] == "holds"
    assert {"when": "with definition: strict, identical in all runs", "becomes": "fails"} in row["flips_when"]


def test_what_nobody_measured_is_insufficient(verdicts: Verdicts) -> None:
    row = verdicts["prefix-matching-heads-exist", "model", "pythia-70m"]

    assert row["verdict"] == "insufficient"
    assert row["reason"] == "Can't be decided yet: no measurement of prefix_matching (9 training runs)."


def test_swapping_two_runs_between_sizes_changes_the_slope(pythia: duckdb.DuckDBPyConnection) -> None:
    claims = load_claims(["larger-steeper-previous-token"])
    other = pythia.cursor()
    swap = (
        "CASE run_id WHEN 'pythia-14m-seed1' THEN 'pythia-410m-seed1' WHEN 'pythia-410m-seed1' THEN 'pythia-14m-seed1' "
        "ELSE run_id END"
    )
    other.execute("CREATE SCHEMA swapped; USE swapped")
    other.execute(f"CREATE TABLE swapped.evidence AS SELECT * REPLACE ({swap} AS run_id) FROM main.evidence")
    for table in ("models", "families", "training_runs"):
        other.execute(f"CREATE VIEW swapped.{table} AS SELECT * FROM main.{table}")

    before = decide(pythia, claims, "e1").verdicts[0]["estimate"]
    after = decide(other, claims, "e1").verdicts[0]["estimate"]

    assert after != pytest.approx(before, rel=1e-3)
