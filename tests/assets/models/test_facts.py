"""What the record holds about training runs."""

from __future__ import annotations

import pytest

from assets.models.facts import put_refused
from assets.models.runs import training_runs
from assets.models.sources import Planned, Refused
from assets.study import Study
from catalog.home import Home
from catalog.record import Record


@pytest.mark.parametrize(
    ("run_id", "seeds"),
    [
        ("pythia-160m", (None, None, None)),
        ("pythia-160m-seed4", (4, 4, 4)),
        ("pythia-160m-data-seed2", (2, None, 2)),
        ("pythia-160m-weight-seed3", (3, 3, None)),
    ],
)
def test_seeds_of_initialisation_and_data_are_recorded_apart(
    home: Home, run_id: str, seeds: tuple[int | None, int | None, int | None]
) -> None:
    study = Study(name="test", families=["pythia"], probes=["attention"])
    run = next(run for run in training_runs(study) if run.run_id == run_id)

    put_refused(Record(home), run, Refused(Planned("step0", 0, 0, False, "a commit"), "no weights"))

    (row,) = (Record(home).latest("training_runs", run_id) or {})["training_runs"]
    assert (row["seed"], row["init_seed"], row["data_seed"]) == seeds
