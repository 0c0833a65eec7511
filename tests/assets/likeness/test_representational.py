"""CKA against Song's formula written out with loops, its invariances, and data of which the answer is known."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from assets.likeness.registry import Arrays, Compared, PairMeasurement
from assets.likeness.representational import MEASURE, alignment, permuted_deviation, u_centred_gram
from tests.assets.likeness.by_hand import one


def cka(x: np.ndarray, y: np.ndarray) -> float:
    value = alignment(u_centred_gram(x), u_centred_gram(y))
    assert value is not None
    return value


def hsic_by_loops(x: np.ndarray, y: np.ndarray) -> float:
    """Song et al. (2012), eq. 5: [tr(KL) + 1'K1 1'L1 / ((n-1)(n-2)) - 2/(n-2) 1'KL1] / (n(n-3)), zero diagonals."""
    n = len(x)
    k = [[0.0 if i == j else sum(a * b for a, b in zip(x[i], x[j], strict=True)) for j in range(n)] for i in range(n)]
    m = [[0.0 if i == j else sum(a * b for a, b in zip(y[i], y[j], strict=True)) for j in range(n)] for i in range(n)]
    trace = sum(k[i][j] * m[j][i] for i in range(n) for j in range(n))
    sums = sum(map(sum, k)) * sum(map(sum, m))
    chain = sum(k[i][j] * m[j][h] for i in range(n) for j in range(n) for h in range(n))
    return (trace + sums / ((n - 1) * (n - 2)) - 2 * chain / (n - 2)) / (n * (n - 3))


def biased_cka(x: np.ndarray, y: np.ndarray) -> float:
    """Kornblith et al. (2019), section 3: of centred features, |Y'X|^2 / (|X'X| |Y'Y|)."""
    x, y = x - x.mean(0), y - y.mean(0)
    return float(np.linalg.norm(y.T @ x) ** 2 / (np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y)))


def orthogonal(d: int, rng: np.random.Generator) -> np.ndarray:
    return np.linalg.qr(rng.normal(size=(d, d)))[0]


def test_it_equals_the_reference_formula() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(9, 5)) + 3
    y = np.hstack([x[:, :2], rng.normal(size=(9, 2))])
    expected = hsic_by_loops(x, y) / np.sqrt(hsic_by_loops(x, x) * hsic_by_loops(y, y))

    assert cka(x, y) == pytest.approx(expected, rel=1e-10)  # float64 on both sides
    assert abs(expected - biased_cka(x, y)) > 0.05


def test_rotation_scale_and_shift_change_nothing() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(30, 8)), rng.normal(size=(30, 8))
    y[:, :4] += x[:, :4]
    turned = 7 * y @ orthogonal(8, rng) + rng.normal(size=8)

    assert cka(x, turned) == pytest.approx(cka(x, y), rel=1e-9)
    assert cka(x, 3 * x @ orthogonal(8, rng)) == pytest.approx(1, rel=1e-9)
    assert cka(x, x * np.arange(1, 9)) < 0.9  # not so for other linear maps


def test_independent_data_is_at_zero_though_there_are_fewer_samples_than_dimensions() -> None:
    rng = np.random.default_rng(2)
    pairs = [(rng.normal(size=(40, 400)), rng.normal(size=(40, 400))) for _ in range(20)]

    debiased = [cka(x, y) for x, y in pairs]

    assert abs(np.mean(debiased)) < 4 * permuted_deviation(40) / np.sqrt(20)
    assert np.std(debiased) == pytest.approx(permuted_deviation(40), rel=0.5)
    assert min(biased_cka(x, y) for x, y in pairs) > 0.85


def test_permuting_samples_gives_the_stated_mean_and_deviation() -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(6, 3))
    y = x + 0.1 * rng.normal(size=(6, 3))

    every = [cka(x, y[list(order)]) for order in permutations(range(6))]

    assert every[0] > 0.9
    assert np.mean(every) == pytest.approx(0, abs=1e-12)
    assert np.std(every) == pytest.approx(permuted_deviation(6), rel=1e-9)


def compare(**residuals: np.ndarray) -> list[PairMeasurement]:
    kept = {
        name: {"residual": r.astype(np.float16), "token_ids": np.arange(r.shape[1])} for name, r in residuals.items()
    }
    return list(MEASURE.compare(Compared("m", arrays=[Arrays({"corpus": "c"}, kept)])))


def test_every_layer_of_every_pair_is_compared() -> None:
    rng = np.random.default_rng(4)
    a = rng.normal(size=(3, 60, 16))
    b = a @ orthogonal(16, rng)
    b[2] = rng.normal(size=(60, 16))

    found = compare(a=a, b=b, c=rng.normal(size=(3, 60, 16)))

    assert len(found) == 9
    alike = {(m.layer, m.stratum): m for m in found if (m.checkpoint_a, m.checkpoint_b) == ("a", "b")}
    assert alike[None, "after=embedding"].value == pytest.approx(1, abs=1e-3)  # kept in half precision
    assert alike[0, ""].value == pytest.approx(1, abs=1e-3)
    assert abs(alike[1, ""].value) < 4 * permuted_deviation(60)
    assert alike[1, ""].chance == 0
    assert alike[1, ""].standard_error == permuted_deviation(60)
    assert one(found, "cka", layer=0, checkpoint_a="a", checkpoint_b="c").n == 60


def test_samples_that_do_not_differ_other_tokens_and_too_few_are_left_out() -> None:
    rng = np.random.default_rng(5)
    same = np.tile(rng.normal(size=(1, 1, 16)), (1, 60, 1))
    other = {"residual": rng.normal(size=(1, 60, 16)), "token_ids": np.arange(60)[::-1]}
    kept = {"a": {**other, "token_ids": np.arange(60)}, "b": other}

    assert compare(a=same, b=rng.normal(size=(1, 60, 16))) == []
    assert compare(a=rng.normal(size=(1, 3, 16)), b=rng.normal(size=(1, 3, 16))) == []
    assert list(MEASURE.compare(Compared("m", arrays=[Arrays({}, kept)]))) == []
