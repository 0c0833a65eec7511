"""Sparse autoencoders of a residual stream: training a small one, and reading one in the sae_lens format.

Trained are TopK autoencoders as Gao et al. (2024, arXiv:2406.04093, sections 2 and A) describe them: directions of
length one, an encoder that starts as its transpose. Their auxiliary loss is left out: at some hundred features
more of them stayed dead with it than without. Read is the folder that sae_lens 6 writes (cfg.json and
sae_weights.safetensors; by the code of its release 6.54), and its predecessors' where they differ by names only. Not
here: where activations come from (residual.py), metrics (assets/probes).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from catalog.errors import UserError

CONFIG, WEIGHTS = "cfg.json", "sae_weights.safetensors"
"""The names in sae_lens' format."""

Activation = Literal["standard", "topk", "jumprelu"]
"""The names of architectures in sae_lens."""

COOLDOWN = 0.2
"""Share of the steps at the end in which the learning rate falls to zero."""


@dataclass(frozen=True)
class Autoencoder:
    """x -> features -> reconstruction; float32.

    Attributes:
        encoder: (d_model, width).
        encoder_bias: (width,).
        decoder: (width, d_model), a direction a feature.
        decoder_bias: (d_model,).
        activation: standard = ReLU; topk = the k largest, rectified; jumprelu = what is above the threshold.
        k: of topk.
        threshold: of jumprelu, (width,).
        centres_input: whether the decoder's bias is subtracted from what is encoded.
        by_norm: whether topk ranks features by activation times the length of their direction.
    """

    encoder: torch.Tensor
    encoder_bias: torch.Tensor
    decoder: torch.Tensor
    decoder_bias: torch.Tensor
    activation: Activation = "topk"
    k: int | None = None
    threshold: torch.Tensor | None = None
    centres_input: bool = True
    by_norm: bool = False

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        """Features (n, width) of vectors (n, d_model)."""
        logits = (x - self.decoder_bias * self.centres_input) @ self.encoder + self.encoder_bias
        if self.activation == "topk":
            assert self.k is not None
            lengths = self.decoder.norm(dim=-1) if self.by_norm else torch.ones_like(self.encoder_bias)
            return top(logits * lengths, self.k) / lengths.where(lengths > 0, 1)
        if self.activation == "jumprelu":
            assert self.threshold is not None
            return logits.relu() * (logits > self.threshold.relu())
        return logits.relu()

    def decode(self, features: torch.Tensor) -> torch.Tensor:
        """Vectors (n, d_model) of features (n, width)."""
        return features @ self.decoder + self.decoder_bias


def top(logits: torch.Tensor, k: int) -> torch.Tensor:
    """All but the k largest entries of each row, and those below zero, set to zero."""
    largest = logits.topk(k, dim=-1)
    return torch.zeros_like(logits).scatter(-1, largest.indices, largest.values.relu())


@dataclass(frozen=True)
class Training:
    """How a TopK autoencoder is trained."""

    width: int
    k: int
    steps: int
    batch: int
    learning_rate: float


def train(samples: torch.Tensor, training: Training, seed: int) -> Autoencoder:
    """A TopK autoencoder of samples (n, d_model), float32; the seed decides its start and the order of samples."""
    generator = torch.Generator().manual_seed(seed)
    mean = samples.mean(0)
    scale = (samples - mean).square().mean().sqrt().clamp_min(torch.finfo(torch.float32).tiny)
    decoder = torch.nn.functional.normalize(torch.randn(training.width, samples.shape[1], generator=generator))
    encoder, encoder_bias, decoder_bias = decoder.T.clone(), torch.zeros(training.width), mean / scale
    weights = [tensor.requires_grad_() for tensor in (encoder, encoder_bias, decoder, decoder_bias)]
    optimizer = torch.optim.Adam(weights, lr=training.learning_rate, eps=6.25e-10)

    for step in range(training.steps):
        left = (training.steps - step) / max(1.0, COOLDOWN * training.steps)
        optimizer.param_groups[0]["lr"] = training.learning_rate * min(1.0, left)
        rows = torch.randint(len(samples), (training.batch,), generator=generator)
        x = samples[rows] / scale
        features = top((x - decoder_bias) @ encoder + encoder_bias, training.k)
        loss = (features @ decoder + decoder_bias - x).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            decoder /= decoder.norm(dim=1, keepdim=True)
    encoder, encoder_bias, decoder, decoder_bias = (tensor.detach() for tensor in weights)
    return Autoencoder(encoder, encoder_bias * scale, decoder, decoder_bias * scale, k=training.k)


def read_autoencoder(folder: Path) -> tuple[Autoencoder, int | None]:
    """An autoencoder in sae_lens' format, and the layer after which it reads the residual stream, where that is stated.

    Raises:
        UserError: a file is missing, damaged, of another format, or asks for what is not supported.
    """
    config, tensors = _read_config(folder / CONFIG), _read_tensors(folder / WEIGHTS)
    architecture = config["architecture"]
    if "log_threshold" in tensors:
        tensors["threshold"] = tensors.pop("log_threshold").exp()
    d_model, width = int(config["d_in"]), int(config["d_sae"])
    shapes = {"W_enc": (d_model, width), "b_enc": (width,), "W_dec": (width, d_model), "b_dec": (d_model,)}
    if architecture == "jumprelu":
        shapes["threshold"] = (width,)
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    if found != shapes:
        raise _refused(folder / WEIGHTS, f"Its tensors are {found}; {CONFIG} asks for {shapes}")
    encoder, encoder_bias, decoder, decoder_bias = (
        tensors[name].float() for name in ("W_enc", "b_enc", "W_dec", "b_dec")
    )
    if not all(tensor.isfinite().all() for tensor in tensors.values()):
        raise _refused(folder / WEIGHTS, "It holds NaN or infinity")
    autoencoder = Autoencoder(
        encoder,
        encoder_bias,
        decoder,
        decoder_bias,
        activation=architecture,
        k=int(config["k"]) if architecture == "topk" else None,
        threshold=tensors["threshold"].float() if architecture == "jumprelu" else None,
        centres_input=bool(config.get("apply_b_dec_to_input", True)),
        by_norm=bool(config.get("rescale_acts_by_decoder_norm", False)),
    )
    return autoencoder, _layer_of(config, folder / CONFIG)


def _read_config(path: Path) -> dict[str, Any]:
    """cfg.json with the names of sae_lens 6, whose predecessors kept TopK as an activation of `standard`."""
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        stated = {"architecture": "standard", **config, **config.get("metadata", {})}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise _refused(path, f"It can't be read: {error}") from None
    if stated.get("activation_fn_str", stated.get("activation_fn")) == "topk":
        stated |= {"architecture": "topk", "k": (stated.get("activation_fn_kwargs") or {}).get("k")}
    missing = {"d_in", "d_sae", *(["k"] if stated["architecture"] == "topk" else [])} - {
        k for k, v in stated.items() if v
    }
    if missing:
        raise _refused(path, f"It does not state {', '.join(sorted(missing))}")
    unsupported = {
        "architecture": stated["architecture"] not in ("standard", "topk", "jumprelu"),
        "normalize_activations": stated.get("normalize_activations") not in (None, False, "none"),
        "reshape_activations": stated.get("reshape_activations") not in (None, "none"),
        "finetuning_scaling_factor": bool(stated.get("finetuning_scaling_factor")),
        "model_from_pretrained_kwargs": (stated.get("model_from_pretrained_kwargs") or {}).get(
            "center_writing_weights"
        ),
    }
    asked = [f"{name}={stated.get(name)}" for name, is_so in unsupported.items() if is_so]
    if asked:
        raise _refused(path, f"It asks for what is not supported: {', '.join(asked)}")
    return stated


def _read_tensors(path: Path) -> dict[str, torch.Tensor]:
    try:
        return load_file(path)
    except (OSError, SafetensorError, ValueError) as error:
        raise _refused(path, f"It is no whole safetensors file: {error}") from None


def _layer_of(config: dict[str, Any], path: Path) -> int | None:
    """From TransformerLens' name of the place: blocks.3.hook_resid_post is behind layer 3, blocks.3.hook_resid_pre
    behind layer 2."""
    place = config.get("hook_name", config.get("hook_point"))
    if place is None:
        return None
    parts = str(place).split(".")
    if len(parts) == 3 and parts[0] == "blocks" and parts[1].isdigit():
        layer = int(parts[1]) - (parts[2] == "hook_resid_pre")
        if parts[2] in ("hook_resid_pre", "hook_resid_post") and layer >= 0:
            return layer
    raise _refused(path, f"It reads {place}, which is not the residual stream behind a layer")


def _refused(path: Path, why: str) -> UserError:
    return UserError(
        f"The sparse autoencoder can't be used. {why}.",
        where=str(path),
        mend=f"Name a folder as sae_lens' save_model writes it: {CONFIG} and {WEIGHTS}, of architecture standard, topk "
        "or jumprelu, on a residual stream, without normalisation of activations.",
    )
