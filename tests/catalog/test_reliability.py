"""The views of reliability against numpy, on scores made by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from assets.study import digest
from catalog.home import Home
from catalog.read import open_catalog
from catalog.record import Record
from tests.catalog.test_build import VARIANT, publish, put_facts

N_HEADS = 12


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    put_facts(Record(home))
    return home


def put_scores(
    home: Home,
    step: int,
    halves: np.ndarray,
    sample_seed: int,
    shuffled: np.ndarray | None = None,
    parameters: str = "{}",
) -> None:
    """halves: (2, heads), of a checkpoint of the one training run; shuffled: the same at shuffled targets."""
    strata = {"": halves} if shuffled is None else {"": halves, "control=shuffled": shuffled}
    values = pl.concat(frame_of_halves(stratum, scores) for stratum, scores in strata.items())
    put_frame(home, values, sample_seed, step, parameters)


def put_frame(home: Home, values: pl.DataFrame, sample_seed: int, step: int = 10, parameters: str = "{}") -> None:
    row: dict[str, Any] = {
        "checkpoint_id": f"fam-1-seed0@step{step}", "weights_sha256": "w" * 64, "probe": "attention",
        "probe_version": 1, "parameters": parameters, "provenance": "measured", "source_id": "moving-target",
        "status": "ok", "dtype": "float32", "sample_seed": sample_seed,
        "cache_key": digest(f"{step} {sample_seed} {parameters}")[:40],
    }  # fmt: skip
    Record(home).put_probe_run(row, values)


def frame_of_halves(stratum: str, halves: np.ndarray) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "variant_id": VARIANT,
            "metric_id": "previous_token",
            "layer": [head // 4 for head in range(N_HEADS)],
            "head": [head % 4 for head in range(N_HEADS)],
            "sender_layer": None,
            "sender_head": None,
            "stratum": stratum,
            "value": halves.mean(0),
            "value_a": halves[0],
            "value_b": halves[1],
            "chance": 0.1,
            "standard_error": 0.01,
            "n": 8,
        },
        schema_overrides={"sender_layer": pl.Int32, "sender_head": pl.Int32},
    )


def rows(home: Home, sql: str) -> list[dict[str, Any]]:
    with open_catalog(home) as connection:
        return connection.sql(sql).pl().to_dicts()


def test_reliability_is_that_of_the_final_checkpoint(home: Home) -> None:
    generator = np.random.default_rng(0)
    true = generator.uniform(0, 1, N_HEADS)
    first, again = np.asarray(true + generator.normal(0, 0.05, (2, 2, N_HEADS)))
    put_scores(home, 0, generator.uniform(0, 1, (2, N_HEADS)), 0)
    put_scores(home, 10, first, 0)
    put_scores(home, 10, again, 1)
    publish(home)

    (found,) = rows(home, "FROM reliability")

    r = np.corrcoef(first)[0, 1]
    assert (found["n_runs"], found["n_heads"]) == (1, N_HEADS)
    assert found["split_half"] == pytest.approx(2 * r / (1 + r))
    assert found["retest"] == pytest.approx(np.corrcoef(first.mean(0), again.mean(0))[0, 1])
    assert found["standard_error_of_measurement"] == pytest.approx((first[0] - first[1]).std(ddof=1) / 2)
    assert found["best_head_difference"] == pytest.approx(abs(first.mean(0).max() - again.mean(0).max()))
    assert found["same_best_head"] == float(first.mean(0).argmax() == again.mean(0).argmax())


def test_a_retest_is_no_evidence(home: Home) -> None:
    put_scores(home, 10, np.full((2, N_HEADS), 0.2), 0)
    put_scores(home, 10, np.full((2, N_HEADS), 0.9), 1)
    publish(home)

    assert rows(home, "SELECT max(value) AS highest, count(*) AS n FROM evidence") == [{"highest": 0.2, "n": N_HEADS}]


def test_a_retest_is_paired_with_the_measurement_that_it_repeats(home: Home) -> None:
    """A study that changed its number of sequences leaves two measurements of a variant, and two retests."""
    generator = np.random.default_rng(2)
    for parameters in ('{"n_sequences":4}', '{"n_sequences":8}'):
        first, again = generator.uniform(0, 1, (2, 2, N_HEADS))
        put_scores(home, 10, first, 0, parameters=parameters)
        put_scores(home, 10, again, 1, parameters=parameters)
        publish(home)

    (found,) = rows(home, "FROM reliability")

    assert found["n_heads"] == N_HEADS
    assert found["retest"] == pytest.approx(np.corrcoef(first.mean(0), again.mean(0))[0, 1])
    assert rows(home, "SELECT avg(value) AS mean FROM evidence")[0]["mean"] == pytest.approx(first.mean())


def test_a_retest_with_other_parameters_is_none(home: Home) -> None:
    put_scores(home, 10, np.random.default_rng(3).uniform(0, 1, (2, N_HEADS)), 0, parameters='{"n_sequences":4}')
    put_scores(home, 10, np.random.default_rng(4).uniform(0, 1, (2, N_HEADS)), 1, parameters='{"n_sequences":8}')
    publish(home)

    (found,) = rows(home, "FROM reliability")

    assert found["split_half"] is not None
    assert (found["retest"], found["best_head_difference"], found["same_best_head"]) == (None, None, None)


def test_where_all_heads_score_the_same_there_is_no_correlation(home: Home) -> None:
    for sample_seed in (0, 1):
        put_scores(home, 10, np.zeros((2, N_HEADS)), sample_seed)
    publish(home)

    (found,) = rows(home, "FROM reliability")

    assert (found["split_half"], found["retest"], found["best_head_difference"]) == (None, None, 0)


def test_what_no_drawn_input_enters_is_left_out(home: Home) -> None:
    """Of weights alone: the second measurement is the first one over again, and shows nothing."""
    scores = frame_of_halves("", np.random.default_rng(5).uniform(0, 1, (2, N_HEADS)))
    no_half = pl.lit(None, pl.Float64)
    for sample_seed in (0, 1):
        put_frame(home, scores.with_columns(value_a=no_half, value_b=no_half), sample_seed)
    publish(home)

    assert rows(home, "FROM reliability") == []


def test_noise_correlates_with_nothing(home: Home) -> None:
    generator = np.random.default_rng(1)
    put_scores(home, 10, generator.normal(0.1, 0.01, (2, N_HEADS)), 0)
    put_scores(home, 10, generator.normal(0.1, 0.01, (2, N_HEADS)), 1)
    publish(home)

    (found,) = rows(home, "FROM reliability")

    assert abs(found["retest"]) < 0.6  # 2 / sqrt(12), two standard errors of a correlation of 12 pairs of noise


def test_known_groups_are_told_by_step_and_stratum(home: Home) -> None:
    put_scores(home, 0, np.full((2, N_HEADS), 0.1), 0)
    put_scores(home, 10, np.full((2, N_HEADS), 0.9), 0, shuffled=np.full((2, N_HEADS), 0.19))
    publish(home)

    found = {row["known_group"]: row for row in rows(home, "FROM known_groups")}

    assert set(found) == {"step 0", "shuffled targets"}
    assert found["step 0"]["mean_excess"] == pytest.approx(0)
    assert found["shuffled targets"]["best_excess"] == pytest.approx(0.1)
