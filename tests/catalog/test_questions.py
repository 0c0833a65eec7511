"""Each question of the cookbook runs, finds what there is to find, and says how to read it; six answers are known."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from catalog.errors import UserError
from catalog.home import Home
from catalog.questions import question_named, questions
from catalog.read import check_is_query, sandboxed
from tests.conftest import Tiny
from tests.reports.conftest import Tables, write_catalog
from tests.reports.conftest import home_with as home_with

MakeHome = Callable[[Callable[[Tables], None]], Home]
EXISTS = "prefix-matching-heads-exist"


def answer(home: Home, name: str) -> list[dict[str, Any]]:
    """The rows of a question's answer."""
    connection = sandboxed(home.catalog)
    try:
        return connection.sql(question_named(name).sql).pl().to_dicts()
    finally:
        connection.close()


def unchanged(_: Tables) -> None: ...


def test_there_are_twenty_five() -> None:
    assert len(questions()) == 25


@pytest.mark.parametrize("name", questions())
def test_a_file_is_a_query_that_opens_with_its_question_and_what_to_change(name: str) -> None:
    question = questions()[name]

    check_is_query(question.sql)
    assert question.question.endswith("?")
    assert 2 <= len(question.advice.splitlines()) <= 5
    assert len(re.findall(r"^Change: ", question.advice, re.MULTILINE)) == 1
    assert "\nWITH asked AS (\n" in question.sql
    assert max(map(len, question.sql.splitlines())) <= 120


def test_an_unknown_question_is_told_with_those_that_are_near() -> None:
    with pytest.raises(UserError, match="where-induction-heads-sit"):
        question_named("where-induction-heads-are")


@pytest.mark.parametrize("name", questions())
def test_it_runs_on_a_catalog_that_the_pipeline_made(name: str, tiny: Tiny) -> None:
    answer(tiny.home, name)


@pytest.fixture(scope="module")
def rich(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """The made-up catalog with something to find for every question."""
    from tests.reports.conftest import _tables

    tables = _tables()
    for add in (a_second_build, measured_again, an_audit, a_failure, a_public_day, a_second_metric, one_run_disagrees):
        add(tables)
    return write_catalog(Home(tmp_path_factory.mktemp("rich")), tables)


@pytest.mark.parametrize("name", questions())
def test_it_finds_something_where_there_is_something_to_find(name: str, rich: Home) -> None:
    assert answer(rich, name)


def a_second_build(tables: Tables) -> None:
    """Evaluation e0 came with build 1; all else of build 1 stays, and e1 came with build 2."""
    tables["builds"].append({"build": 2, "built_at": "2026-11-24T12:00:00", "n_entries": 1, "digest": "e" * 64})
    tables["schema_info"][0]["build"] = 2
    for row in tables["evaluations"]:
        row["since_build"] = 1 if row["evaluation_id"] == "e0" else 2


def measured_again(tables: Tables) -> None:
    """The last checkpoint of pythia-14m-seed1, of which values are published, measured: each head .01 higher."""
    checkpoint = "pythia-14m-seed1@step143000"
    for row in tables["checkpoints"]:
        if row["checkpoint_id"] == checkpoint:
            row["weights_sha256"] = "weights-of-it"
    [published] = [row for row in tables["probe_runs"] if row["checkpoint_id"] == checkpoint]
    ours = {"probe": "text_attention", "provenance": "measured", "source_id": "moving-target", "sample_seed": 0}
    again = {"probe_run_id": "again", "weights_sha256": "weights-of-it", **ours}
    tables["probe_runs"].append({**published, **again})
    tables["measurements"] += [
        {**row, "probe_run_id": "again", "value": row["value"] + 0.01}
        for row in tables["measurements"]
        if row["checkpoint_id"] == checkpoint
    ]


def one_run_disagrees(tables: Tables) -> None:
    for row in tables["verdict_runs"]:
        if (row["claim_id"], row["run_id"]) == (EXISTS, "calibration-neox-2l-seed3"):
            row |= {"outcome": "f", "estimate": 0.05}


def an_audit(tables: Tables) -> None:
    run, checkpoint = "pythia-14m-seed1", "pythia-14m-seed1@step1"
    audit = {"audit_id": "a1", "run_id": run, "repository": "org/<b>", "n_checkpoints": 16, "bytes": 1, "n_findings": 1}
    tables["audits"] = [{**audit, "audited_on": "2026-11-23"}]
    found = {"audit_id": "a1", "checkpoint_id": checkpoint, "finding": "missing", "suspect": True}
    tables["audit_findings"] = [{**found, "detail": "no such revision"}]


def a_failure(tables: Tables) -> None:
    [first, *_] = tables["probe_runs"]
    failed = {
        "probe_run_id": "failed",
        "probe": "copying",
        "status": "failed",
        "fault": "passing",
        "reason": "no memory",
    }
    tables["probe_runs"].append({**first, **failed, "cache_key": "failed", "n_rows": 0})


def a_public_day(tables: Tables) -> None:
    """What the field knew of one family's verdict by a day."""
    condition = {"evaluation_id": "e1.k", "condition": json.dumps({"known_by": "2025-09-26"}), "beside": "e1"}
    [now] = [row for row in tables["evaluations"] if row["evaluation_id"] == "e1"]
    tables["evaluations"].append({**now, **condition})
    known = [
        v for v in tables["verdicts"] if (v["evaluation_id"], v["level"], v["subject"]) == ("e1", "family", "pythia")
    ]
    tables["verdicts"] += [{**row, "evaluation_id": "e1.k", "verdict": "insufficient"} for row in known]
    tables["verdicts"] += [{**row, "evaluation_id": "e1.b"} for row in known]


def a_second_metric(tables: Tables) -> None:
    """Of the construct induction, in calibration-neox: twice prefix_matching."""
    [metric] = [row for row in tables["metrics"] if row["metric_id"] == "prefix_matching"]
    tables["metrics"].append({**metric, "metric_id": "twice", "method": "weights", "has_excess": False})
    tables["metric_variants"].append(
        {"variant_id": "twice", "metric_id": "twice", "parameters": "{}", "label": "twice", "is_default": True}
    )
    tables["measurements"] += [
        {**row, "metric_id": "twice", "variant_id": "twice", "value": 2 * row["value"]}
        for row in tables["measurements"]
        if row["metric_id"] == "prefix_matching" and row["checkpoint_id"].startswith("calibration-neox")
    ]


# Answers that are known, since the catalog was made by hand


def test_induction_heads_sit_where_they_were_put(home_with: MakeHome) -> None:
    found = answer(home_with(unchanged), "where-induction-heads-sit")

    columns = ("model_id", "runs_with_such_heads", "heads", "median_relative_depth", "heads_by_layer")
    assert [tuple(row[name] for name in columns) for row in found] == [
        ("calibration-neox-2l", 6, 6, 1.0, {1: 6}),
        ("smollm2-135m-instruct-q4_1", 1, 1, 1.0, {29: 1}),
    ]


def test_claims_that_fail_in_large_models_are_those_that_were_said_to(home_with: MakeHome) -> None:
    found = answer(home_with(unchanged), "claims-failing-in-large-models")

    columns = ("claim_id", "model_id", "runs_failing", "runs_decided", "failing_smaller_models")
    assert [tuple(row[name] for name in columns) for row in found] == [
        ("no-induction-in-one-layer", "smollm2-135m-instruct-q4_1", 1, 1, "1 of 2"),
        ("prefix-matching-reliable", "smollm2-135m-instruct-q4_1", 1, 1, "0 of 1"),
        ("previous-token-before-induction", "pythia-160m", 5, 5, "0 of 2"),
    ]


def test_what_was_believed_is_what_the_build_of_the_day_held(home_with: MakeHome) -> None:
    found = answer(home_with(a_second_build), "believed-on-a-day")

    assert [(row["claim_id"], row["said_then"], row["now_says"], row["differs"]) for row in found] == [
        (EXISTS, "fails", "holds", True)
    ]


def test_the_run_that_was_made_to_disagree_is_named(home_with: MakeHome) -> None:
    found = answer(home_with(one_run_disagrees), "run-unlike-its-siblings")

    [row] = [row for row in found if row["claim_id"] == EXISTS]
    assert (row["run_id"], row["outcome"], row["most_siblings"], row["siblings"]) == (
        "calibration-neox-2l-seed3",
        "f",
        "h",
        5,
    )
    assert row["mean_of_siblings"] == pytest.approx(0.924)


def test_an_estimate_far_from_identical_siblings_is_told(home_with: MakeHome) -> None:
    def put_one_apart(tables: Tables) -> None:
        for row in tables["verdict_runs"]:
            if (row["claim_id"], row["subject"]) == (EXISTS, "calibration-neox-2l"):
                row["estimate"] = 5.0 if row["run_id"].endswith("seed2") else 1.0

    found = answer(home_with(put_one_apart), "run-unlike-its-siblings")

    assert [row["run_id"] for row in found if row["claim_id"] == EXISTS] == ["calibration-neox-2l-seed2"]


def test_faults_name_the_advisory_and_the_instrument_that_failed_its_checks(home_with: MakeHome) -> None:
    found = answer(home_with(unchanged), "from-a-faulty-instrument")

    columns = ("kind", "fault", "model_id", "left_out", "probe_runs", "measurements")
    smollm2 = "smollm2-135m-instruct-q4_1"
    n_values = 30 * 9 * (5 + 7) + 4
    assert [tuple(row[name] for name in columns) for row in found] == [
        ("instrument", "prefix-matching-reliable", smollm2, True, 1, 30 * 9),
        ("advisory", "tuned-and-quantised", smollm2, False, 1, n_values),
    ]


def test_published_and_measured_values_are_compared_head_by_head(home_with: MakeHome) -> None:
    [found] = answer(home_with(measured_again), "published-and-measured-again")

    assert found == {
        "checkpoint_id": "pythia-14m-seed1@step143000",
        "metric_id": "previous_token_all",
        "published_by": "trott2025",
        "same_inputs": True,
        "values_compared": 6 * 4,
        "correlation": 1.0,
        "largest_difference": 0.01,
        "mean_measured_less_published": 0.01,
        "same_best_head": True,
    }


def test_metrics_that_rank_heads_alike_agree(home_with: MakeHome) -> None:
    found = answer(home_with(a_second_metric), "metrics-of-a-mechanism-agree")

    [row] = [row for row in found if row["metric_b"] == "twice"]
    assert (row["metric_a"], row["runs"], row["mean_rank_correlation"], row["share_with_same_best_head"]) == (
        "prefix_matching",
        6,
        1.0,
        1.0,
    )


def test_what_formed_first_is_told_where_the_checkpoints_tell(home_with: MakeHome) -> None:
    def later(tables: Tables) -> None:
        """The previous-token head of one run is there from its second checkpoint on."""
        for row in tables["measurements"]:
            run, _, label = row["checkpoint_id"].partition("@step")
            is_it = row["metric_id"] == "previous_token" and (row["layer"], row["head"]) == (0, 2)
            if run == "calibration-neox-2l-seed0" and is_it and int(label) > 0:
                row["value"] = 0.9

    found = {row["run_id"]: row["first_forms"] for row in answer(home_with(later), "which-forms-first")}

    assert found["calibration-neox-2l-seed0"] == "previous_token"
    assert found["calibration-neox-2l-seed1"] == "cannot tell"
    assert found["control-no-repeats-2l-seed0"] == "neither formed"
