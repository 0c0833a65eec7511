from __future__ import annotations

from typing import TYPE_CHECKING

from assets.claims.subjects import read_subjects

if TYPE_CHECKING:
    from tests.assets.claims.conftest import Library, World


def test_the_recipe_is_read_from_the_further_properties(world: World) -> None:
    world.model("stated", batch_size=1024, sequence_length=2048).model("unstated")

    with world.catalog() as connection:
        models = read_subjects(connection).models

    assert (models["stated"]["batch_size"], models["stated"]["sequence_length"]) == (1024, 2048)
    assert (models["unstated"]["batch_size"], models["unstated"]["sequence_length"]) == (None, None)


def test_a_reference_class_may_ask_for_the_recipe(world: World, library: Library) -> None:
    claim = library.claim("prefix-matching-heads-exist", reference_class="batch_size >= 512", specifications={})
    world.model("m", batch_size=32).run("r", "m").measure("r", "prefix_matching", {(0, 0): 0.9})

    run = world.decide(claim)("run", "r")

    assert run["verdict"] == "not_applicable"
    assert "batch_size is 32, the claim is about batch_size >= 512" in run["reason"]
