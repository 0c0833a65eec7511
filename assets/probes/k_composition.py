"""Probe `k_composition`: how much of what a head writes do heads of later layers match by, as the weights have it?

Where positions turn the keys, or heads share them, the weights alone do not say it: there `path_effect` is the measure.
Not here: what a cut path does to behaviour or attention (the probes of method intervention).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from assets.probes.circuits import FOLDING, read_layers, refuse_damaged
from assets.probes.registry import Measurement, Metric, NotApplicable, Parameters, Probe, Result, Setting

if TYPE_CHECKING:
    import torch

    from assets.models.engine.head_weights import LayerWeights
    from assets.models.engine.loaded import LoadedModel

MOST_EDGES = 10_000
"""Of a large model only this many edges are kept, the strongest ones."""

METRICS = (
    Metric(
        "k_composition",
        construct="composition",
        method="weights",
        grain="edge",
        unit="ratio",
        definition="For a head and one of an earlier layer, the sender: Frobenius norm of the sender's W_V W_O times "
        "the receiver's W_K W_Q^T, over the product of the two factors' norms (row vectors; W_QK W_OV in the source's "
        f"notation). Not defined for rotary positions or grouped keys. Of more than {MOST_EDGES} edges the strongest "
        f"are kept. {FOLDING}",
        citation="Elhage et al. 2021, A Mathematical Framework for Transformer Circuits",
        lower=0.0,
        upper=1.0,
        has_excess=True,
        chance_rule="1 / sqrt(d_model): the root mean square for independent random circuits.",
    ),
)


class KCompositionProbe(Probe):
    """See assets/probes/registry.py, Probe."""

    name = "k_composition"
    metrics = METRICS
    cost = "One forward pass of the body on some hundred tokens, and d_model x d_head^2 operations a pair of heads."

    def parameters(self, setting: Setting) -> Parameters:
        return {}

    def measure(self, model: LoadedModel, setting: Setting) -> Result:
        refuse_damaged(model)
        layers = {layer: factors(weights) for layer, weights in read_layers(model)}
        edges = []
        for (below, (sender, _)), (above, (_, receiver)) in combinations(layers.items(), 2):
            values = composition(sender, receiver)
            edges += [(value, below, s, above, r) for (s, r), value in np.ndenumerate(values)]
        if not edges:
            raise NotApplicable("It has no two layers of heads.")
        kept = sorted(edges, reverse=True)[:MOST_EDGES]
        chance = 1 / math.sqrt(_d_model(model))
        return Result(list(_measurements(kept, chance)), notes={"edges": len(edges), "edges_kept": len(kept)})


def factors(weights: LayerWeights) -> tuple[torch.Tensor, torch.Tensor]:
    """A layer's heads as senders (heads, d_head, d_model) and as receivers (heads, d_model, d_head), each of norm 1.

    Orthonormal factors drop out of the norm: of W_V W_O W_K W_Q^T, with W_V = Q_V R_V and W_Q = Q_Q R_Q, remains
    (R_V W_O)(W_K R_Q^T). Zeros where a head has no weights.

    Raises:
        NotApplicable: weights do not say what the heads match by.
    """
    import torch

    circuit, matching = weights.reading_and_writing(), weights.matching()
    if circuit is None:
        raise NotApplicable("Its heads' values or outputs are not linear in what they read: normalised or gated.")
    if matching is None:
        raise NotApplicable("Its queries and keys are normalised: no fixed W_QK.")
    if weights.rotary:
        raise NotApplicable("Its positions are rotary: W_QK depends on the distance.")
    if weights.grouped:
        raise NotApplicable("Its heads share keys in groups.")
    sender = torch.linalg.qr(circuit[0], mode="r").R @ circuit[1]
    receiver = matching[1] @ torch.linalg.qr(matching[0], mode="r").R.mT
    return _of_norm_one(sender), _of_norm_one(receiver)


def composition(sender: torch.Tensor, receiver: torch.Tensor) -> np.ndarray:
    """k_composition of each head of one layer with each of another, (senders, receivers)."""
    import torch

    return torch.stack([(head @ receiver).flatten(1).norm(dim=1) for head in sender]).cpu().numpy()


def _of_norm_one(heads: torch.Tensor) -> torch.Tensor:
    norms = heads.flatten(1).norm(dim=1)[:, None, None]
    return heads / norms.where(norms > 0, 1)


def _d_model(model: LoadedModel) -> int:
    return model.model.config.get_text_config().hidden_size


def _measurements(edges: list[tuple[float, int, int, int, int]], chance: float) -> Iterator[Measurement]:
    for value, sender_layer, sender_head, layer, head in edges:
        yield Measurement(
            "k_composition",
            {},
            float(value),
            layer=layer,
            head=head,
            sender_layer=sender_layer,
            sender_head=sender_head,
            chance=chance,
        )


PROBE = KCompositionProbe()
