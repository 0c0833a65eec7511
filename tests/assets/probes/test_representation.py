from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from assets.models.engine.loaded import LoadedModel
from assets.probes.registry import NotApplicable, Setting
from assets.probes.representation import LENGTH, N_SEQUENCES, PROBE, participation_ratio
from catalog.errors import UserError

SETTING = Setting("calibration")
N_SAMPLES = N_SEQUENCES * (LENGTH - 1)


def test_participation_ratio_of_known_spectra() -> None:
    """By the eigenvalues of numpy's covariance; k equal ones give k."""
    generator = np.random.default_rng(0)
    samples = generator.normal(size=(300, 20)) * np.linspace(0.1, 3, 20) + 5
    eigenvalues = np.linalg.eigvalsh(np.cov(samples.T))
    equal = np.concatenate([np.eye(7), -np.eye(7)])

    assert participation_ratio(samples) == pytest.approx(eigenvalues.sum() ** 2 / (eigenvalues**2).sum(), rel=1e-9)
    assert participation_ratio(equal) == pytest.approx(7)
    assert participation_ratio(equal[:, :3]) == pytest.approx(3)
    assert participation_ratio(samples[:5]) < 4.0001  # type: ignore[operator]
    assert participation_ratio(np.ones((9, 4))) is None


@pytest.mark.parametrize(("architecture", "adds_bos"), [("llama", False), ("gpt2", True), ("mamba", False)])
def test_keeps_the_stream_at_every_token_but_the_first(
    tiny_model: Callable[..., LoadedModel], architecture: str, adds_bos: bool
) -> None:
    loaded = tiny_model(architecture, adds_bos)

    result = PROBE.measure(loaded, SETTING)

    residual, scale, token_ids = (result.arrays[name] for name in ("residual", "scale", "token_ids"))
    assert (residual.shape, residual.dtype) == ((3, N_SAMPLES, 32), np.float16)
    assert not adds_bos or (token_ids != loaded.bos_token_id).all()
    np.testing.assert_allclose(np.square(residual.astype(np.float64)).mean((1, 2)), 1, rtol=1e-3)
    rows = token_ids.reshape(N_SEQUENCES, -1)[0]
    if not adds_bos:
        return
    whole = torch.from_numpy(np.concatenate([[0], rows]).astype(np.int64))[None]
    with torch.no_grad():
        state = loaded.model(whole, output_hidden_states=True).hidden_states[1][0, 1:]
    rounding = 2**-10 * state.abs().max().item()  # of float16
    np.testing.assert_allclose(residual[1, : LENGTH - 1] * scale[1], state, atol=rounding, rtol=0)


def test_measures_each_layer_and_what_stands_before_the_first(tiny_model: Callable[..., LoadedModel]) -> None:
    result = PROBE.measure(tiny_model("llama"), SETTING)

    found = {(m.layer, m.stratum): m for m in result.measurements}
    assert list(found) == [(None, "after=embedding"), (0, ""), (1, "")]
    for depth, measurement in enumerate(found.values()):
        covariance = np.cov(result.arrays["residual"][depth].astype(np.float64).T)
        eigenvalues = np.linalg.eigvalsh(covariance)
        # of float16
        assert measurement.value == pytest.approx(eigenvalues.sum() ** 2 / (eigenvalues**2).sum(), rel=1e-3)
        assert measurement.n == N_SAMPLES
        assert measurement.parameters == {"corpus": "walk", "bos": False}


def test_training_runs_of_a_model_read_the_same_tokens(tiny_model: Callable[..., LoadedModel]) -> None:
    first, second = tiny_model("llama"), tiny_model("llama")
    for parameter in second.model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)

    a, b = (PROBE.measure(loaded, SETTING).arrays for loaded in (first, second))
    other = PROBE.measure(first, Setting("calibration", sample_seed=1)).arrays

    np.testing.assert_array_equal(a["token_ids"], b["token_ids"])
    assert (a["token_ids"] != other["token_ids"]).any()
    assert np.abs(a["residual"] - b["residual"]).max() > 0.1


def test_a_short_context_is_not_applicable(tiny_model: Callable[..., LoadedModel]) -> None:
    loaded = tiny_model("llama")
    loaded.model.config.max_position_embeddings = LENGTH - 1

    with pytest.raises(NotApplicable, match="context"):
        PROBE.measure(loaded, SETTING)


def test_nan_is_refused(tiny_model: Callable[..., LoadedModel]) -> None:
    loaded = tiny_model("gpt2")
    loaded.model.transformer.h[1].mlp.c_fc.weight.data[0, 0] = torch.nan

    with pytest.raises(UserError, match="residual"):
        PROBE.measure(loaded, SETTING)


def test_identity_names_the_text() -> None:
    assert PROBE.parameters(SETTING) == {"corpus": SETTING.corpus.identity, "length": 64, "n_sequences": 8}
