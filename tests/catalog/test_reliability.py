"""The views of reliability against numpy, on scores made by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

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


def put_scores(home: Home, step: int, halves: np.ndarray, sample_seed: int, stratum: str = "") -> None:
    """halves: (2, heads), of a checkpoint of the one training run."""
    row: dict[str, Any] = {
        "checkpoint_id": f"fam-1-seed0@step{step}", "weights_sha256": "w" * 64, "probe": "attention",
        "probe_version": 1, "parameters": "{}", "provenance": "measured", "source_id": "moving-target",
        "status": "ok", "dtype": "float32", "sample_seed": sample_seed, "cache_key": f"key{step}{sample_seed}{stratum}",
    }  # fmt: skip
    if stratum:
        row["parameters"] = '{"of":"strata"}'
    values = pl.DataFrame(
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
    Record(home).put_probe_run(row, values)


def rows(home: Home, sql: str) -> list[dict[str, Any]]:
    with open_catalog(home) as connection:
        return connection.sql(sql).pl().to_dicts()


def test_reliability_is_that_of_the_final_checkpoint(home: Home) -> None:
    generator = np.random.default_rng(0)
    true = generator.uniform(0, 1, N_HEADS)
    first, again = (true + generator.normal(0, 0.05, (2, N_HEADS)) for _ in range(2))
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


def test_noise_correlates_with_nothing(home: Home) -> None:
    generator = np.random.default_rng(1)
    put_scores(home, 10, generator.normal(0.1, 0.01, (2, N_HEADS)), 0)
    put_scores(home, 10, generator.normal(0.1, 0.01, (2, N_HEADS)), 1)
    publish(home)

    (found,) = rows(home, "FROM reliability")

    assert abs(found["retest"]) < 0.6  # 2 / sqrt(12), two standard errors of a correlation of 12 pairs of noise


def test_known_groups_are_told_by_step_and_stratum(home: Home) -> None:
    put_scores(home, 0, np.full((2, N_HEADS), 0.1), 0)
    put_scores(home, 10, np.full((2, N_HEADS), 0.9), 0)
    put_scores(home, 10, np.full((2, N_HEADS), 0.19), 0, stratum="control=shuffled")
    publish(home)

    found = {row["known_group"]: row for row in rows(home, "FROM known_groups")}

    assert set(found) == {"step 0", "shuffled targets"}
    assert found["step 0"]["mean_excess"] == pytest.approx(0)
    assert found["shuffled targets"]["best_excess"] == pytest.approx(0.1)
