from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from assets.claims.decide import read_material
from assets.claims.estimands.base import Placed
from assets.claims.estimands.trend import Trend
from assets.claims.outcomes import RunOutcome

if TYPE_CHECKING:
    from tests.assets.claims.conftest import Library, World

SIZES = (1e7, 1e8, 1e9, 1e10)


def sizes(
    world: World, peaks: list[float], family: str = "natural", spread: float = 0.01, runs: int = 5, prefix: str = ""
) -> World:
    """Models of growing size whose runs peak here; the noise is fixed and differs between models."""
    noise = np.random.default_rng(7).normal(0, spread, (len(peaks), runs))
    for i, peak in enumerate(peaks):
        model = f"{prefix or family}-{i}"
        world.model(model, family, n_params=int(SIZES[i]))
        for seed in range(runs):
            run = f"{model}-seed{seed}"
            world.run(run, model)
            world.curve(run, "previous_token", {0: 0.0, 100: peak + noise[i, seed], 200: 0.2})
    return world


@pytest.mark.parametrize(
    ("peaks", "verdict"),
    [
        ([0.3, 0.4, 0.5, 0.6], "holds"),
        ([0.6, 0.5, 0.4, 0.3], "fails"),
        ([0.3, 0.5, 0.4, 0.6], "fails"),  # the trend is there, a step is reversed
        ([0.5, 0.5, 0.5, 0.5], "inconclusive"),
        ([0.3, 0.4, 0.5], "insufficient"),
    ],
)
def test_trend(world: World, library: Library, peaks: list[float], verdict: str) -> None:
    decided = sizes(world, peaks).decide(library.plain("larger-higher-previous-token"))

    assert decided.word("family", "natural") == verdict
    assert {row["level"] for row in decided.decisions.verdicts} == {"family", "across"}


def test_the_slope_is_that_of_the_model_means(world: World, library: Library) -> None:
    """Means .3, .4, .5, .6 on log10 sizes 7, 8, 9, 10, without noise: .1 per tenfold."""
    family = sizes(world, [0.3, 0.4, 0.5, 0.6], spread=0.0).decide(library.plain("larger-higher-previous-token"))(
        "family", "natural"
    )

    assert family["estimate"] == pytest.approx(0.1)
    assert family["unit"] == "value per tenfold n_params"
    assert (family["n_runs"], family["n_models"]) == (20, 4)


def test_a_claim_of_no_trend_is_an_equivalence(world: World, library: Library) -> None:
    own = library.claim("larger-higher-previous-token").estimand.model_dump(mode="json")
    flat = library.plain("larger-higher-previous-token", estimand={**own, "direction": "flat"}, delta=0.05)
    sizes(world, [0.500, 0.502, 0.499, 0.501], "level")
    sizes(world, [0.3, 0.4, 0.5, 0.6], "rising")

    decided = world.decide(flat)

    assert decided.word("family", "level") == "holds"
    assert decided.word("family", "rising") == "fails"


def test_a_model_of_unknown_size_is_left_out(world: World, library: Library) -> None:
    sizes(world, [0.3, 0.4, 0.5, 0.6])
    world.models[0]["n_params"] = None

    decided = world.decide(library.plain("larger-higher-previous-token"))

    assert decided.word("family", "natural") == "insufficient"
    assert decided.runs("family", "natural")["natural-0-seed0"]["reason"] == "n_params of the model is not known"


def test_runs_that_lack_a_checkpoint_are_left_out_and_further_ones_not_read(world: World, library: Library) -> None:
    """Peaks depend on where one looks: the run with one checkpoint more is read without it."""
    sizes(world, [0.3, 0.4, 0.5, 0.6])
    world.run("more", "natural-0").curve("more", "previous_token", {0: 0.0, 100: 0.3, 150: 0.99, 200: 0.2})
    world.run("less", "natural-0").curve("less", "previous_token", {0: 0.0, 150: 0.1, 200: 0.2})

    runs = world.decide(library.plain("larger-higher-previous-token")).runs("family", "natural")

    assert runs["more"]["estimate"] == pytest.approx(0.3)
    assert not runs["less"]["included"]
    assert runs["less"]["reason"] == "lacks the checkpoint of step 100, which most runs have"


def test_models_of_one_parent_are_one_point(world: World, library: Library) -> None:
    sizes(world, [0.3, 0.4, 0.5, 0.6])
    world.models[-1]["parent_model_id"] = "natural-2"

    family = world.decide(library.plain("larger-higher-previous-token"))("family", "natural")

    assert family["verdict"] == "insufficient"
    assert "a trend needs 4 models, there are 3" in family["reason"]


def test_five_families_are_pooled_and_each_is_left_out_once(world: World, library: Library) -> None:
    rng = np.random.default_rng(1)
    for i in range(5):
        rise = 0.1 + 0.01 * i
        peaks = [0.2 + rise * k + rng.normal(0, 0.003) for k in range(4)]
        sizes(world, peaks, f"family{i}")

    across = world.decide(library.plain("larger-higher-previous-token"))("across", "all")

    assert across["verdict"] == "holds"
    assert across["estimate"] == pytest.approx(0.12, abs=0.01)
    assert across["pi_low"] <= across["ci_low"] < across["estimate"] < across["ci_high"] <= across["pi_high"]
    assert "without any one" in across["reason"]
    assert "convenience sample of 5 families" in across["reason"]


def test_models_of_one_size_are_no_step_of_a_trend(world: World, library: Library) -> None:
    """Twins of the second size, of which the one named later peaks much lower: sizes do not differ between them."""
    sizes(world, [0.3, 0.4, 0.5, 0.6])
    sizes(world, [0.35], prefix="twin")
    world.models[-1]["n_params"] = int(SIZES[1])

    decided = world.decide(library.plain("larger-higher-previous-token"))

    assert decided.word("family", "natural") == "holds"


def test_four_models_of_one_size_are_no_trend(world: World, library: Library) -> None:
    sizes(world, [0.6, 0.5, 0.4, 0.3])
    for model in world.models:
        model["n_params"] = int(SIZES[0])

    family = world.decide(library.plain("larger-higher-previous-token"))("family", "natural")

    assert family["verdict"] == "insufficient"
    assert "a trend needs 4 models of different values, the 4 there are have 1 of them" in family["reason"]


def test_a_family_without_scatter_is_pooled_with_others(world: World, library: Library) -> None:
    """Means on one line to the last digit have no standard error: it is then not known for all families."""
    own = library.claim("larger-higher-previous-token").estimand.model_dump(mode="json")
    flat = library.plain("larger-higher-previous-token", estimand={**own, "direction": "flat"}, delta=0.05)
    sizes(world, [0.5, 0.5, 0.5, 0.5], "exact", spread=0.0)
    for i in range(4):
        sizes(world, [0.500, 0.502 + 0.0003 * i, 0.499, 0.501], f"family{i}", spread=0.0)

    across = world.decide(flat)("across", "all")

    assert (across["verdict"], across["n_h"]) == ("holds", 5)


def test_an_equivalence_is_pooled_by_its_standard_error_and_not_by_the_width_shown(
    world: World, library: Library
) -> None:
    """The interval shown is that of 90 %; means 0, .02, .01, .05 on 1 ... 4 have a slope of .014, standard error
    .006480741 (R 4, lm)."""
    means = [0.0, 0.02, 0.01, 0.05]
    own = library.claim("same-relative-depth").estimand.model_dump(mode="json")
    flat = Trend.model_validate({**own, "scale": "linear"})
    units = {str(i): Placed(i + 1.0, (RunOutcome(str(i), "decided", estimate=y),)) for i, y in enumerate(means)}
    with world.catalog() as connection:
        evidence = read_material(connection, []).evidence

    ruling = flat.over_models(evidence, units, 0.1)

    assert ruling.verdict == "holds"
    assert ruling.standard_error == pytest.approx(0.006480741, abs=1e-8)
