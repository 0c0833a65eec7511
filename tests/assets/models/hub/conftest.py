"""Small repositories of weights, and no waiting."""

from __future__ import annotations

import numpy as np
import pytest
from safetensors.numpy import save

from assets.models.hub.cache import Place, describe
from assets.models.hub.listing import ListedFile, tree
from assets.models.hub.needed import small_files, weight_files
from catalog.home import Home
from tests.loopback_hub import LoopbackHub

N_BYTES = 100_000


@pytest.fixture
def waited(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that would have been slept."""
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    return slept


def checkpoint(number: int, n_bytes: int = N_BYTES) -> dict[str, bytes]:
    """Files of a checkpoint whose weights take about so many bytes, unlike those of another number."""
    weights = np.random.default_rng(number).integers(0, 255, n_bytes, "uint8")
    return {"config.json": b"{}", "model.safetensors": save({"w": weights})}


def placed(hub: LoopbackHub, home: Home, number: int) -> tuple[Place, list[ListedFile]]:
    """A checkpoint on the hub, its place on disk with its small files, and its files of weights."""
    commit = hub.add("org/tiny", checkpoint(number), f"step{number}")
    place, files = Place("org/tiny", commit, home), tree("org/tiny", commit, home)
    described = describe(place, small_files(files), print)
    return place, weight_files(files, described, place.where)
