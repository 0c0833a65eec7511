"""Families whose onsets are known: each run's best head is at 0 before a step and at .9 from it on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from tests.assets.claims.conftest import World

SIZES = {"xs": 10**7, "s": 10**8, "m": 10**9, "l": 10**10}
FINE = tuple(dict.fromkeys(int(step) for step in (0, *np.geomspace(10, 10_000, 150))))
"""Checkpoints 1.05 apart."""
DOUBLING = (0, *(2**k for k in range(14)))
BATCH, LENGTH = 64, 128


def develop(
    world: World,
    onsets: Mapping[str, Sequence[float]],
    grid: Sequence[int] = FINE,
    family: str = "natural",
    **design: object,
) -> World:
    """Models by name (a size), with the step of the onset in each run; infinite = never."""
    recipe = {"batch_size": BATCH, "sequence_length": LENGTH, "training_data": "The Pile"}
    for name, steps in onsets.items():
        model = f"{family}-{name}"
        world.model(model, family, n_params=SIZES[name], **{**recipe, **design})
        for seed, onset in enumerate(steps):
            run = f"{model}-seed{seed}"
            world.run(run, model)
            for step in grid:
                value = {(0, 0): 0.9 if step >= onset else 0.0}
                world.measure(run, "prefix_matching", value, step=step, final=step == grid[-1])
                world.rows[-1]["tokens_seen"] = step * BATCH * LENGTH
    return world


def runs(mean: float, spread: float = 0.03, n: int = 5, seed: int = 0) -> list[float]:
    """n onsets around 10^mean steps, with this standard deviation of their log10."""
    return (10 ** np.random.default_rng([seed, round(mean * 1000)]).normal(mean, spread, n)).tolist()
