"""What jobs ask for grows with the model and never exceeds the largest node."""

from __future__ import annotations

import pytest

from pipelines.requests import GIB, Request, place, request_for

BIG = Request(cpus=64, memory=512 * GIB, gpus=8)


@pytest.mark.parametrize(
    ("n_params", "cpus", "gpus"),
    [(20_000, 1, 0.25), (160_000_000, 2, 0.25), (2_800_000_000, 4, 1), (12_000_000_000, 8, 1), (None, 2, 1)],
)
def test_larger_models_ask_for_more(n_params: int | None, cpus: float, gpus: float) -> None:
    request = request_for(n_params, [BIG])

    assert (request.cpus, request.gpus) == (cpus, gpus)
    assert request.memory >= GIB + 4 * (n_params or 0)


def test_no_more_is_asked_than_the_largest_node_has() -> None:
    request = request_for(12_000_000_000, [Request(2, 8 * GIB, 0), Request(4, 4 * GIB, 0)])

    assert request == Request(4, 8 * GIB, 0)
    assert request.configuration() == {"num_cpus": 4, "memory": 8 * GIB}


def test_a_job_waits_where_no_node_has_room() -> None:
    request = Request(1, GIB, 0)

    assert place(request, {"a": Request(0, 8 * GIB, 0), "b": Request(2, 8 * GIB, 0)}) == "b"
    assert place(request, {"a": Request(4, GIB // 2, 0)}) is None
