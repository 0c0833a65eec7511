"""Comparisons of a record made by hand: what is compared, when again, and what stays when something goes wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

from assets.likeness.compare import compare
from assets.likeness.plan import due
from assets.likeness.registry import measures
from assets.probes.registry import Measurement
from catalog.build import publishing, rebuild, stage
from catalog.errors import UserError
from catalog.read import open_catalog
from tests.assets.likeness.conftest import HandMade

AXES = {"functional", "developmental", "positional", "relational", "configurational", "representational"}


@pytest.fixture
def made(compared: HandMade, tmp_path: Path) -> HandMade:
    """A copy of what was compared and published, for the test to change."""
    return compared.copied_to(tmp_path)


@pytest.fixture
def fresh(recorded: HandMade, tmp_path: Path) -> HandMade:
    """A copy of what was recorded, not yet published."""
    return recorded.copied_to(tmp_path)


def query(made: HandMade, sql: str) -> list[tuple[Any, ...]]:
    with open_catalog(made.home) as connection:
        return connection.execute(sql).fetchall()


def is_due(made: HandMade) -> set[tuple[str, str]]:
    with open_catalog(made.home) as connection:
        return {(each.measure.name, each.model_id) for each in due(connection)}


def test_every_model_with_two_runs_is_compared_by_every_measure(compared: HandMade) -> None:
    made = compared

    assert query(made, "SELECT count(*) FROM pair_runs WHERE status = 'ok'") == [(2 * len(measures()),)]
    assert {axis for (axis,) in query(made, "SELECT DISTINCT axis FROM likeness")} == AXES
    pairs = query(made, "SELECT model_id, count(DISTINCT checkpoint_a || checkpoint_b) FROM likeness GROUP BY ALL")
    assert dict(pairs) == {"small": 3, "large": 1}
    declared = {metric.metric_id for measure in measures().values() for metric in measure.metrics}
    assert {metric for (metric,) in query(made, "SELECT DISTINCT metric_id FROM likeness")} == declared
    assert query(made, "SELECT * FROM likeness WHERE checkpoint_a >= checkpoint_b OR NOT isfinite(value)") == []
    assert query(made, "SELECT DISTINCT value, chance FROM likeness WHERE metric_id = 'path_effect_likeness'") == [
        (1.0, pytest.approx(0.3))
    ]


def test_what_the_catalog_holds_is_what_the_scores_give(compared: HandMade) -> None:
    made = compared
    final = (
        "SELECT value FROM evidence WHERE metric_id = 'prefix_matching' AND checkpoint_id = '{}@step40' ORDER BY value"
    )
    a, b = (np.ravel(query(made, final.format(run))) for run in ("large-seed0", "large-seed1"))
    told = "metric_id = 'profile_likeness' AND model_id = 'large' AND stratum = 'metric=prefix_matching'"
    assert query(made, f"SELECT value FROM likeness WHERE {told}") == [(pytest.approx(1 - np.abs(a - b).mean()),)]
    best = (
        "SELECT max(value) FROM evidence WHERE metric_id = 'previous_token' AND run_id = '{}' "
        "GROUP BY step ORDER BY step"
    )
    a, b = (np.ravel(query(made, best.format(run))) for run in ("large-seed0", "large-seed1"))
    told = "metric_id = 'course_likeness' AND model_id = 'large' AND stratum = 'metric=previous_token'"
    assert query(made, f"SELECT value, n FROM likeness WHERE {told}") == [(pytest.approx(1 - np.abs(a - b).max()), 5)]


def test_equal_inputs_are_not_compared_again(made: HandMade) -> None:
    assert is_due(made) == set()
    assert made.publish() == 0


def test_only_what_reads_the_change_is_compared_again(made: HandMade) -> None:
    made.put_arrays("large-seed1")
    made.publish_uncompared()

    arrays = {"configurational", "features", "representational"}
    assert is_due(made) == {(name, "large") for name in arrays}
    assert made.publish() == 3
    assert query(made, "SELECT count(*) FROM pair_runs WHERE subject = 'large' AND measure = 'features'") == [(2,)]
    assert is_due(made) == set()


def test_a_new_run_counts_at_once_and_moves_the_other_models_chance(made: HandMade) -> None:
    before = query(made, "SELECT count(*) FROM likeness WHERE model_id = 'alone'")

    made.put_run("alone", 1)
    made.publish_uncompared()

    assert before == [(0,)]
    assert is_due(made) == {
        *((name, "alone") for name in measures()),
        *(("developmental", m) for m in ("small", "large")),
    }
    made.publish()
    assert query(made, "SELECT DISTINCT run_a, run_b FROM likeness WHERE model_id = 'alone'") == [
        ("alone-seed0", "alone-seed1")
    ]


def test_a_comparison_whose_runs_are_no_evidence_any_more_is_withdrawn(made: HandMade) -> None:
    scope = {"runs": ["large-seed1"], "suspect": True}
    row = {"advisory_id": "bad", "scope": scope, "statement": "...", "withdrawn": False}

    made.record.put("advisories", "bad", {"advisories": [row]})
    made.publish()

    assert query(made, "SELECT count(*) FROM likeness WHERE model_id = 'large'") == [(0,)]
    reasons = query(made, "SELECT DISTINCT status, reason FROM current_pair_runs WHERE subject = 'large'")
    assert reasons == [("not_applicable", "fewer than two training runs are measured")]
    assert is_due(made) == set()

    made.record.put("advisories", "bad", {"advisories": [{**row, "withdrawn": True}]})
    made.publish()

    assert query(made, "SELECT count(*) > 0 FROM likeness WHERE model_id = 'large'") == [(True,)]


def test_a_raised_version_compares_again(compared: HandMade, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(measures()["features"]), "version", 99)

    assert is_due(compared) == {("features", "small"), ("features", "large")}


def test_a_process_that_dies_between_comparing_and_publishing_loses_nothing(fresh: HandMade) -> None:
    with publishing(fresh.home):
        staged = stage(fresh.home)
        with duckdb.connect(str(staged.path), read_only=True) as connection:
            compare(connection, fresh.record)

    assert fresh.publish() == 0
    assert {axis for (axis,) in query(fresh, "SELECT DISTINCT axis FROM likeness")} == AXES


def test_a_rebuild_replays_comparisons(made: HandMade) -> None:
    before = query(made, "FROM likeness ORDER BY ALL")
    made.home.catalog.unlink()

    rebuild(made.home)

    assert query(made, "FROM likeness ORDER BY ALL") == before


@pytest.mark.parametrize(("content", "told"), [(b"changed", "changed after it was written"), (None, "No such file")])
def test_arrays_that_were_changed_or_lost_are_refused(fresh: HandMade, content: bytes | None, told: str) -> None:
    file = next(fresh.home.arrays.glob("representation.large-seed0*"))
    file.unlink()
    if content:
        file.write_bytes(content)

    with pytest.raises(UserError, match=told):
        fresh.publish()


def test_of_two_variants_each_is_compared_with_itself(made: HandMade) -> None:
    for seed in (0, 1):
        found = [
            Measurement(
                "prefix_matching", {"input": "repeated", "n": 50, "m": 2, "bos": False}, 0.1 * head, layer=0, head=head
            )
            for head in range(3)
        ]
        made.put_probe_run(f"large-seed{seed}@step40", "other", found, {})
    made.publish()

    told = "model_id = 'large' AND metric_id = 'profile_likeness' AND stratum = 'metric=prefix_matching'"
    values = dict(query(made, f"SELECT variant_id, value FROM likeness WHERE {told}"))
    assert len(values) == 2
    assert values["profile_likeness.bos-false.input-repeated.m-2.n-50"] == 1
