from __future__ import annotations

from collections.abc import Callable

import pytest

from assets.models.engine.loaded import LoadedModel
from assets.probes.path_effect import PROBE, Options
from assets.probes.registry import Measurement, NotApplicable, Setting
from tests.assets.probes.circuits import UNLINKED_HEAD, induction_circuit
from tests.assets.probes.test_hand_built import INDUCTION_HEAD, PREVIOUS_TOKEN_HEAD


@pytest.fixture(scope="module")
def measured() -> list[Measurement]:
    return PROBE.measure(induction_circuit(), Setting("calibration")).measurements


def effect(measured: list[Measurement], sender: tuple[int, int], kind: str, stratum: str = "") -> Measurement:
    (found,) = (
        m
        for m in measured
        if (m.sender_layer, m.sender_head) == sender and m.parameters["kind"] == kind and m.stratum == stratum
    )
    return found


def test_a_link_is_one_and_no_link_is_none(measured: list[Measurement]) -> None:
    linked, unlinked = (effect(measured, head, "zero") for head in (PREVIOUS_TOKEN_HEAD, UNLINKED_HEAD))

    assert (linked.layer, linked.head) == INDUCTION_HEAD
    assert linked.value == pytest.approx(1, abs=0.01)  # without the link attention is uniform over equal keys
    assert unlinked.value == pytest.approx(0, abs=0.01)
    assert linked.n == 16


def test_the_mean_says_nothing_of_the_sequence(measured: list[Measurement]) -> None:
    """Of 16 sequences' previous tokens, an equal one is one in the mean by accident: near chance, not at it."""
    assert effect(measured, PREVIOUS_TOKEN_HEAD, "mean").value == pytest.approx(1, abs=0.1)
    assert effect(measured, UNLINKED_HEAD, "mean").value == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize("kind", ["zero", "mean"])
def test_random_senders_of_the_same_layer_are_the_control(measured: list[Measurement], kind: str) -> None:
    control = effect(measured, PREVIOUS_TOKEN_HEAD, kind, "sender=random")

    assert control.value == pytest.approx(0, abs=1e-6)  # one head is left beside three senders; it writes nothing


def test_only_a_receiver_that_matches_prefixes_has_an_effect(tiny_model: Callable[..., LoadedModel]) -> None:
    measured = PROBE.measure(induction_circuit(), Setting("calibration"))

    assert {(m.layer, m.head) for m in measured.measurements} == {INDUCTION_HEAD}
    assert len(measured.notes["receivers_at_chance"]) == 2

    untrained = PROBE.measure(tiny_model("llama"), Setting("calibration", options=Options(top=4)))
    scarce = {tuple(head) for head in untrained.notes["receivers_at_chance"]}
    assert scarce == {(1, 0), (1, 1), (1, 2), (1, 3)} - {(m.layer, m.head) for m in untrained.measurements}


def test_options_choose_the_connections() -> None:
    setting = Setting("calibration", options=Options(kinds=("zero", "zero"), top=1, n_sequences=4))

    measured = PROBE.measure(induction_circuit(), setting).measurements

    assert [m.stratum for m in measured] == ["", "sender=random"]
    assert {m.n for m in measured} == {2}


@pytest.mark.parametrize(
    ("architecture", "reason"), [("lfm2", "one layer"), ("bloom", "apart"), ("mamba", "attention")]
)
def test_undefined_where_keys_can_not_be_cut(
    tiny_model: Callable[..., LoadedModel], architecture: str, reason: str
) -> None:
    with pytest.raises(NotApplicable, match=reason):
        PROBE.measure(tiny_model(architecture), Setting("calibration"))
