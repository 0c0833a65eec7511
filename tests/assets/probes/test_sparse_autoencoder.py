"""The probe's figures against autoencoders with known answers and against a computation by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import save_file

from assets.models.engine.loaded import LoadedModel
from assets.probes.registry import NotApplicable, Setting, canonical
from assets.probes.sparse_autoencoder import LENGTH, PROBE, Options, start_seed
from assets.probes.texts import windows
from catalog.errors import UserError

D_MODEL, N_PASSAGES = 32, 16
N_HELD_OUT = 2
SMALL: dict[str, Any] = {"tokens": N_PASSAGES * LENGTH, "steps": 60, "k": 4}


def setting(sample_seed: int = 0, **options: Any) -> Setting:
    return Setting("calibration", options=Options(**SMALL | options), sample_seed=sample_seed)


def figures(loaded: LoadedModel, sample_seed: int = 0, **options: Any) -> dict[str, float]:
    found = PROBE.measure(loaded, setting(sample_seed, **options)).measurements
    return {m.metric_id: m.value for m in found}


def save(folder: Path, encoder: torch.Tensor, decoder: torch.Tensor, **config: Any) -> Path:
    width, d_model = decoder.shape
    biases = {"b_enc": torch.zeros(width), "b_dec": torch.zeros(d_model)}
    tensors = {"W_enc": encoder.contiguous(), "W_dec": decoder.contiguous(), **biases}
    save_file(tensors, folder / "sae_weights.safetensors")
    stated = {"d_in": d_model, "d_sae": width, "architecture": "standard", **config}
    (folder / "cfg.json").write_text(json.dumps(stated))
    return folder


BOTH_SIGNS = torch.cat([torch.eye(D_MODEL), -torch.eye(D_MODEL)])


def test_an_identity_loses_nothing(tiny_model: Callable[..., LoadedModel], tmp_path: Path) -> None:
    folder = save(tmp_path, BOTH_SIGNS.T, BOTH_SIGNS)

    result = PROBE.measure(tiny_model("gpt2"), setting(load=folder))

    found = {m.metric_id: m.value for m in result.measurements}
    assert found["sae_explained_variance"] == pytest.approx(1, abs=1e-9)
    assert found["sae_l0"] == pytest.approx(D_MODEL)
    assert found["sae_dead_share"] == 0
    assert found.get("sae_loss_recovered", 1) == pytest.approx(1, abs=1e-4)
    assert not result.arrays


def test_an_autoencoder_that_gives_zero_recovers_nothing(
    tiny_model: Callable[..., LoadedModel], tmp_path: Path
) -> None:
    folder = save(tmp_path, torch.zeros(D_MODEL, 8), torch.zeros(8, D_MODEL))

    found = figures(tiny_model("gpt2"), load=folder)

    assert found["sae_explained_variance"] <= 0
    assert found["sae_l0"] == 0
    assert found["sae_dead_share"] == 1
    assert found.get("sae_loss_recovered", 0) == pytest.approx(0, abs=1e-6)


def test_equals_a_computation_by_hand(tiny_model: Callable[..., LoadedModel], tmp_path: Path) -> None:
    loaded = tiny_model("llama")
    torch.manual_seed(0)
    encoder, decoder = torch.randn(D_MODEL, 40) - 0.5, torch.randn(40, D_MODEL) / 10
    encoder[:, 7] = 0
    folder = save(tmp_path, encoder, decoder, hook_name="blocks.1.hook_resid_pre")

    result = PROBE.measure(loaded, setting(load=folder))

    passages = windows(loaded, setting(), LENGTH, N_PASSAGES)
    with torch.no_grad():
        out = loaded.model(passages, output_hidden_states=True)
        vectors = out.hidden_states[1][:, 1:]
        features = (vectors @ encoder).relu()
        x, made, active = vectors[7::8], (features @ decoder)[7::8], features > 0

        def loss(hidden: torch.Tensor) -> float:
            stream = torch.cat([out.hidden_states[1][7::8, :1], hidden], dim=1)
            loaded.model.base_model.layers[0].register_forward_hook(lambda *_: stream)
            logits = loaded.model(passages[7::8]).logits.log_softmax(-1)
            loaded.model.base_model.layers[0]._forward_hooks.clear()
            return -logits[:, 1:-1].gather(-1, passages[7::8, 2:, None]).double().mean().item()

        losses = {"clean": loss(x), "spliced": loss(made), "zeroed": loss(torch.zeros_like(x))}
    wanted = {
        "sae_explained_variance": 1 - ((x - made) ** 2).sum() / ((x - x.mean((0, 1))) ** 2).sum(),
        "sae_l0": active[7::8].float().sum(-1).mean(),
        "sae_dead_share": 1 - active.any(0).any(0).float().mean(),
    }
    if losses["zeroed"] > losses["clean"]:
        share = (losses["zeroed"] - losses["spliced"]) / (losses["zeroed"] - losses["clean"])
        wanted["sae_loss_recovered"] = torch.tensor(share)
    found = {m.metric_id: m for m in result.measurements}
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        assert found[name].value == pytest.approx(value.item(), rel=1e-4, abs=1e-5)
        assert found[name].layer == 0
    assert found["sae_dead_share"].value >= 1 / 40
    assert found["sae_l0"].n == N_HELD_OUT * (LENGTH - 1)
    assert found["sae_dead_share"].n == N_PASSAGES * (LENGTH - 1)


def test_loss_recovered_lies_between_zeros_and_the_model(
    tiny_model: Callable[..., LoadedModel], tmp_path: Path
) -> None:
    """On a model that the loss is made to depend on: half of the coordinates kept is in between."""
    loaded = tiny_model("gpt2")
    passages = windows(loaded, setting(), LENGTH, N_PASSAGES)
    optimizer = torch.optim.Adam(loaded.model.parameters(), lr=1e-2)
    for _ in range(30):
        optimizer.zero_grad()
        loaded.model(passages, labels=passages).loss.backward()
        optimizer.step()
    some = torch.cat([BOTH_SIGNS[:24], BOTH_SIGNS[D_MODEL : D_MODEL + 24]])

    found = {}
    for name, rows in (("all", BOTH_SIGNS), ("some", some), ("none", torch.zeros(8, D_MODEL))):
        (tmp_path / name).mkdir()
        found[name] = figures(loaded, load=save(tmp_path / name, rows.T, rows))["sae_loss_recovered"]

    assert found["all"] == pytest.approx(1, abs=1e-4)
    assert found["none"] == pytest.approx(0, abs=1e-6)
    assert 0.05 < found["some"] < 0.95


def test_trains_one_better_than_it_began(tiny_model: Callable[..., LoadedModel]) -> None:
    loaded = tiny_model("gpt_neox")

    result = PROBE.measure(loaded, setting(steps=300))

    found = {m.metric_id: m for m in result.measurements}
    assert found["sae_explained_variance"].value > figures(loaded, steps=1)["sae_explained_variance"] + 0.2
    assert 0 < found["sae_l0"].value <= 4
    assert found["sae_l0"].layer == 0, "after half of two layers"
    assert found["sae_l0"].parameters == {
        "corpus": "walk",
        "bos": False,
        "width": 4 * D_MODEL,
        "k": 4,
        "steps": 300,
        "batch": 256,
        "learning_rate": 1e-3,
        "tokens": N_PASSAGES * LENGTH,
    }
    decoder = result.arrays["decoder"]
    assert (decoder.shape, decoder.dtype) == ((4 * D_MODEL, D_MODEL), np.float32)
    np.testing.assert_allclose(np.linalg.norm(decoder, axis=1), 1, rtol=1e-5)


def test_layers(tiny_model: Callable[..., LoadedModel], tmp_path: Path) -> None:
    loaded = tiny_model("llama")
    folder = save(tmp_path, BOTH_SIGNS.T, BOTH_SIGNS, hook_name="blocks.1.hook_resid_post")

    def layer(**options: Any) -> int | None:
        return PROBE.measure(loaded, setting(**options)).measurements[0].layer

    assert (layer(layer=1, steps=1), layer(load=folder), layer(load=folder, layer=1)) == (1, 1, 1)
    with pytest.raises(UserError, match="after layer 1 and layer 0"):
        layer(load=folder, layer=0)
    with pytest.raises(UserError, match="0 to 1"):
        layer(layer=2)


def test_what_does_not_fit_the_model_is_refused(tiny_model: Callable[..., LoadedModel], tmp_path: Path) -> None:
    folder = save(tmp_path, torch.eye(16), torch.eye(16))

    with pytest.raises(UserError, match="16 wide and the residual stream 32"):
        figures(tiny_model("llama"), load=folder)
    with pytest.raises(UserError, match="200 of 128"):
        figures(tiny_model("llama"), k=200)


def test_not_applicable(tiny_model: Callable[..., LoadedModel]) -> None:
    loaded = tiny_model("llama")
    loaded.model.config.num_hidden_layers = 3

    with pytest.raises(NotApplicable, match="one list"):
        figures(loaded)


def test_nan_is_refused(tiny_model: Callable[..., LoadedModel]) -> None:
    loaded = tiny_model("gpt2")
    loaded.model.transformer.h[0].mlp.c_fc.weight.data[0, 0] = torch.nan

    with pytest.raises(UserError, match="after layer 0"):
        figures(loaded)


def test_autoencoders_of_two_layers_are_two_variants(tiny_model: Callable[..., LoadedModel]) -> None:
    """Of one variant the evidence keeps the latest measurement of a checkpoint alone."""
    low, high = (PROBE.measure(tiny_model("llama"), setting(layer=layer, steps=1)).measurements for layer in (0, 1))

    assert {m.layer for m in (*low, *high)} == {0, 1}
    assert {canonical(m.parameters) for m in low}.isdisjoint(canonical(m.parameters) for m in high)


def test_identity(tmp_path: Path) -> None:
    folder = save(tmp_path, torch.eye(4), torch.eye(4))
    trained, loaded = PROBE.parameters(setting()), PROBE.parameters(setting(load=folder))

    assert trained == {
        "corpus": setting().corpus.identity,
        "length": LENGTH,
        "tokens": N_PASSAGES * LENGTH,
        "expansion": 4,
        "k": 4,
        "steps": 60,
        "batch": 256,
        "learning_rate": 1e-3,
    }
    assert loaded.keys() == {"corpus", "length", "tokens", "load_sha256"}
    assert PROBE.parameters(setting(layer=1)) == {**trained, "layer": 1}

    save(tmp_path, torch.eye(4), -torch.eye(4))
    assert PROBE.parameters(setting(load=folder)) != loaded
    (tmp_path / "cfg.json").unlink()
    with pytest.raises(UserError, match="missing"):
        PROBE.parameters(setting(load=folder))


@pytest.mark.parametrize("options", [{"k": 0}, {"layer": -1}, {"learning_rate": 0}, {"unknown": 1}])
def test_options_are_checked(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Options(**options)


def test_dictionaries_of_different_runs_start_from_different_directions() -> None:
    assert start_seed("m-seed0@step9", 0) != start_seed("m-seed1@step9", 0)
    assert start_seed("m-seed0@step9", 0) != start_seed("m-seed0@step9", 1)
    assert start_seed("m-seed0@step9", 0) == start_seed("m-seed0@step9", 0)
