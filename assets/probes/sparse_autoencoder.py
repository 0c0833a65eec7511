"""Probe `sparse_autoencoder`: how well do a few directions at a time rebuild a layer's residual stream?

A small TopK autoencoder is trained on the model's own activations, so that any new model can be given one; or one in
the sae_lens format is read from a folder. Not here: the autoencoder itself (models/engine/autoencoder.py), whether two
training runs have the same directions (assets/likeness).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import NonNegativeInt, PositiveFloat, PositiveInt

from assets.probes.registry import Measurement, Metric, NotApplicable, Parameters, Probe, Result, Setting
from assets.probes.samples import refuse_nan
from assets.probes.texts import corpus_parameter, text_of, windows
from assets.study import Strict
from catalog.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    import torch

    from assets.models.engine.autoencoder import Autoencoder
    from assets.models.engine.loaded import LoadedModel

LENGTH = 64
"""Tokens in a passage. The first of each is left out: there a few coordinates are often far larger than all others."""
HELD_OUT = 8
"""Every so many passages one is kept from training."""
ROWS_AT_A_TIME = 2048
OF_VARIANT = {"layer", "k", "steps", "batch", "learning_rate", "tokens"}
"""Parameters of the probe that change what its metrics measure. The layer is one where it is asked for: autoencoders of
two layers of a model stand side by side, neither being a newer measurement of the other."""

Figure = tuple[str, float, int]
"""Metric, value, and of how many tokens."""

GAO = "Gao et al. 2024, Scaling and evaluating sparse autoencoders, arXiv:2406.04093"


def _metric(metric_id: str, unit: str, definition: str, lower: float | None, upper: float | None) -> Metric:
    return Metric(
        metric_id,
        construct="sparse_features",
        method="representation",
        grain="layer",
        unit=unit,
        definition=f"{definition} The autoencoder reads the residual stream after the layer, at all tokens of passages "
        f"of {LENGTH} but the first of each.",
        citation=GAO,
        lower=lower,
        upper=upper,
    )


METRICS = (
    _metric(
        "sae_explained_variance",
        "share",
        "1 - sum |x - x'|^2 / sum |x - mean x|^2, x' the reconstruction, on held-out passages.",
        None,
        1.0,
    ),
    _metric("sae_l0", "features", "Mean number of features above zero at a token, on held-out passages.", 0.0, None),
    _metric(
        "sae_dead_share",
        "share",
        "Share of the features that are above zero at no token of any passage, held out or not.",
        0.0,
        1.0,
    ),
    _metric(
        "sae_loss_recovered",
        "share",
        "(z - s) / (z - c): next-token loss on held-out passages as the model is (c), with the reconstruction in the "
        "place of the residual stream (s), and with zeros there (z); left out where z is no higher than c. The first "
        "token of a passage stays as it is.",
        None,
        None,
    ),
)


class Options(Strict):
    """Which autoencoder: one to be trained, or one that is loaded."""

    layer: NonNegativeInt | None = None
    """After which layer the residual stream is read; None = after half of them, or where a loaded one says."""
    load: Path | None = None
    """A folder in the sae_lens format; then the options of training have no effect."""
    expansion: PositiveInt = 4
    """Features, in multiples of d_model."""
    k: PositiveInt = 16
    """Features at a token."""
    tokens: PositiveInt = 32_768
    """At most; a corpus may hold fewer."""
    steps: PositiveInt = 1000
    batch: PositiveInt = 256
    learning_rate: PositiveFloat = 1e-3


class SparseAutoencoderProbe(Probe):
    """See assets/probes/registry.py, Probe.

    Its arrays, where it trains: `decoder`, float32 (features, d_model), directions of length one; `layer`, int64 ().
    """

    name = "sparse_autoencoder"
    checkpoints = "final"
    Options = Options
    metrics = METRICS
    cost = (
        "One forward pass over the tokens, three more with the language-model head over an eighth of them; training "
        "takes 12 x steps x batch x d_model x width operations."
    )

    def parameters(self, setting: Setting) -> Parameters:
        options: Options = setting.options
        place = {} if options.layer is None else {"layer": options.layer}
        common = {**corpus_parameter(setting), **place, "length": LENGTH, "tokens": options.tokens}
        if options.load is not None:
            return {**common, "load_sha256": _digest(options.load.expanduser())}
        return {**common, **options.model_dump(include={"expansion", "k", "steps", "batch", "learning_rate"})}

    def measure(self, model: LoadedModel, setting: Setting) -> Result:
        import torch

        from assets.models.engine.autoencoder import read_autoencoder
        from assets.models.engine.calls import UnknownStructureError
        from assets.models.engine.residual import depth_of, read_residual

        options: Options = setting.options
        folder = options.load.expanduser() if options.load else None
        autoencoder, stated = read_autoencoder(folder) if folder else (None, None)
        passages = windows(model, setting, LENGTH, max(2, options.tokens // LENGTH))
        try:
            layer = _layer(options.layer, stated, depth_of(model), model.checkpoint_id)
            (stream,) = read_residual(model, passages, [layer + 1])
        except UnknownStructureError as error:
            raise NotApplicable(f"Its residual stream can't be read: {error}.") from None
        refuse_nan(stream, f"residual streams after layer {layer}", model.checkpoint_id)
        vectors, held_out = torch.from_numpy(stream[:, 1:]), _held_out(len(passages))
        if autoencoder is None:
            seed = start_seed(model.checkpoint_id, setting.sample_seed)
            autoencoder = _trained(vectors[~held_out].flatten(0, 1), options, seed, model.checkpoint_id)
        elif autoencoder.decoder.shape[1] != vectors.shape[-1]:
            why = f"It is {autoencoder.decoder.shape[1]} wide and the residual stream {vectors.shape[-1]}"
            raise _unfit(why, str(folder), "Name one that was trained on this model.")
        variant = {
            "corpus": text_of(model, setting),
            "bos": model.adds_bos,
            "width": len(autoencoder.decoder),
            **{key: value for key, value in self.parameters(setting).items() if key in OF_VARIANT},
            **({"load": _digest(folder)[:12]} if folder else {}),
        }
        figures = [
            *_reconstruction(autoencoder, vectors, held_out),
            *_loss_recovered(model, autoencoder, layer, passages[held_out]),
        ]
        measurements = [Measurement(metric_id, variant, value, layer=layer, n=n) for metric_id, value, n in figures]
        return Result(measurements, arrays={} if folder else _arrays(autoencoder, layer))


def start_seed(checkpoint_id: str, sample_seed: int) -> int:
    """Where an autoencoder's training starts: elsewhere for each checkpoint, since features that training hardly moves
    would be found again in every dictionary that started from the same directions."""
    return int.from_bytes(hashlib.sha256(f"{checkpoint_id} {sample_seed}".encode()).digest()[:4], "big")


def _arrays(autoencoder: Autoencoder, layer: int) -> dict[str, np.ndarray]:
    import numpy as np

    return {"decoder": autoencoder.decoder.numpy(), "layer": np.array(layer)}


def _layer(asked: int | None, stated: int | None, n_layers: int, checkpoint_id: str) -> int:
    """The layer after which the stream is read.

    Raises:
        UserError: the model has no such layer, or a loaded autoencoder is of another.
    """
    if asked is not None and stated is not None and asked != stated:
        why = f"It was trained after layer {stated} and layer {asked} is asked for"
        raise _unfit(why, checkpoint_id, "Leave out the option layer.")
    layer = next((each for each in (asked, stated) if each is not None), max(0, n_layers // 2 - 1))
    if layer >= n_layers:
        raise _unfit(f"Layer {layer} is asked for", checkpoint_id, f"The model's layers are 0 to {n_layers - 1}.")
    return layer


def _held_out(n: int) -> torch.Tensor:
    """bool (n,): the passages that are kept from training, the last one at least."""
    import torch

    held_out = torch.arange(1, n + 1) % HELD_OUT == 0
    held_out[-1] = True
    return held_out


def _trained(samples: torch.Tensor, options: Options, seed: int, checkpoint_id: str) -> Autoencoder:
    from assets.models.engine.autoencoder import Training, train

    width = options.expansion * samples.shape[1]
    if options.k > width:
        raise _unfit(f"{options.k} of {width} features are asked for", checkpoint_id, "Lower k or raise expansion.")
    return train(samples, Training(width, options.k, options.steps, options.batch, options.learning_rate), seed)


def _reconstruction(autoencoder: Autoencoder, vectors: torch.Tensor, held_out: torch.Tensor) -> Iterator[Figure]:
    """Of vectors (passages, tokens, d_model)."""
    import torch

    kept = vectors[held_out].flatten(0, 1)
    error, n_active = torch.zeros((), dtype=torch.float64), 0
    used = torch.zeros(len(autoencoder.decoder), dtype=torch.bool)
    for rows in kept.split(ROWS_AT_A_TIME):
        features = autoencoder.encode(rows)
        error += (rows - autoencoder.decode(features)).double().square().sum()
        n_active += int((features > 0).sum())
        used |= (features > 0).any(0)
    for rows in vectors[~held_out].flatten(0, 1).split(ROWS_AT_A_TIME):
        used |= (autoencoder.encode(rows) > 0).any(0)
    total = (kept - kept.mean(0)).double().square().sum()
    if total > 0:
        yield "sae_explained_variance", float(1 - error / total), len(kept)
    yield "sae_l0", n_active / len(kept), len(kept)
    yield "sae_dead_share", 1 - float(used.double().mean()), vectors.shape[0] * vectors.shape[1]


def _loss_recovered(
    model: LoadedModel, autoencoder: Autoencoder, layer: int, passages: torch.Tensor
) -> Iterator[Figure]:
    import numpy as np
    import torch

    from assets.models.engine.predict import predict_next
    from assets.models.engine.residual import replaced

    at = np.arange(1, LENGTH - 1)

    def loss(function: Callable[[torch.Tensor], torch.Tensor]) -> float:
        def but_the_first(hidden: torch.Tensor) -> torch.Tensor:
            return torch.cat([hidden[:, :1], function(hidden[:, 1:]).to(hidden)], dim=1)

        with replaced(model, layer, but_the_first):
            return -float(predict_next(model, passages, at).log_probability.mean(dtype=np.float64))

    def rebuilt(hidden: torch.Tensor) -> torch.Tensor:
        return autoencoder.decode(autoencoder.encode(hidden.float().cpu().flatten(0, 1))).view(hidden.shape)

    clean, spliced, zeroed = loss(lambda hidden: hidden), loss(rebuilt), loss(torch.zeros_like)
    if zeroed > clean:
        yield "sae_loss_recovered", (zeroed - spliced) / (zeroed - clean), passages.shape[0] * len(at)


def _digest(folder: Path) -> str:
    """sha256 of both files of an autoencoder, computed again where one has changed.

    Raises:
        UserError: one is missing.
    """
    try:
        files = tuple(
            (path, path.stat().st_mtime_ns) for path in (folder / "cfg.json", folder / "sae_weights.safetensors")
        )
    except OSError as error:
        raise _unfit(f"A file is missing: {error}", str(folder), "Name a folder in the sae_lens format.") from None
    return _digest_of(files)


@cache
def _digest_of(files: tuple[tuple[Path, int], ...]) -> str:
    digests = []
    for path, _ in files:
        with path.open("rb") as file:
            digests.append(hashlib.file_digest(file, "sha256").hexdigest())
    return hashlib.sha256(" ".join(digests).encode()).hexdigest()


def _unfit(why: str, where: str, mend: str) -> UserError:
    return UserError(f"The sparse autoencoder does not fit. {why}.", where=where, mend=mend)


PROBE = SparseAutoencoderProbe()
