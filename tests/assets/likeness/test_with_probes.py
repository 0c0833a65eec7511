"""Pair measures on what the probes really keep: equal weights are alike, others less so."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from assets.likeness.registry import Arrays, Compared, measures
from assets.models.engine.loaded import LoadedModel
from assets.probes.registry import Setting, probe_named
from tests.assets.likeness.by_hand import heads, scored

TOP = [[0.9, 0.1, 0.2, 0.3], [0.1] * 4]
OPTIONS = {"sparse_autoencoder": {"tokens": 512, "steps": 5}}


@pytest.mark.parametrize("name", [name for name, measure in measures().items() if measure.arrays_of])
def test_equal_weights_are_alike_and_others_less(name: str, tiny_model: Callable[..., LoadedModel]) -> None:
    measure = measures()[name]
    probe = probe_named(measure.arrays_of or "")
    options = probe.Options.model_validate(OPTIONS.get(probe.name, {}))
    kept = {}
    for run in ("a", "b", "other"):
        loaded = tiny_model("llama", role="calibration")
        if run == "other":
            torch.manual_seed(1)
            for parameter in loaded.model.parameters():
                torch.nn.init.normal_(parameter, std=0.5)
        kept[f"{run}@step9"] = probe.measure(loaded, Setting("calibration", options=options)).arrays
    runs = [heads(run, TOP) for run in ("a", "b", "other")]

    found = list(measure.compare(Compared("m", [scored(*runs)], arrays=[Arrays({}, kept)])))

    assert {(m.checkpoint_a, m.checkpoint_b) for m in found} == {
        ("a@step9", "b@step9"),
        ("a@step9", "other@step9"),
        ("b@step9", "other@step9"),
    }
    for m in found:
        same = (m.checkpoint_a, m.checkpoint_b) == ("a@step9", "b@step9")
        if same:
            assert m.value == pytest.approx(1, abs=1e-3)  # half precision
        elif name != "features":  # a few steps leave autoencoders where they started, which is one place here
            assert m.value < 0.98
