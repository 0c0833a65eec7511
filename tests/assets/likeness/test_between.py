"""Two models made by hand, of different sizes: likeness on each axis with its chance, and what can't be compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from scipy.stats import wasserstein_distance

from assets.likeness.between import ACROSS_SUITES, WITHIN_SUITE, Alike, NotComparable, Trained, at_shares
from assets.likeness.registry import Arrays, Course, Edges, Heads, Linked, Scored
from tests.assets.likeness.by_hand import DISTINCT, INPUTS, course, heads

INDUCTION, PREVIOUS, PATH = "induction", "previous", "path"
STEPS = (0, 10, 20, 30, 40)
TENTHS = tuple(range(0, 101, 10))


def trained(
    model_id: str,
    *,
    induction: Sequence[Heads] = (),
    previous: Sequence[Heads] = (),
    courses: Sequence[Course] = (),
    edges: Sequence[Edges] = (),
    arrays: Arrays | None = None,
    less_placebo: bool = True,
) -> Trained:
    scored = {
        INDUCTION: Scored("prefix_matching", INPUTS, 1.0, tuple(induction), less_placebo),
        PREVIOUS: Scored("previous_token", DISTINCT, 1.0, tuple(previous)),
    }
    linked = {PATH: Linked("path_effect", INPUTS, tuple(edges))} if edges else {}
    return Trained(model_id, scored, {INDUCTION: tuple(courses)} if courses else {}, linked, arrays)


def compare(metric_id: str, a: Trained, b: Trained, variant: str = INDUCTION) -> Alike:
    every = {
        name: of for table in (WITHIN_SUITE, ACROSS_SUITES) for axis in table.values() for name, of in axis.items()
    }
    found, turned = every[metric_id](a, b, variant), every[metric_id](b, a, variant)
    np.testing.assert_allclose(found.values, turned.values.T)
    assert (found.chance, found.limit) == (pytest.approx(turned.chance), turned.limit)
    return found


def refused(metric_id: str, a: Trained, b: Trained) -> str:
    with pytest.raises(NotComparable) as caught:
        compare(metric_id, a, b)
    return str(caught.value)


def top_in(name: str, layer: int, n_layers: int = 4) -> Heads:
    return heads(name, [[0.9 if here == layer else 0.1, 0.2] for here in range(n_layers)])


def in_tokens(name: str, best: Sequence[float], tokens: Sequence[float] = TENTHS) -> Course:
    return replace(course(name, range(len(best)), best), tokens=np.array(tokens, dtype=np.float64))


def test_profiles_of_different_numbers_of_heads_are_compared_by_their_quantiles() -> None:
    rng = np.random.default_rng(0)
    small = [heads(f"s{i}", rng.random((2, 3)), first=rng.random((2, 3))) for i in range(2)]
    large = [heads(f"l{i}", rng.random((5, 8)), first=rng.random((5, 8))) for i in range(3)]

    found = compare("profile_likeness", trained("s", induction=small), trained("l", induction=large))

    expected = [[1 - wasserstein_distance(a.final, b.final) for b in large] for a in small]
    np.testing.assert_allclose(found.values, expected, atol=1e-12)
    untrained = [
        1 - wasserstein_distance(final, first)
        for a, b in product(small, large)
        for final, first in ((a.final, b.first), (b.final, a.first))
    ]
    assert found.chance == pytest.approx(np.mean(untrained))


def test_twice_the_heads_of_the_same_scores_are_the_same_profile() -> None:
    a, b = heads("a", [[0.1, 0.5, 0.9]]), heads("b", [[0.9, 0.5, 0.1], [0.5, 0.9, 0.1]])

    assert compare("profile_likeness", trained("a", induction=[a]), trained("b", induction=[b])).values == 1


def test_untrained_models_are_as_alike_as_chance() -> None:
    rng = np.random.default_rng(0)
    models = [
        trained(name, induction=[heads(f"{name}{i}", rng.random((4, 8)), first=rng.random((4, 8))) for i in range(20)])
        for name in "ab"
    ]

    found = compare("profile_likeness", *models)

    # 400 pairs of 32 uniform draws: one pair's likeness has a deviation of .03, 20 independent runs leave under .01
    assert found.values.mean() == pytest.approx(found.chance, abs=0.01)


def test_courses_are_compared_at_common_steps() -> None:
    a = course("a", STEPS, (0, 0, 0.5, 0.9, 0.9))
    b = course("b", (0, 10, 15, 20, 30), (0, 0.1, 1, 0.3, 0.8))

    found = compare("course_likeness", trained("a", courses=[a], induction=[top_in("a", 1)]), of_course(b))

    assert found.values == pytest.approx(0.8)
    assert found.limit is None
    assert compare("increment_correlation", of_course(a), of_course(a)).values == pytest.approx(1)


def of_course(*runs: Course) -> Trained:
    return trained("m", courses=runs, induction=[top_in("m", 1)])


def test_courses_of_other_suites_are_compared_at_shares_of_their_tokens() -> None:
    rise = np.clip((np.arange(11) - 3) / 4, 0, 1)
    longer = in_tokens("b", rise, 1000 * np.arange(11))
    later = in_tokens("c", np.clip((np.arange(11) - 4) / 4, 0, 1))
    a = of_course(in_tokens("a", rise))

    assert compare("relative_course_likeness", a, of_course(longer)).values == pytest.approx(1)
    assert compare("relative_course_likeness", a, of_course(later)).values == pytest.approx(0.75)
    assert compare("relative_increment_correlation", a, of_course(longer)).values == pytest.approx(1)


@pytest.mark.parametrize(
    "sparse",
    [
        in_tokens("gap", (0, 0.5, 1), (0, 21, 100)),
        in_tokens("late", (0, 0.5, 1), (11, 60, 100)),
        course("unknown", range(11), (0.5,) * 11),
    ],
)
def test_what_lies_between_distant_checkpoints_is_not_guessed(sparse: Course) -> None:
    assert np.isnan(at_shares(sparse)).all()
    words = refused("relative_course_likeness", of_course(sparse), of_course(in_tokens("a", np.arange(11) / 10)))
    assert "20% of training apart" in words


def test_between_near_checkpoints_a_course_is_a_straight_line() -> None:
    near = in_tokens("near", (0, 0.2, 0.4, 0.6, 0.8, 1), (0, 20, 40, 60, 80, 100))

    np.testing.assert_allclose(at_shares(near), np.arange(1, 10) / 10)


def test_models_that_do_not_develop_are_said_to_be_alike_in_that() -> None:
    still = of_course(in_tokens("a", 0.01 * np.sin(np.arange(11))), in_tokens("b", np.zeros(11)))
    moving = of_course(in_tokens("c", np.arange(11) / 10))

    for metric_id in ("course_likeness", "relative_course_likeness"):
        assert "alike in not developing" in str(compare(metric_id, still, still).limit)
        assert compare(metric_id, still, moving).limit is None


@pytest.mark.parametrize(("layer", "of", "likeness"), [(0, 3, 0.5), (1, 3, 1.0), (2, 3, 0.5), (4, 7, 1 - 1 / 6)])
def test_top_heads_are_compared_by_relative_depth(layer: int, of: int, likeness: float) -> None:
    a, b = (trained(name, induction=[run]) for name, run in (("a", top_in("a", 2, 5)), ("b", top_in("b", layer, of))))

    found = compare("top_depth_likeness", a, b)

    assert found.values == pytest.approx(likeness)
    draws = [1 - abs(i / 4 - j / (of - 1)) for i, j in product(range(5), range(of))]
    assert found.chance == pytest.approx(np.mean(draws))
    assert "heads in" in refused("same_top_layer", a, b)


def test_random_top_heads_are_as_alike_as_chance() -> None:
    a = trained("a", induction=[top_in(f"a{i}", i, 4) for i in range(4)])
    b = trained("b", induction=[top_in(f"b{i}", i, 6) for i in range(6)])

    found = compare("top_depth_likeness", a, b)
    same = compare("same_top_layer", a, a)

    assert found.values.mean() == pytest.approx(found.chance)  # every draw once
    assert (same.values.mean(), same.chance) == (0.25, 0.25)


def test_a_single_layer_and_ties_have_no_depth() -> None:
    deep, flat = trained("a", induction=[top_in("a", 1)]), trained("b", induction=[top_in("b", 0, 1)])
    tied = trained("c", induction=[heads("c", [[0.5], [0.5]])])
    partly = trained("d", induction=[top_in("d", 1), heads("e", [[0.5, 0.1]] * 4)])

    assert "single layer" in refused("top_depth_likeness", deep, flat)
    assert "highest score" in refused("top_depth_likeness", deep, tied)
    np.testing.assert_array_equal(compare("top_depth_likeness", deep, partly).values, [[1, np.nan]])


def test_offsets_are_compared_by_relative_depth() -> None:
    a = trained("a", induction=[top_in("a", 4, 5)], previous=[top_in("a", 2, 5)])
    b = trained("b", induction=[top_in("b", 2, 3)], previous=[top_in("b", 1, 3)])
    c = trained("c", induction=[top_in("c", 0, 3)], previous=[top_in("c", 2, 3)])

    assert compare("offset_likeness", a, b).values == pytest.approx(1)
    assert compare("offset_likeness", a, c).values == pytest.approx(1 - 1.5 / 2)
    every = product(range(5), range(5), range(3), range(3))
    draws = [1 - abs((i - j) / 4 - (k - m) / 2) / 2 for i, j, k, m in every]
    assert compare("offset_likeness", a, b).chance == pytest.approx(np.mean(draws))


def test_path_effects_are_compared_beside_those_of_random_senders() -> None:
    a = trained("a", edges=[Edges("a@1", np.array([0.9, 0.2]), np.array([0.1, 0.5]))])
    b = trained(
        "b", edges=[Edges("b@1", np.array([0.7]), np.array([0.0])), Edges("c@1", np.array([0.4]), np.array([0.2]))]
    )

    found = compare("path_effect_likeness", a, b, PATH)

    np.testing.assert_allclose(found.values, [[0.8, 0.5]])
    assert found.chance == pytest.approx(np.mean([(0.1 + 0.4) / 2, (0.3 + 0.7) / 2]))
    assert "path_effect" in refused("path_effect_likeness", trained("c"), b)


def spectra(rng: np.random.Generator, name: str, n_layers: int, d_head: int) -> Arrays:
    kept = -np.sort(-rng.random((n_layers, 4, d_head)))
    return Arrays({}, {f"{name}@step9": {"ov_spectrum": kept, "qk_spectrum": kept}})


def test_spectra_of_top_heads_are_compared_beside_other_heads_of_their_layers() -> None:
    rng = np.random.default_rng(0)
    kept = {name: spectra(rng, name, n_layers, 6) for name, n_layers in (("a", 2), ("b", 3))}
    run_a, run_b = (
        heads("a", [[0.1] * 4, [0.1, 0.9, 0.1, 0.1]]),
        heads("b", [[0.9, 0.1, 0.1, 0.1], [0.1] * 4, [0.1] * 4]),
    )
    a, b = trained("a", induction=[run_a], arrays=kept["a"]), trained("b", induction=[run_b], arrays=kept["b"])

    found = compare("ov_spectrum_likeness", a, b)

    share = {
        name: (s := of.by_checkpoint[f"{name}@step9"]["ov_spectrum"]) / s.sum(-1, keepdims=True)
        for name, of in kept.items()
    }
    assert found.values == pytest.approx(1 - np.abs(share["a"][1, 1] - share["b"][0, 0]).sum() / 2)
    pairs = [1 - np.abs(share["a"][1, i] - share["b"][0, j]).sum() / 2 for i, j in product((0, 2, 3), (1, 2, 3))]
    assert found.chance == pytest.approx(np.mean(pairs))


def test_spectra_of_heads_of_other_width_are_not_compared() -> None:
    rng = np.random.default_rng(0)
    models = [
        trained(name, induction=[heads(name, [[0.9, 0.1, 0.1, 0.1]])], arrays=spectra(rng, name, 1, d_head))
        for name, d_head in (("a", 6), ("b", 8))
    ]

    assert "heads of 6 and 8 dimensions" in refused("ov_spectrum_likeness", *models)
    assert "not measured" in refused("ov_spectrum_likeness", models[0], trained("c", induction=[top_in("c", 1)]))


def test_the_same_runs_are_fully_alike_on_every_axis() -> None:
    rng = np.random.default_rng(0)
    run = heads("a", [[0.1, 0.2, 0.3, 0.1], [0.1, 0.9, 0.1, 0.1]])
    same = trained(
        "a",
        induction=[run],
        previous=[heads("a", [[0.9, 0.1, 0.1, 0.1], [0.1] * 4])],
        courses=[in_tokens("a", np.arange(11) ** 2 / 100)],
        edges=[Edges("a@step9", np.array([0.8]), np.array([0.1]))],
        arrays=spectra(rng, "a", 2, 6),
    )

    for table in (WITHIN_SUITE, ACROSS_SUITES):
        for statistics in table.values():
            for metric_id in statistics:
                variant = PATH if metric_id == "path_effect_likeness" else INDUCTION
                assert compare(metric_id, same, same, variant).values == pytest.approx(1), metric_id


def test_what_was_measured_otherwise_is_not_compared() -> None:
    a, b = (trained(name, induction=[top_in(name, 1)]) for name in "ab")
    without = trained("c", induction=[top_in("c", 1)], less_placebo=False)

    assert "placebo" in refused("profile_likeness", a, without)
    assert "over training" in refused("course_likeness", a, b)
    assert "on common inputs" in refused("profile_likeness", a, trained("d"))
    assert "steps" in refused(
        "course_likeness", of_course(course("a", (1, 2), (0, 1))), of_course(course("b", (3, 4), (0, 1)))
    )
