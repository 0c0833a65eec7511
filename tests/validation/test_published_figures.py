"""The paper's figures out of a real catalog: files of a clone, record, catalog, view `evidence`, regressions."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from assets.claims.statistics import regressions
from assets.published.importing import import_published
from assets.study import Published
from catalog.build import finish, publishing, stage
from catalog.home import Home
from catalog.read import open_catalog

pytestmark = [pytest.mark.slow, pytest.mark.reference]


@pytest.fixture(scope="module")
def tables(trott2025_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, pl.DataFrame]:
    home = Home(tmp_path_factory.mktemp("home"))
    import_published(Published(importer="trott2025", path=str(trott2025_folder)), home, lambda line: None)
    with publishing(home):
        finish(home, stage(home))
    queries = {
        "evidence": "SELECT * FROM evidence WHERE metric_id = 'previous_token_all'",
        "models": "SELECT model_id, n_params, n_layers FROM models",
        "training_runs": "SELECT run_id, model_id, seed FROM training_runs",
    }
    with open_catalog(home) as connection:
        return {name: connection.sql(query).pl() for name, query in queries.items()}


def test_the_view_holds_what_the_files_hold(tables: dict[str, pl.DataFrame], published: pl.DataFrame) -> None:
    columns = [
        "checkpoint_id",
        "run_id",
        "model_id",
        "family_id",
        "role",
        "step",
        "tokens_seen",
        "is_final",
        "variant_id",
    ]
    columns += ["layer", "head", "stratum", "value", "chance", "excess", "n", "provenance", "source_id", "dtype"]
    keys = ["checkpoint_id", "layer", "head"]

    seen, expected = (frame.select(columns).sort(keys) for frame in (tables["evidence"], published))

    assert seen.cast(expected.schema).equals(expected)


def test_the_three_regressions_follow_from_the_catalog(tables: dict[str, pl.DataFrame]) -> None:
    runs = regressions.run_quantities(tables["evidence"], tables["models"], tables["training_runs"])

    onset, peak, slope = (regressions.by_size(runs, name) for name in ("log_onset", "peak", "slope"))

    assert (round(onset.coefficient, 5), round(onset.standard_error, 5)) == (-0.17737, 0.05367)
    assert (round(peak.coefficient, 5), round(peak.standard_error, 5)) == (0.06783, 0.00860)
    assert (round(slope.coefficient, 6), round(slope.standard_error, 6)) == (0.014754, 0.002604)


def test_the_other_figures_follow_from_the_catalog(tables: dict[str, pl.DataFrame]) -> None:
    depth = regressions.value_by_depth(tables["evidence"], tables["models"])
    growth = regressions.growth(tables["evidence"], tables["training_runs"])

    assert (round(depth.coefficient, 5), round(depth.standard_error, 5)) == (-0.11114, 0.00466)
    assert (round(growth.coefficient, 4), round(growth.standard_error, 6)) == (0.1532, 0.003224)
    assert (depth.n, growth.n) == (5400, 576)
