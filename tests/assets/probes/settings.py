"""Settings for tests of probes."""

from __future__ import annotations

from typing import Any

from assets.probes.inputs import Size
from assets.probes.registry import Setting


def sized(size: dict[str, Any], sample_seed: int = 0) -> Setting:
    """A setting with inputs of this size, as in {"n": 6, "m": 2, "n_sequences": 4}."""
    return Setting("natural", options=Size(**size), sample_seed=sample_seed)
