"""The search for classes: hand-made models whose classes and whose luck can be told by counting."""

from __future__ import annotations

import datetime as dt
from itertools import combinations
from typing import Any

import numpy as np
import pytest

from assets.analyses import separation
from assets.analyses.separation import DEFINING, Alias, Search, Unit
from assets.claims.reference import PROPERTIES, parse

PYTHIA = {
    "14m": {"n_params": 14_067_712, "n_layers": 6, "d_model": 128, "n_heads": 4},
    "70m": {"n_params": 70_426_624, "n_layers": 6, "d_model": 512, "n_heads": 8},
    "160m": {"n_params": 162_322_944, "n_layers": 12, "d_model": 768, "n_heads": 12},
    "410m": {"n_params": 405_334_016, "n_layers": 24, "d_model": 1024, "n_heads": 16},
}


def units(holds: str, family: str = "", **properties: list[Any]) -> list[Unit]:
    """A unit per letter of `holds`, h or f; families by the letters of `family`, one for all where there is none."""
    return [
        Unit(f"m{i:02}", (family or "a" * len(holds))[i], word == "h", {k: v[i] for k, v in properties.items()})
        for i, word in enumerate(holds)
    ]


def found(search: Search) -> list[str]:
    return [str(alias.predicate) for alias in search.aliases()]


def test_14m_against_the_rest_is_parameters_width_and_heads_at_once() -> None:
    search = Search([Unit(name, "pythia", name != "14m", design) for name, design in PYTHIA.items()])

    assert found(search) == ["n_params >= 70426624", "d_model >= 512", "n_heads >= 8"]
    assert search.p() == 0.5


@pytest.mark.parametrize("odd", range(4))
def test_one_odd_model_among_four_is_separated_by_one_ordered_property_in_half_the_cases(odd: int) -> None:
    holds = "".join("f" if i == odd else "h" for i in range(4))
    search = Search(units(holds, n_layers=[1, 2, 3, 4]))

    if odd in (0, 3):
        assert len(found(search)) == 1
        assert search.p() == 0.5
    else:
        assert found(search) == []


def test_a_class_may_be_a_word_a_date_or_yes_or_no() -> None:
    design = {
        "normalization": ["layernorm", "layernorm", "rmsnorm", "rmsnorm"],
        "tied_embeddings": [True, True, False, False],
        "released_on": [dt.date(2023, 1, 1), dt.date(2023, 5, 1), dt.date(2024, 1, 1), dt.date(2025, 1, 1)],
    }

    assert found(Search(units("hhff", **design))) == [
        "normalization = layernorm",
        "tied_embeddings = true",
        "released_on <= 2023-05-01",
    ]


def test_with_three_words_one_may_be_excluded() -> None:
    search = Search(units("hhff", positional_encoding=["rotary", "alibi", "learned", "learned"]))

    assert found(search) == ["positional_encoding != learned"]


def test_a_second_comparison_is_taken_where_one_does_not_do() -> None:
    layers = [2, 4, 6, 8, 2, 4, 6, 8]
    words = ["softmax"] * 4 + ["hybrid"] * 4
    search = Search(units("ffhhffff", n_layers=layers, attention=words))

    assert search.aliases() == [Alias(parse("n_layers >= 6 and attention = softmax"), 2, 6, 0)]


def test_a_class_in_the_middle_has_two_bounds() -> None:
    assert found(Search(units("ffhhhff", n_layers=[1, 2, 3, 4, 5, 6, 7]))) == ["n_layers >= 3 and n_layers <= 5"]


def test_a_second_comparison_costs_as_much_as_a_wrong_model() -> None:
    layers = [1, 2, 3, 4, 5, 6, 7, 8]
    alone = Search(units("fffhhhhf", n_layers=layers, d_model=[1, 1, 1, 2, 2, 2, 2, 1]))
    mended = Search(units("fffhhhhf", n_layers=layers))
    needed = Search(units("fffhhhff", n_layers=layers))

    assert (alone.cost, found(alone)) == (0, ["d_model >= 2"])
    assert mended.cost == 1
    assert mended.aliases() == [
        Alias(parse("n_layers >= 4"), 5, 3, 1),
        Alias(parse("n_layers >= 4 and n_layers <= 7"), 4, 4, 0),
    ]
    assert (needed.cost, found(needed)) == (1, ["n_layers >= 4 and n_layers <= 6"])


def test_equally_good_classes_are_all_listed_the_simplest_and_broadest_first() -> None:
    search = Search(units("ffhfhh", n_layers=[1, 2, 3, 4, 5, 6]))

    assert search.aliases() == [
        Alias(parse("n_layers >= 3"), 4, 2, 1),
        Alias(parse("n_layers >= 5"), 2, 4, 1),
    ]


def test_a_single_odd_model_is_not_worth_two_comparisons() -> None:
    assert found(Search(units("hhhhfhhh", n_layers=list(range(8)), d_model=[1, 1, 2, 2, 2, 3, 3, 3]))) == []


def test_a_model_that_cannot_be_placed_counts_as_wrong() -> None:
    search = Search(units("ffhh", n_layers=[1, 2, 3, 4], training_tokens=[1, None, None, 2]))

    assert found(search) == ["n_layers >= 3"]
    tokens = Search(units("ffhhh", training_tokens=[1, 1, None, 2, 2]))
    assert tokens.aliases() == [Alias(parse("training_tokens >= 2"), 2, 2, 1)]


def test_no_class_where_to_take_all_or_none_is_as_good() -> None:
    assert found(Search(units("hhfhh", n_layers=[1, 2, 3, 4, 5], d_model=[3] * 5))) == []
    assert found(Search(units("hfhf", n_layers=[1] * 4))) == []


def test_every_property_that_may_define_a_class_is_one_of_the_grammar() -> None:
    assert set(DEFINING) < set(PROPERTIES)
    assert not {"model_id", "family_id", "organisation", "licence", "role", "n_checkpoints"} & set(DEFINING)


def test_what_is_found_can_stand_in_a_claim_file() -> None:
    design = {"positional_encoding": ["no position", "rotary", "rotary", "rotary"], "n_layers": [1, 1, 2, 2]}
    for predicate in found(Search(units("fhhh", **design))) + found(Search(units("ffhh", **design))):
        assert str(parse(predicate)) == predicate


# How easily luck does as well


def by_counting(values: list[int], holds: str) -> float:
    """Share of all assignments that one threshold, or two, fit as well as they fit `holds`."""

    def fit(chosen: set[int]) -> float:
        order = sorted(range(len(values)), key=lambda i: values[i])
        cuts = range(len(order) + 1)
        wrong = {(i, j): len(chosen ^ set(order[i:j])) for i in cuts for j in cuts if i < j}
        one = min(wrong[i, j] for i, j in wrong if (i == 0) != (j == len(order)))
        two = min(wrong[i, j] for i, j in wrong if i != 0 and j != len(order))
        return min(one, two + 1)

    holding = {i for i, word in enumerate(holds) if word == "h"}
    every = [fit(set(chosen)) for chosen in combinations(range(len(values)), len(holding))]
    return float(np.mean([f <= fit(holding) for f in every]))


@pytest.mark.parametrize("holds", ["ffffhhhh", "fffhhhhf", "ffhfhhhh", "fhhffhhh", "hfhfhhff"])
def test_the_p_is_the_share_of_all_assignments(holds: str) -> None:
    search = Search(units(holds, n_layers=[3, 1, 4, 15, 9, 2, 6, 5]))

    assert search.p() == by_counting([3, 1, 4, 15, 9, 2, 6, 5], holds)


def test_drawing_comes_near_to_going_through_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four standard errors of 2,000 draws, and of a drawing that ends with the 100th success."""
    for holds, n_layers in (("ffffhhhhhh", range(10)), ("ffhffhhhhh", range(10))):
        search = Search(units(holds, n_layers=list(n_layers)))
        exact = search.p()
        monkeypatch.setattr(separation, "ENUMERATED", 0)
        assert search.p() == pytest.approx(exact, abs=4 * (exact / separation.DRAWS) ** 0.5 + 0.4 * exact)
        monkeypatch.undo()


def test_what_goes_by_families_is_not_told_from_luck_however_many_models_they_have() -> None:
    """One family of four is odd. Any of the four could have been, and each has a property of its own: p is 1."""
    own = np.repeat(np.eye(4, dtype=bool), 6, axis=0)
    names = ("tied_embeddings", "parallel_blocks", "adds_bos")
    design = {name: own[:, i].tolist() for i, name in enumerate(names)}
    design |= {"activation": ["relu" if last else "gelu" for last in own[:, 3]]}
    search = Search(units("f" * 6 + "h" * 18, family="a" * 6 + "b" * 6 + "c" * 6 + "d" * 6, **design))

    assert found(search) == ["tied_embeddings = false"]
    assert search.p() == 1.0


def test_a_threshold_within_every_family_is_told_from_luck() -> None:
    layers = [1, 2, 3, 4, 5, 6] * 4
    families = "".join(letter * 6 for letter in "abcd")

    assert Search(units("fffhhh" * 4, family=families, n_layers=layers)).p() < 0.001


def test_dealt_verdicts_keep_the_families_shares() -> None:
    search = Search(units("hhhhfffhhff", family="aaaabbbccdd", n_layers=list(range(11))))
    dealt = search._dealt(np.random.default_rng(1), 4000)

    shares = np.stack([dealt[:, own].mean(axis=1) for own in search._families])
    assert sorted({*np.round(shares.ravel(), 2)}) == [0, 1]
    assert dealt.mean() == pytest.approx(0.5, abs=0.02)
    uneven = Search(units("hhhfhf", family="aaaabb", n_layers=list(range(6))))
    dealt = uneven._dealt(np.random.default_rng(1), 4000)
    assert dealt[:, :4].mean() == pytest.approx((0.75 + 0.5) / 2, abs=0.02)


# Who is inside


def test_other_models_are_placed_only_where_the_decided_ones_tell() -> None:
    search = Search(units("ffhh", n_layers=[1, 2, 6, 8], activation=["relu", "relu", "gelu", "gelu"]))
    layers, activation = (alias.predicate for alias in search.aliases())

    placed = {n: search.place(layers, {"n_layers": n}) for n in (1, 2, 3, 5, 6, 40, None)}
    assert placed == {1: False, 2: False, 3: None, 5: None, 6: True, 40: True, None: None}
    assert [search.place(activation, {"activation": word}) for word in ("gelu", "relu", "silu")] == [True, False, None]


def test_upper_bounds_and_conjunctions_place_alike() -> None:
    search = Search(units("ffhhhff", n_layers=[1, 2, 3, 4, 5, 7, 8]))
    [alias] = search.aliases()

    assert [search.place(alias.predicate, {"n_layers": n}) for n in (2, 3, 5, 6, 7)] == [False, True, True, None, False]
