"""Records made by hand, and catalogs in memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from catalog.home import Home
from tests.assets.analyses.by_hand import Scored
from tests.assets.claims.conftest import library, world

__all__ = ["library", "world"]


@pytest.fixture
def scored(tmp_path: Path) -> Scored:
    return Scored(Home(tmp_path / "home"))
