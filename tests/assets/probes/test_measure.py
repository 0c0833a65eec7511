"""What can't be had when its turn to be measured comes is listed with its reason, as what never could be had is."""

from __future__ import annotations

from pathlib import Path

import pytest

from assets.models.sources import Refused
from assets.probes import measure
from assets.probes.plan import Standing, plan_run
from catalog.home import Home
from catalog.record import Record
from tests.assets.probes.test_plan import a_run, battery, record_weights


def test_weights_that_are_gone_when_they_are_to_be_measured_are_recorded_as_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, home, chosen = a_run(), Home(tmp_path), battery("attention", retest=False)
    record = Record(home)
    record_weights(record, run)
    monkeypatch.setattr(
        measure, "hold_each", lambda run, planned, *_: [Refused(each, "404: the revision is gone") for each in planned]
    )

    outcome = measure.measure(run, plan_run(run, chosen, record, Standing()).due, chosen, home, print)

    assert set(outcome.failed.values()) == {"404: the revision is gone"}
    failed = [row for row in record.failed().values() if row["probe"] == "checkpoints"]
    assert {row["checkpoint_id"] for row in failed} == set(outcome.failed)
    assert {row["reason"] for row in failed} == {"404: the revision is gone"}
