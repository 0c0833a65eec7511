"""Probe `representation`: where a model places the same tokens, layer by layer, for comparing training runs.

The residual stream is kept at one fixed set of tokens, the same for all training runs of a model. Not here: the
comparison (assets/likeness), directions found in the stream (sparse_autoencoder.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from assets.probes.registry import Measurement, Metric, NotApplicable, Parameters, Probe, Result, Setting
from assets.probes.samples import refuse_nan
from assets.probes.texts import corpus_parameter, text_of, windows

if TYPE_CHECKING:
    from assets.models.engine.loaded import LoadedModel

LENGTH, N_SEQUENCES = 64, 8

METRICS = (
    Metric(
        "participation_ratio",
        construct="dimensionality",
        method="representation",
        grain="layer",
        unit="dimensions",
        definition="(sum of eigenvalues)^2 / (sum of their squares) of the covariance of the residual stream after a "
        f"layer (stratum after=embedding: before the first), over the tokens of {N_SEQUENCES} passages of {LENGTH}, "
        "the first of each left out: there a few coordinates are often larger by orders of magnitude. At most the "
        "smaller of d_model and the number of tokens less one.",
        citation="Gao et al. 2017, A theory of multineuronal dimensionality, dynamics and measurement, bioRxiv 214262",
        lower=1.0,
    ),
)


class RepresentationProbe(Probe):
    """See assets/probes/registry.py, Probe.

    Its arrays: `residual`, float16 (layers + 1, samples, d_model), before the first layer and after each, divided by
    the layer's root mean square; that in `scale`, float32 (layers + 1,); `token_ids`, int32 (samples,).
    """

    name = "representation"
    checkpoints = "final"
    metrics = METRICS
    cost = f"One forward pass of the body over {N_SEQUENCES} x {LENGTH} tokens, whose residual stream is held."

    def parameters(self, setting: Setting) -> Parameters:
        return {**corpus_parameter(setting), "length": LENGTH, "n_sequences": N_SEQUENCES}

    def measure(self, model: LoadedModel, setting: Setting) -> Result:
        from assets.models.engine.calls import UnknownStructureError
        from assets.models.engine.residual import depth_of, read_residual

        tokens = windows(model, setting, LENGTH, N_SEQUENCES)
        try:
            stream = read_residual(model, tokens, range(depth_of(model) + 1))[:, :, 1:]
        except UnknownStructureError as error:
            raise NotApplicable(f"Its residual stream can't be read: {error}.") from None
        refuse_nan(stream, "residual streams", model.checkpoint_id)
        stream = stream.reshape(len(stream), -1, stream.shape[-1])
        scale = np.sqrt(np.square(stream, dtype=np.float64).mean((1, 2)))
        kept = stream / np.where(scale > 0, scale, 1)[:, None, None]
        arrays = {
            "residual": kept.astype(np.float16),
            "scale": scale.astype(np.float32),
            "token_ids": tokens[:, 1:].reshape(-1).numpy().astype(np.int32),
        }
        variant: Parameters = {"corpus": text_of(model, setting), "bos": model.adds_bos}
        return Result(list(_measurements(kept, variant)), arrays=arrays)


def participation_ratio(samples: NDArray[np.floating]) -> float | None:
    """Of (samples, d_model), in dimensions; None where the samples do not differ."""
    centred = samples.astype(np.float64) - samples.mean(0, dtype=np.float64)
    products = centred @ centred.T if len(centred) < centred.shape[1] else centred.T @ centred
    squares = np.square(products).sum()
    return float(np.trace(products) ** 2 / squares) if squares > 0 else None


def _measurements(stream: NDArray[np.floating], variant: Parameters) -> Iterator[Measurement]:
    for depth, samples in enumerate(stream):
        value = participation_ratio(samples)
        if value is not None:
            layer, stratum = (depth - 1, "") if depth else (None, "after=embedding")
            yield Measurement("participation_ratio", variant, value, layer=layer, stratum=stratum, n=len(samples))


PROBE = RepresentationProbe()
