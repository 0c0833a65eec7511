"""Verdicts at each level on hand-made evidence. The rules by themselves are tested in test_verdicts.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import pytest

from assets.claims.decide import decide, evidence_digest

if TYPE_CHECKING:
    from tests.assets.claims.conftest import Library, World

INDUCTION = {(0, 0): 0.02, (0, 1): 0.01, (1, 0): 0.93, (1, 1): 0.05}
NOTHING = {(0, 0): 0.02, (0, 1): 0.01, (1, 0): 0.03, (1, 1): 0.05}


def induction_runs(
    world: World, n: int, heads: dict[tuple[int, int], float] = INDUCTION, model: str = "m", family: str = "natural"
) -> World:
    """A model with n training runs whose final checkpoints have these prefix_matching scores."""
    world.model(model, family)
    for seed in range(n):
        run = f"{model}-seed{seed}"
        world.run(run, model)
        world.measure(run, "prefix_matching", heads).measure(run, "prefix_matching_placebo", dict.fromkeys(heads, 0.01))
    return world


# Levels: run and model


def test_five_runs_of_five_hold(world: World, library: Library) -> None:
    decided = induction_runs(world, 5).decide(library.plain("prefix-matching-heads-exist"))

    run, model = decided("run", "m-seed0"), decided("model", "m")

    assert (run["verdict"], run["estimate"]) == ("holds", pytest.approx(0.92))
    assert run["reason"] == (
        "The best head's prefix_matching minus prefix_matching_placebo at the final checkpoint: "
        "0.92 [0.917, 0.923] is above 0.3."
    )
    assert (model["verdict"], model["n_h"], model["n_f"], model["n_u"], model["n_runs"]) == ("holds", 5, 0, 0, 5)
    assert "exceptions in up to 45 %" in model["reason"]


def test_four_runs_are_insufficient_and_the_estimates_are_shown(world: World, library: Library) -> None:
    model = induction_runs(world, 4).decide(library.plain("prefix-matching-heads-exist"))("model", "m")

    assert (model["verdict"], model["estimate"], model["n_h"], model["n_runs"]) == ("insufficient", 1.0, 4, 4)
    assert model["reason"].startswith("Only 4 training runs of the 5 that are needed.")
    assert model["flips_when"] == [{"when": "1 more training run in which it holds", "becomes": "holds"}]


def test_some_of_each_is_mixed(world: World, library: Library) -> None:
    induction_runs(world, 5)
    world.run("m-odd", "m").measure("m-odd", "prefix_matching", NOTHING)
    world.measure("m-odd", "prefix_matching_placebo", dict.fromkeys(NOTHING, 0.0))

    decided = world.decide(library.plain("prefix-matching-heads-exist"))

    model = decided("model", "m")
    assert (model["verdict"], model["n_h"], model["n_f"]) == ("mixed", 5, 1)
    assert {"when": "without m-odd", "becomes": "holds"} in model["flips_when"]


def test_a_run_whose_interval_holds_the_threshold_is_undecided(world: World, library: Library) -> None:
    world.model("m").run("r", "m").measure("r", "prefix_matching", {(1, 0): 0.30}, error=0.05)
    world.measure("r", "prefix_matching_placebo", {(1, 0): 0.0}, error=0.0)

    run = world.decide(library.plain("prefix-matching-heads-exist"))("run", "r")

    assert run["verdict"] == "inconclusive"
    assert run["ci_low"] < 0.3 < run["ci_high"]


def test_a_head_that_looks_back_whatever_the_tokens_is_no_induction_head(world: World, library: Library) -> None:
    world.model("m").run("r", "m").measure("r", "prefix_matching", {(0, 0): 1.0, (1, 0): 0.2})
    world.measure("r", "prefix_matching_placebo", {(0, 0): 1.0, (1, 0): 0.0})

    run = world.decide(library.plain("prefix-matching-heads-exist"))("run", "r")

    assert (run["verdict"], run["estimate"]) == ("fails", pytest.approx(0.2))


def test_standard_errors_of_score_and_placebo_are_combined(world: World, library: Library) -> None:
    """sqrt(.03^2 + .04^2) = .05, times t(31) = 2.0395."""
    world.model("m").run("r", "m").measure("r", "prefix_matching", {(1, 0): 0.9}, error=0.03)
    world.measure("r", "prefix_matching_placebo", {(1, 0): 0.0}, error=0.04)

    decided = world.decide(library.plain("prefix-matching-heads-exist"))

    assert decided.runs("run", "r")["r"]["standard_error"] == pytest.approx(0.05)
    assert decided("run", "r")["ci_high"] == pytest.approx(0.9 + 2.03951 * 0.05, abs=1e-5)


def test_no_induction_needs_every_head_clearly_below(world: World, library: Library) -> None:
    """The best head is clearly below .1; a second one is too uncertain to say so."""
    world.model("m", n_layers=1)
    for run, error in (("sure", 0.001), ("unsure", 0.03)):
        world.run(run, "m").measure(run, "prefix_matching", {(0, 0): 0.06}).measure(
            run, "prefix_matching", {(0, 1): 0.05}, error=error
        )
        world.measure(run, "prefix_matching_placebo", {(0, 0): 0.0, (0, 1): 0.0})
        world.measure(run, "repeat_recall", 0.01)

    decided = world.decide(library.plain("no-induction-in-one-layer"))

    assert decided.word("run", "sure") == "holds"
    assert decided.word("run", "unsure") == "inconclusive"


@pytest.mark.parametrize(
    ("induction", "recall", "verdict"),
    [(0.03, 0.0, "holds"), (0.5, 0.0, "fails"), (0.03, 0.3, "fails"), (0.03, None, "inconclusive")],
)
def test_a_conjunction_fails_where_one_part_does(
    world: World, library: Library, induction: float, recall: float | None, verdict: str
) -> None:
    world.model("m", n_layers=1).run("r", "m").measure("r", "prefix_matching", {(0, 0): induction})
    world.measure("r", "prefix_matching_placebo", {(0, 0): 0.0})
    if recall is not None:
        world.measure("r", "repeat_recall", recall)

    assert world.decide(library.plain("no-induction-in-one-layer")).word("run", "r") == verdict


# Gates


def test_outside_the_reference_class_a_claim_does_not_apply(world: World, library: Library) -> None:
    induction_runs(world, 5, model="one")
    world.models[-1]["n_layers"] = 1

    decided = world.decide(library.plain("prefix-matching-heads-exist"))

    for level, subject in (("run", "one-seed0"), ("model", "one"), ("family", "natural"), ("across", "all")):
        row = decided(level, subject)
        assert row["verdict"] == "not_applicable"
        assert "n_layers is 1, the claim is about n_layers >= 2" in row["reason"]
    assert not any(row["included"] for row in decided.decisions.verdict_runs)


def test_where_the_reference_class_is_not_known_nothing_is_decided(world: World, library: Library) -> None:
    induction_runs(world, 5)
    world.models[-1]["n_layers"] = None

    model = world.decide(library.plain("prefix-matching-heads-exist"))("model", "m")

    assert model["verdict"] == "insufficient"
    assert "n_layers is not known" in model["reason"]


def test_a_model_that_nobody_measured_is_insufficient_not_dropped(world: World, library: Library) -> None:
    world.model("m").run("r", "m").measure("r", "previous_token", {(0, 0): 0.9})
    world.model("empty")

    decided = world.decide(library.plain("prefix-matching-heads-exist"))

    assert decided("model", "m")["reason"] == "Can't be decided yet: no measurement of prefix_matching."
    assert decided("model", "empty")["reason"] == "There is no training run in the catalog."
    assert decided.runs("model", "m")["r"]["included"] is False


def test_an_instrument_that_sees_heads_at_step_0_is_refused(world: World, library: Library) -> None:
    induction_runs(world, 5)
    for seed in range(5):
        world.measure(f"m-seed{seed}", "prefix_matching", {(0, 0): 0.2, (1, 0): 0.0}, step=0, final=False)

    model = world.decide(library.plain("prefix-matching-heads-exist"))("model", "m")

    assert model["verdict"] == "not_applicable"
    assert "instrument: prefix-matching-reliable fails in gpt_neox: passes its checks in 0 of 5" in model["reason"]
    assert "at step 0 is on average off chance by 0.1, more than 0.01" in model["reason"]


def test_an_instrument_whose_halves_disagree_is_refused(world: World, library: Library) -> None:
    world.model("m").run("r", "m").measure("r", "prefix_matching", {(1, 0): 0.9}, halves=(0.95, 0.85))
    world.measure("r", "prefix_matching_placebo", {(1, 0): 0.0})

    run = world.decide(library.plain("prefix-matching-heads-exist"))("run", "r")

    assert run["verdict"] == "not_applicable"
    assert "by its two halves would change on a second measurement by 0.0707, more than 0.02" in run["reason"]


def test_a_fault_concerns_its_own_architecture_only(world: World, library: Library) -> None:
    world.model("sound", architecture="llama").run("s", "sound").measure("s", "prefix_matching", INDUCTION)
    world.measure("s", "prefix_matching_placebo", dict.fromkeys(INDUCTION, 0.0))
    world.model("faulty").run("r", "faulty").measure("r", "prefix_matching", {(1, 0): 0.9}, halves=(0.95, 0.85))
    world.measure("r", "prefix_matching_placebo", {(1, 0): 0.0})

    decided = world.decide(library.plain("prefix-matching-heads-exist"))

    assert (decided.word("run", "s"), decided.word("run", "r")) == ("holds", "not_applicable")


# Families


def test_a_family_of_two_models_that_hold(world: World, library: Library) -> None:
    induction_runs(world, 5, model="small")
    induction_runs(world, 5, model="large")

    family = world.decide(library.plain("prefix-matching-heads-exist"))("family", "natural")

    assert (family["verdict"], family["n_models"], family["n_runs"]) == ("holds", 2, 10)


def test_a_family_of_one_model_is_insufficient(world: World, library: Library) -> None:
    family = induction_runs(world, 5).decide(library.plain("prefix-matching-heads-exist"))("family", "natural")

    assert family["verdict"] == "insufficient"
    assert family["reason"].startswith("Only 1 model of the 2 that are needed.")


def test_models_of_one_parent_are_one_unit(world: World, library: Library) -> None:
    for name in ("base", "tuned"):
        induction_runs(world, 5, model=name)
    world.models[-1]["parent_model_id"] = "base"

    decided = world.decide(library.plain("prefix-matching-heads-exist"))

    assert decided.word("model", "tuned") == "holds"
    assert decided.word("family", "natural") == "insufficient"


def test_families_that_we_trained_have_no_verdict_beyond_their_models(world: World, library: Library) -> None:
    world.family("ours", "calibration").family("theirs", "control")
    induction_runs(world, 5, family="ours", model="ours-2l")
    induction_runs(world, 5, NOTHING, family="theirs", model="theirs-1l")

    decided = world.decide(library.plain("prefix-matching-heads-exist"))

    assert (decided.word("model", "ours-2l"), decided.word("model", "theirs-1l")) == ("holds", "fails")
    assert decided.subjects("family") == []
    assert decided("across", "all")["reason"] == "There is no natural family in the catalog."


# Across


def families(world: World, votes: str) -> World:
    """Natural families of one model with five runs each, that hold (h) or fail (f)."""
    for i, letter in enumerate(votes):
        induction_runs(world, 5, INDUCTION if letter == "h" else NOTHING, f"m{i}", f"family{i}")
    return world


@pytest.mark.parametrize(
    ("votes", "verdict"), [("hhhh", "insufficient"), ("hhhhh", "holds"), ("fffff", "fails"), ("hhhhf", "mixed")]
)
def test_families_vote(world: World, library: Library, votes: str, verdict: str) -> None:
    across = families(world, votes).decide(library.plain("prefix-matching-heads-exist"))("across", "all")

    assert (across["verdict"], across["n_families"]) == (verdict, len(votes))
    assert f"convenience sample of {len(votes)} families" in across["reason"]


def test_a_family_without_decided_models_votes_by_its_runs_and_is_flagged(world: World, library: Library) -> None:
    families(world, "hhhh")
    induction_runs(world, 1, model="single", family="lonely")

    across = world.decide(library.plain("prefix-matching-heads-exist"))("across", "all")

    assert (across["verdict"], across["n_h"]) == ("holds", 5)
    assert "lonely voted by single training runs." in across["reason"]


def test_a_model_made_of_another_is_named_where_it_votes(world: World, library: Library) -> None:
    families(world, "hhhh")
    induction_runs(world, 1, model="chat", family="lonely")
    world.models[-1] |= {"tuning": "instruct", "precision": "q4_1", "parent_model_id": "elsewhere"}

    across = world.decide(library.plain("prefix-matching-heads-exist"))("across", "all")

    said = "Tuned or quantised, and no evidence on what it was made of: chat (instruct, q4_1)."
    assert across["reason"].endswith(said)


def test_a_family_that_disagrees_inside_makes_it_mixed(world: World, library: Library) -> None:
    families(world, "hhhhh")
    induction_runs(world, 5, NOTHING, "m0-large", "family0")

    across = world.decide(library.plain("prefix-matching-heads-exist"))("across", "all")

    assert (across["verdict"], across["n_h"], across["n_f"], across["n_u"]) == ("mixed", 4, 0, 1)


def test_coverage_is_told(world: World, library: Library) -> None:
    world.family("a", organisation="EleutherAI")
    induction_runs(world, 1, model="a-70m", family="a")
    world.models[-1] |= {"n_params": 70_000_000, "released_on": "2023-04-03"}

    reason = world.decide(library.plain("prefix-matching-heads-exist"))("across", "all")["reason"]

    assert "organisations: EleutherAI; attention: softmax; parameters: 70M; released: 2023" in reason


# Which variant


def test_a_run_is_read_by_the_first_metric_that_it_has(world: World, library: Library) -> None:
    claim = library.about(
        "top-head-fixed-early", of={"metrics": ["previous_token_all", "previous_token"], "scale": "value"}
    )
    world.model("m")
    for run, metrics in (("both", ["previous_token", "previous_token_all"]), ("second", ["previous_token"])):
        world.run(run, "m")
        for metric in metrics:
            world.measure(
                run, metric, {(0, 0): 0.9}, source="trott2025" if metric == "previous_token_all" else "moving-target"
            )

    decided = world.decide(claim)

    assert decided.runs("run", "both")["both"]["variant_id"].startswith("previous_token_all.")
    assert decided.runs("run", "both")["both"]["provenance"] == "published"
    assert decided.runs("run", "second")["second"]["variant_id"].startswith("previous_token.")


def test_a_model_with_bos_is_read_with_it(world: World, library: Library) -> None:
    world.model("m", adds_bos=True).run("r", "m")
    for bos, value in ((False, 0.1), (True, 0.9)):
        world.measure("r", "prefix_matching", {(1, 0): value}, bos=bos)
        world.measure("r", "prefix_matching_placebo", {(1, 0): 0.0}, bos=bos)

    run = world.decide(library.plain("prefix-matching-heads-exist"))("run", "r")

    assert run["estimate"] == pytest.approx(0.9)


def test_the_placebo_is_that_of_the_same_length(world: World, library: Library) -> None:
    world.model("m").run("r", "m").measure("r", "prefix_matching", {(1, 0): 0.9}, n=50)
    world.measure("r", "prefix_matching_placebo", {(1, 0): 0.5}, n=24)

    run = world.decide(library.plain("prefix-matching-heads-exist"))("run", "r")

    assert (run["estimate"], "; no placebo" in run["reason"]) == (pytest.approx(0.9), True)


def test_runs_of_another_length_are_not_compared(world: World, library: Library) -> None:
    world.model("m")
    for seed in range(6):
        run = f"r{seed}"
        world.run(run, "m").measure(
            run, "previous_token", {(0, 0): 0.9, (0, 1): 0.1, (1, 0): 0.1}, n=24 if seed else 50
        )

    decided = world.decide(library.about("same-layer-across-seeds"))

    rows = decided.runs("model", "m")
    assert not rows["r0"]["included"]
    assert "which most runs have" in rows["r0"]["reason"]
    assert decided("model", "m")["n_runs"] == 5


# Exploratory, robustness, digest


def test_data_seen_before_make_a_verdict_exploratory(world: World, library: Library) -> None:
    seen = {"sources": ["trott2025"], "families": ["known"], "note": "looked at"}
    induction_runs(world, 1, model="new")
    induction_runs(world, 1, model="old", family="known")
    world.model("published", "third").run("p", "published").measure(
        "p", "prefix_matching", INDUCTION, source="trott2025"
    )
    world.measure("p", "prefix_matching_placebo", dict.fromkeys(INDUCTION, 0.0))

    decided = world.decide(library.plain("prefix-matching-heads-exist", data_seen_before=seen))

    assert not decided("run", "new-seed0")["exploratory"]
    assert decided("run", "old-seed0")["exploratory"]
    assert decided("run", "p")["exploratory"]


def test_robust_where_the_other_choices_agree(world: World, library: Library) -> None:
    decided = induction_runs(world, 5).decide(library.claim("prefix-matching-heads-exist"))

    assert decided("model", "m")["robustness"] == "robust"
    specifications = [row for row in decided.decisions.specifications if row["subject"] == "m"]
    assert len(specifications) == 17
    assert {row["verdict"] for row in specifications} == {"holds"}


def test_fragile_where_one_choice_turns_it_over_and_the_thresholds_are_told(world: World, library: Library) -> None:
    """A best head of .4: above .2 and .3, not above .5."""
    decided = induction_runs(world, 5, {(1, 0): 0.41, (1, 1): 0.0}).decide(library.claim("prefix-matching-heads-exist"))

    model = decided("model", "m")
    assert (model["verdict"], model["robustness"]) == ("holds", "fragile")
    assert model["reason"].endswith("With other thresholds (0.2: holds, 0.5: fails).")
    assert {"when": "with threshold: 0.5", "becomes": "fails"} in model["flips_when"]


def test_rows_have_the_columns_of_the_catalog(world: World, library: Library) -> None:
    with induction_runs(world, 5).catalog() as connection:
        made = decide(connection, [library.claim("prefix-matching-heads-exist")], "e1")
        for table, rows in (
            ("verdicts", made.verdicts),
            ("verdict_runs", made.verdict_runs),
            ("specifications", made.specifications),
        ):
            found = connection.execute(
                "SELECT column_name, is_nullable FROM duckdb_columns() WHERE table_name = ?", [table]
            ).fetchall()
            assert rows
            assert all(set(row) == {name for name, _ in found} for row in rows)
            needed = [name for name, nullable in found if not nullable]
            assert all(row[name] is not None for row in rows for name in needed)


def test_no_two_rows_have_the_same_key(world: World, library: Library) -> None:
    made = families(world, "hhf").decide(library.claim("prefix-matching-heads-exist")).decisions

    for rows, key in (
        (made.verdicts, ("level", "subject")),
        (made.verdict_runs, ("level", "subject", "run_id")),
        (made.specifications, ("level", "subject", "specification_id")),
    ):
        keys = [tuple(row[name] for name in key) for row in rows]
        assert len(set(keys)) == len(keys)


def test_weights_of_a_models_runs_sum_to_one(world: World, library: Library) -> None:
    decided = induction_runs(world, 5).decide(library.plain("prefix-matching-heads-exist"))

    assert sum(row["weight"] for row in decided.runs("model", "m").values()) == pytest.approx(1)


def test_deciding_is_deterministic_whatever_the_order_of_rows(world: World, library: Library) -> None:
    claim = library.claim("prefix-matching-heads-exist")
    families(world, "hhfhh")

    first = world.decide(claim).decisions
    world.rows.reverse()
    world.runs.reverse()
    world.models.reverse()

    assert world.decide(claim).decisions == first


def test_the_digest_changes_with_what_is_read_and_with_nothing_else(world: World, library: Library) -> None:
    claims = [library.plain("prefix-matching-heads-exist")]
    induction_runs(world, 5)

    def digest(connection: duckdb.DuckDBPyConnection, statement: str = "") -> str:
        if statement:
            connection.execute(statement)
        return evidence_digest(connection, claims)

    with world.catalog() as connection:
        first = digest(connection)
        assert digest(connection) == first
        assert digest(connection, "UPDATE evidence SET probe_run_id = 'other', dtype = 'bfloat16'") == first
        other = "INSERT INTO evidence SELECT * REPLACE ('previous_token' AS metric_id) FROM evidence LIMIT 1"
        assert digest(connection, other) == first
        assert evidence_digest(connection, [library.plain("prefix-matching-heads-exist", version=2)]) != first
        assert digest(connection, """UPDATE models SET properties = '{"facts": {}}'""") == first
        assert digest(connection, """UPDATE models SET properties = '{"batch_size": 1024}'""") != first
        assert digest(connection, "UPDATE models SET n_layers = 3, properties = NULL") != first
    with world.catalog() as connection:
        changed = "UPDATE evidence SET value = value + 1e-9 WHERE run_id = 'm-seed0' AND metric_id = 'prefix_matching'"
        assert digest(connection, changed) != first


@pytest.mark.parametrize(
    "change",
    [
        "INSERT INTO layers (model_id, layer, kind, has_sink, since_build) VALUES ('m', 0, 'full', true, 1)",
        "UPDATE evidence SET sender_head = 1 WHERE metric_id = 'path_effect'",
        "UPDATE evidence SET value = 0.5 WHERE metric_id = 'previous_token'",  # which chooses the sender
    ],
)
def test_the_digest_changes_with_sinks_senders_and_what_chooses_them(
    world: World, library: Library, change: str
) -> None:
    claims = [library.plain("previous-token-feeds-induction")]
    world.model("m").run("r", "m").measure("r", "previous_token", {(0, 0): 0.9})
    world.measure("r", "path_effect", {(1, 0, 0, 0): 0.9})

    with world.catalog() as connection:
        first = evidence_digest(connection, claims)
        connection.execute(change)
        assert evidence_digest(connection, claims) != first


@pytest.mark.parametrize("claims", [[], ["prefix-matching-heads-exist", "larger-higher-previous-token"]])
def test_an_empty_catalog_and_no_claims_are_no_faults(world: World, library: Library, claims: list[str]) -> None:
    decided = world.decide(*(library.claim(name) for name in claims))

    assert [row["verdict"] for row in decided.decisions.verdicts] == ["insufficient"] * len(claims)
    with world.catalog() as connection:
        assert evidence_digest(connection, [library.claim(name) for name in claims])


def test_choices_are_listed_only_where_there_is_something_to_decide(world: World, library: Library) -> None:
    world.model("m").run("r", "m")

    decided = world.decide(library.claim("prefix-matching-heads-exist"))

    assert decided.decisions.specifications == []
