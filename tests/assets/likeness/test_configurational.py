"""Spectra of heads whose weights are known: the same up to a change of basis, and not."""

from __future__ import annotations

import numpy as np
import pytest

from assets.likeness.configurational import MEASURE, likeness, normalised
from assets.likeness.registry import Arrays, Compared
from tests.assets.likeness.by_hand import INPUTS, heads, one, scored

SPREAD, NARROW = np.full(4, 1.0), np.array([1.0, 0, 0, 0])


def arrays(**spectra: list[list[np.ndarray]]) -> Arrays:
    """Of runs by name: spectra by layer and head, of W_OV and W_QK alike."""
    kept = {f"{name}@step9": np.array(layers, dtype=np.float32) for name, layers in spectra.items()}
    return Arrays({}, {name: {"ov_spectrum": s, "qk_spectrum": s} for name, s in kept.items()})


def test_the_top_heads_are_compared_and_chance_is_the_other_heads_of_their_layers() -> None:
    a, b = heads("a", [[0.9, 0.1, 0.1], [0.1] * 3]), heads("b", [[0.1] * 3, [0.1, 0.1, 0.9]])
    kept = arrays(
        a=[[5 * NARROW, SPREAD, NARROW], [SPREAD] * 3],
        b=[[SPREAD] * 3, [NARROW, SPREAD, 2 * NARROW]],
    )

    found = list(MEASURE.compare(Compared("m", [scored(a, b)], arrays=[kept])))

    assert {m.metric_id for m in found} == {"ov_spectrum_likeness", "qk_spectrum_likeness"}
    for m in found:
        assert m.value == pytest.approx(1)  # whatever the scale
        assert m.chance == pytest.approx((1 + 0.25 + 0.25 + 1) / 4)  # alike, apart, apart, alike
        assert (m.stratum, m.n) == ("metric=prefix_matching", 4)


def test_each_head_in_question_has_its_own_stratum() -> None:
    runs = heads("a", [[0.9, 0.1]]), heads("b", [[0.9, 0.1]])
    kept = arrays(a=[[SPREAD, NARROW]], b=[[NARROW, NARROW]])
    previous = scored(heads("a", [[0.1, 0.9]]), heads("b", [[0.1, 0.9]]), metric_id="previous_token")

    found = list(MEASURE.compare(Compared("m", [scored(*runs), previous], arrays=[kept])))

    assert one(found, "ov_spectrum_likeness", stratum="metric=prefix_matching").value == pytest.approx(0.25)
    assert one(found, "ov_spectrum_likeness", stratum="metric=previous_token").value == pytest.approx(1)


def test_a_change_of_basis_changes_nothing() -> None:
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(6, 3)) @ rng.normal(size=(3, 6))
    turned, _ = np.linalg.qr(rng.normal(size=(6, 6)))
    one_basis, other = (np.linalg.svd(w, compute_uv=False) for w in (weights, 3 * turned @ weights @ turned.T))

    assert likeness(normalised(one_basis), normalised(other)) == pytest.approx(1)


def test_a_layer_without_weights_is_left_out() -> None:
    runs = heads("a", [[0.9, 0.1]]), heads("b", [[0.9, 0.1]])
    kept = arrays(a=[[np.full(4, np.nan)] * 2], b=[[SPREAD] * 2])

    assert list(MEASURE.compare(Compared("m", [scored(*runs)], arrays=[kept]))) == []


def test_a_single_head_in_its_layer_has_no_chance_level() -> None:
    kept = arrays(a=[[SPREAD]], b=[[SPREAD]])

    found = list(MEASURE.compare(Compared("m", [scored(heads("a", [[0.9]]), heads("b", [[0.9]]))], arrays=[kept])))

    assert [m.chance for m in found] == [None, None]


def test_random_heads_are_at_chance() -> None:
    rng = np.random.default_rng(0)
    names = [f"r{i:02}" for i in range(12)]
    spectra = {name: [list(-np.sort(-rng.random((8, 16)))) for _ in range(2)] for name in names}
    runs = [heads(name, rng.random((2, 8))) for name in names]

    found = list(MEASURE.compare(Compared("m", [scored(*runs)], arrays=[arrays(**spectra)])))

    # 66 pairs of 12 heads: likeness varies by about .03 a pair
    values, chances = np.array([(m.value, m.chance) for m in found if m.metric_id == "ov_spectrum_likeness"]).T
    assert values.mean() == pytest.approx(chances.mean(), abs=0.02)


def test_inputs_of_the_shared_probe_do_not_matter() -> None:
    runs = heads("a", [[0.9, 0.1]]), heads("b", [[0.9, 0.1]])
    kept = arrays(a=[[SPREAD, NARROW]], b=[[SPREAD, NARROW]])
    partial = Arrays({"bos": True}, {"a@step9": kept.by_checkpoint["a@step9"]})

    found = list(MEASURE.compare(Compared("m", [scored(*runs)], arrays=[partial, kept])))

    assert [m.parameters for m in found] == [INPUTS, INPUTS]
