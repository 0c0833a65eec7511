"""Which failures are tried again, and until when."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from assets.models import faults
from assets.models.faults import Failure, failures, fault_of
from catalog.errors import UserError
from catalog.home import Home
from catalog.record import Record, canonical_json


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (UserError("a pickle", lasting=True), "lasting"),
        (UserError("a licence is to be accepted"), "passing"),
        (ValueError("no such architecture"), "lasting"),
        (OSError("transformers' word for a file that does not fit"), "lasting"),
        (OSError(28, "No space left on device"), "passing"),
        (ConnectionResetError("dropped"), "passing"),
        (TimeoutError("slow"), "passing"),
        (MemoryError(), "passing"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes."), "passing"),
        (RuntimeError("CUDA out of memory."), "passing"),
        (RuntimeError("size mismatch"), "lasting"),
        (ImportError("a library that can be installed"), "passing"),
    ],
    ids=repr,
)
def test_a_fault_lasts_where_the_same_bytes_give_it_again(error: Exception, fault: str) -> None:
    assert fault_of(error) == fault


def put(record: Record, status: str, **changes: Any) -> None:
    row = {"probe": "attention", "cache_key": "k", "checkpoint_id": "a@main", "status": status, "reason": "a pickle"}
    record.put_probe_run({**row, **changes}, None)


def failed(**changes: Any) -> dict[str, Any]:
    return {"fault": "lasting", "versions": canonical_json(faults.versions_in_use()), **changes}


def test_a_lasting_failure_is_not_tried_again(tmp_path: Path) -> None:
    record = Record(Home(tmp_path))
    put(record, "failed", **failed())

    assert failures(record) == {"attention.k": Failure("a pickle", is_lasting=True)}


@pytest.mark.parametrize(
    "changes",
    [{"fault": "passing"}, {"fault": None}, {"versions": canonical_json({"torch": "1.0"})}, {"versions": None}],
    ids=str,
)
def test_others_and_those_of_other_libraries_are_tried_again(tmp_path: Path, changes: dict[str, Any]) -> None:
    record = Record(Home(tmp_path))
    put(record, "failed", **failed(**changes))

    assert not failures(record)["attention.k"].is_lasting


def test_the_last_failure_counts_and_success_ends_it(tmp_path: Path) -> None:
    record = Record(Home(tmp_path))
    put(record, "failed", **failed())
    put(record, "failed", **failed(fault="passing", reason="the disk was full"))
    assert failures(record) == {"attention.k": Failure("the disk was full", is_lasting=False)}

    put(record, "ok")

    assert failures(record) == {}
