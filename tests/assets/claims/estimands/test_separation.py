from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from assets.claims.schema import Claim

if TYPE_CHECKING:
    from tests.assets.claims.conftest import Library, World

CLAIM = "trajectories-tell-models-apart"
STEPS = (1, 10, 100, 1000, 10_000)
EARLY, LATE = (0.1, 0.8, 0.85, 0.9, 0.9), (0.1, 0.1, 0.15, 0.2, 0.9)


def sizes(
    world: World, *shapes: tuple[float, ...], runs: int = 5, family: str = "natural", noise: float = 0.02
) -> World:
    """Models of rising size, each with its shape of trajectory."""
    rng = np.random.default_rng(len(world.models) + 31)
    for i, shape in enumerate(shapes):
        model = f"{family}-m{i}"
        world.model(model, family, n_params=10 ** (6 + i), d_model=64 * 2**i)
        for seed in range(5):
            run = f"{model}-seed{seed}"
            values = np.array(shape) + rng.normal(0, noise, len(STEPS))
            world.run(run, model).curve(run, "previous_token", dict(zip(STEPS, values.tolist(), strict=True)))
    return world


@pytest.mark.parametrize(
    ("shapes", "verdict"),
    [
        ((EARLY, LATE), "holds"),
        ((EARLY, EARLY), "fails"),
        ((EARLY, LATE, LATE), "mixed"),
        ((EARLY, LATE, EARLY), "holds"),
    ],
)
def test_neighbours_are_told_apart_where_their_trajectories_differ(
    world: World, library: Library, shapes: tuple[tuple[float, ...], ...], verdict: str
) -> None:
    family = sizes(world, *shapes).decide(library.plain(CLAIM))("family", "natural")

    assert family["verdict"] == verdict
    assert family["reason"].count("Holm p") == len(shapes) - 1
    assert (family["n_models"], family["n_runs"]) == (len(shapes), 5 * len(shapes))


def test_a_sure_difference_that_does_not_matter_fails(world: World, library: Library) -> None:
    """Two shapes that differ in the second digit, almost without noise."""
    late = tuple(value + 0.02 * (i == 2) for i, value in enumerate(EARLY))

    family = sizes(world, EARLY, late, noise=0.001).decide(library.plain(CLAIM))("family", "natural")

    assert family["verdict"] == "fails"
    assert "a difference, but smaller than 0.01" in family["reason"]


def test_the_gap_tells_apart_what_correlates(world: World, library: Library) -> None:
    """Half as high a trajectory correlates with the other by 1."""
    half = tuple(0.5 * value for value in EARLY)
    sizes(world, EARLY, half, noise=0.002)

    by_shape = world.decide(library.plain(CLAIM))("family", "natural")
    by_gap = world.decide(library.about(CLAIM, statistic="largest_gap", threshold=0.05))("family", "natural")

    assert (by_shape["verdict"], by_gap["verdict"]) == ("fails", "holds")
    assert by_gap["estimate"] == pytest.approx(0.45, abs=0.02)


def test_models_of_few_runs_are_no_neighbours(world: World, library: Library) -> None:
    sizes(world, EARLY, LATE)
    world.model("few", "natural", n_params=3_000_000).run("few-seed0", "few").curve(
        "few-seed0", "previous_token", dict(zip(STEPS, EARLY, strict=True))
    )

    family = world.decide(library.plain(CLAIM))("family", "natural")

    assert family["verdict"] == "holds"
    assert "natural-m0 and natural-m1" in family["reason"]
    assert family["reason"].endswith("Left out, with fewer than 5 runs: few.")


def test_one_model_is_too_few(world: World, library: Library) -> None:
    family = sizes(world, EARLY).decide(library.plain(CLAIM))("family", "natural")

    assert family["verdict"] == "insufficient"
    assert "only 1 model of the 2 that are needed with 5 training runs." in family["reason"]


def test_five_families_are_pooled(world: World, library: Library) -> None:
    for i in range(5):
        sizes(world, EARLY, LATE, family=f"f{i}")

    across = world.decide(library.plain(CLAIM))("across", "all")

    assert (across["verdict"], across["n_families"], across["n_h"]) == ("holds", 5, 5)
    assert across["pi_low"] <= across["ci_low"] < across["estimate"]
    assert across["unit"] == "correlation within less between"


def test_without_a_common_checkpoint_a_pair_is_undecided(world: World, library: Library) -> None:
    sizes(world, EARLY, LATE)
    for row in world.rows:
        row["step"] += row["model_id"] == "natural-m1"

    family = world.decide(library.plain(CLAIM))("family", "natural")

    assert family["verdict"] == "inconclusive"
    assert "no three checkpoints in common" in family["reason"]


def test_only_whole_trajectories_are_compared(library: Library) -> None:
    with pytest.raises(ValueError, match="leave quantity and split out"):
        Claim.model_validate(
            library.about(CLAIM, of={"metrics": ["previous_token"], "quantity": "peak"}).model_dump(mode="json")
        )
