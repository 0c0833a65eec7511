"""Dictionaries of which the matching is known."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from assets.likeness.features import MEASURE, directions, matched, rotation
from assets.likeness.registry import Arrays, Compared, PairMeasurement


def compare(a: np.ndarray, b: np.ndarray) -> PairMeasurement:
    arrays = Arrays({"k": 8}, {name: {"decoder": each, "layer": np.array(3)} for name, each in (("a", a), ("b", b))})
    (found,) = MEASURE.compare(Compared("m", arrays=[arrays]))
    return found


@pytest.fixture
def decoder() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(128, 64)).astype(np.float32)


def test_a_permuted_copy_with_other_lengths_matches_fully(decoder: np.ndarray) -> None:
    rng = np.random.default_rng(1)
    copy = decoder[rng.permutation(128)] * rng.choice([2.0, 0.5], size=(128, 1))

    found = compare(decoder, copy)

    assert found.value == 1
    assert found.chance == 0  # in 64 dimensions no random direction comes near .7
    assert (found.layer, found.n) == (3, 128)


def test_a_rotated_copy_is_at_the_baseline(decoder: np.ndarray) -> None:
    turned, _ = np.linalg.qr(np.random.default_rng(2).normal(size=(64, 64)))

    found = compare(decoder, decoder @ turned)

    assert found.value == found.chance == 0


def test_opposite_directions_are_different_features(decoder: np.ndarray) -> None:
    assert compare(decoder, -decoder).value == 0


def test_half_shared_dictionaries_match_by_half(decoder: np.ndarray) -> None:
    other = np.random.default_rng(3).normal(size=(128, 64))
    other[:64] = decoder[64:]

    assert compare(decoder, other).value == 0.5


def test_the_matching_is_one_to_one_and_has_the_largest_sum() -> None:
    rng = np.random.default_rng(4)
    a, b = directions(rng.normal(size=(5, 3))), directions(rng.normal(size=(5, 3)))
    cosine = a @ b.T
    best = max(permutations(range(5)), key=lambda order: cosine[range(5), order].sum())

    assert matched(a, b) == (cosine[range(5), best] > 0.7).mean()
    assert matched(a, a[[0, 0, 0, 0, 0]]) < 1


def test_dead_features_match_nothing(decoder: np.ndarray) -> None:
    dead = decoder.copy()
    dead[:32] = 0

    assert compare(dead, dead).value == 0.75


def test_the_rotation_is_orthogonal_and_always_the_same() -> None:
    turned = rotation(16)

    np.testing.assert_allclose(turned @ turned.T, np.eye(16), atol=1e-12)
    np.testing.assert_array_equal(turned, rotation(16))
