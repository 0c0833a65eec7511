"""Training on dictionaries that are known, and sae_lens' format against its formulas written out by hand."""

from __future__ import annotations

import dataclasses
import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from scipy.optimize import linear_sum_assignment

from assets.models.engine.autoencoder import CONFIG, WEIGHTS, Autoencoder, Training, read_autoencoder, train
from catalog.errors import UserError

D_MODEL, WIDTH, K = 16, 32, 3
TRAINING = Training(WIDTH, K, steps=400, batch=256, learning_rate=3e-3)


def dictionary() -> torch.Tensor:
    return torch.nn.functional.normalize(torch.randn(WIDTH, D_MODEL, generator=torch.Generator().manual_seed(0)))


def samples(n: int, seed: int = 0) -> torch.Tensor:
    """Each the sum of three of twice as many directions as dimensions, far from the origin and not of unit scale."""
    generator = torch.Generator().manual_seed(seed)
    active = torch.rand(n, WIDTH, generator=generator).argsort(1) < K
    features = active * (torch.rand(n, WIDTH, generator=generator) + 0.5)
    return 20 * features @ dictionary() + 50 * torch.randn(D_MODEL, generator=torch.Generator().manual_seed(1))


def matched(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    cosine = torch.nn.functional.normalize(a) @ torch.nn.functional.normalize(b).T
    return cosine[linear_sum_assignment(cosine.numpy(), maximize=True)]


@pytest.fixture(scope="module")
def trained() -> Autoencoder:
    return train(samples(8000), TRAINING, seed=0)


def test_recovers_a_known_dictionary(trained: Autoencoder) -> None:
    generator = torch.Generator().manual_seed(5)
    start = torch.randn(WIDTH, D_MODEL, generator=generator)

    assert matched(trained.decoder, dictionary()).min() > 0.9
    assert matched(start, dictionary()).mean() < 0.75, "a random dictionary must not pass"


def test_reconstructs_samples_that_it_has_not_seen(trained: Autoencoder) -> None:
    fresh = samples(2000, seed=9)

    error = (fresh - trained.decode(trained.encode(fresh))).square().sum()

    assert error / (fresh - fresh.mean(0)).square().sum() < 0.15


@pytest.mark.parametrize("k", [1, 3, 7])
def test_k_features_and_no_more(trained: Autoencoder, k: int) -> None:
    autoencoder = dataclasses.replace(trained, k=k)

    features = autoencoder.encode(samples(500, seed=2))

    assert (features >= 0).all()
    assert (features > 0).sum(1).max() == k
    logits = (samples(500, seed=2) - autoencoder.decoder_bias) @ autoencoder.encoder + autoencoder.encoder_bias
    torch.testing.assert_close(features.sum(1), logits.relu().sort(dim=1).values[:, -k:].sum(1))


def test_directions_have_length_one(trained: Autoencoder) -> None:
    torch.testing.assert_close(trained.decoder.norm(dim=1), torch.ones(WIDTH))


def test_same_seed_same_weights() -> None:
    short = dataclasses.replace(TRAINING, steps=5)

    first, again, other = (train(samples(500), short, seed) for seed in (0, 0, 1))

    torch.testing.assert_close(first.decoder, again.decoder, atol=0, rtol=0)
    assert (first.decoder - other.decoder).abs().max() > 0.1


def save(folder: Path, config: dict[str, Any], extra: dict[str, torch.Tensor] | None = None) -> dict[str, torch.Tensor]:
    torch.manual_seed(4)
    tensors = {
        "W_enc": torch.randn(D_MODEL, WIDTH),
        "b_enc": torch.randn(WIDTH),
        "W_dec": torch.randn(WIDTH, D_MODEL),
        "b_dec": torch.randn(D_MODEL),
        **(extra or {}),
    }
    save_file(tensors, folder / WEIGHTS)
    (folder / CONFIG).write_text(json.dumps({"d_in": D_MODEL, "d_sae": WIDTH, "dtype": "float32", **config}))
    return tensors


def by_hand(x: torch.Tensor, tensors: dict[str, torch.Tensor], config: dict[str, Any]) -> torch.Tensor:
    """Features of one vector, as the code of sae_lens 6 computes them, a feature at a time."""
    if config.get("apply_b_dec_to_input", True):
        x = x - tensors["b_dec"]
    logits = [float(x @ tensors["W_enc"][:, i] + tensors["b_enc"][i]) for i in range(WIDTH)]
    if "k" in config or "activation_fn_kwargs" in config:
        k = config.get("k") or config["activation_fn_kwargs"]["k"]
        norms = tensors["W_dec"].norm(dim=1).tolist() if config.get("rescale_acts_by_decoder_norm") else [1.0] * WIDTH
        kept = sorted(range(WIDTH), key=lambda i: -logits[i] * norms[i])[:k]
        return torch.tensor([max(0.0, logits[i]) if i in kept else 0.0 for i in range(WIDTH)])
    threshold = tensors.get("threshold", torch.zeros(WIDTH))
    if "log_threshold" in tensors:
        threshold = tensors["log_threshold"].exp()
    return torch.tensor(
        [logit if logit > max(0.0, float(t)) else 0.0 for logit, t in zip(logits, threshold, strict=True)]
    )


@pytest.mark.parametrize(
    ("config", "extra"),
    [
        ({"architecture": "standard"}, []),
        ({"architecture": "standard", "apply_b_dec_to_input": False}, []),
        ({"architecture": "topk", "k": 5}, []),
        ({"architecture": "topk", "k": 5, "rescale_acts_by_decoder_norm": True}, []),
        ({"architecture": "jumprelu"}, ["threshold"]),
        ({"architecture": "jumprelu"}, ["log_threshold"]),
        ({}, []),
        ({"activation_fn_str": "topk", "activation_fn_kwargs": {"k": 4}, "normalize_activations": False}, []),
    ],
    ids=["relu", "relu, b_dec kept", "topk", "topk by norm", "jumprelu", "log threshold", "before 6", "before 6, topk"],
)
def test_reads_the_format_as_its_formulas_say(tmp_path: Path, config: dict[str, Any], extra: list[str]) -> None:
    tensors = save(tmp_path, config, {name: torch.randn(WIDTH) for name in extra})
    x = torch.randn(6, D_MODEL)

    autoencoder, layer = read_autoencoder(tmp_path)

    features = torch.stack([by_hand(row, tensors, config) for row in x])
    torch.testing.assert_close(autoencoder.encode(x), features, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(autoencoder.decode(features), features @ tensors["W_dec"] + tensors["b_dec"])
    assert layer is None
    assert 0 < (features > 0).sum() < features.numel()


@pytest.mark.parametrize(
    ("config", "layer"),
    [
        ({"metadata": {"hook_name": "blocks.3.hook_resid_post"}}, 3),
        ({"metadata": {"hook_name": "blocks.3.hook_resid_pre"}}, 2),
        ({"hook_name": "blocks.0.hook_resid_post"}, 0),
        ({"hook_point": "blocks.7.hook_resid_post"}, 7),
    ],
)
def test_tells_the_layer(tmp_path: Path, config: dict[str, Any], layer: int) -> None:
    save(tmp_path, config)

    assert read_autoencoder(tmp_path)[1] == layer


@pytest.mark.parametrize(
    ("config", "extra", "named"),
    [
        ({"architecture": "gated"}, {}, "architecture=gated"),
        ({"normalize_activations": "layer_norm"}, {}, "normalize_activations=layer_norm"),
        ({"normalize_activations": True}, {}, "normalize_activations"),
        ({"reshape_activations": "hook_z"}, {}, "reshape_activations"),
        ({"finetuning_scaling_factor": True}, {}, "finetuning"),
        ({"metadata": {"model_from_pretrained_kwargs": {"center_writing_weights": True}}}, {}, "model_from_pretrained"),
        ({"metadata": {"hook_name": "blocks.3.hook_mlp_out"}}, {}, "hook_mlp_out"),
        ({"metadata": {"hook_name": "blocks.0.hook_resid_pre"}}, {}, "hook_resid_pre"),
        ({"architecture": "topk"}, {}, "does not state k"),
        ({"d_in": None}, {}, "does not state d_in"),
        ({"d_sae": WIDTH + 1}, {}, "asks for"),
        ({"architecture": "jumprelu"}, {}, "threshold"),
        ({}, {"scaling_factor": torch.ones(WIDTH)}, "scaling_factor"),
        ({}, {"b_dec": torch.full((D_MODEL,), torch.nan)}, "NaN"),
    ],
)
def test_what_is_not_supported_is_refused(
    tmp_path: Path, config: dict[str, Any], extra: dict[str, torch.Tensor], named: str
) -> None:
    save(tmp_path, config, extra)

    with pytest.raises(UserError, match=named) as caught:
        read_autoencoder(tmp_path)

    assert caught.value.mend


@pytest.mark.parametrize("damage", ["truncated", "pickle", "missing", "no JSON", "a list", "no config"])
def test_damaged_files_are_refused(tmp_path: Path, damage: str) -> None:
    save(tmp_path, {})
    weights, config = tmp_path / WEIGHTS, tmp_path / CONFIG
    if damage == "truncated":
        weights.write_bytes(weights.read_bytes()[:-100])
    elif damage == "pickle":
        weights.write_bytes(pickle.dumps({"W_enc": [1.0]}))
    elif damage == "missing":
        weights.unlink()
    elif damage == "no config":
        config.unlink()
    else:
        config.write_text("{" if damage == "no JSON" else "[]")

    with pytest.raises(UserError, match="autoencoder"):
        read_autoencoder(tmp_path)
