"""Attribution: to first order, what replacing each head would do, for all heads by one backward pass.

(replacement - z) . d outcome / d z, as in Nanda 2023, Attribution Patching. Exact where the outcome is linear in z
along the way; elsewhere it tells which heads to replace in earnest (replay.py).
"""

from __future__ import annotations

import torch

from assets.models.engine.heads import Replacement, edited, kept_at_once, log_probabilities
from assets.models.engine.loaded import LoadedModel
from assets.models.engine.sites import Sites


def attribute(
    loaded: LoadedModel, sites: Sites, token_ids: torch.Tensor, at: torch.Tensor, replacement: Replacement
) -> dict[int, torch.Tensor]:
    """Attribution of each head, on its own, to the mean log-probability of the tokens after some positions.

    Args:
        token_ids: int64 (sequences, tokens), of the run that is replaced in.
        at: int64 (positions,).
        replacement: of these sequences, or one for all of them.

    Returns:
        By layer, float32 (sequences, heads), nats per token.
    """
    parts: dict[int, list[torch.Tensor]] = {layer: [] for layer in sites}
    for part in torch.arange(len(token_ids)).split(kept_at_once(loaded, token_ids.shape[1], len(at))):
        z, gradients = _gradients(loaded, sites, token_ids[part], at)
        for layer, gradient in gradients.items():
            given = replacement[layer] if len(replacement[layer]) == 1 else replacement[layer][part]
            parts[layer].append(((given - z[layer]) * gradient).float().sum((1, 3)))
    return {layer: torch.cat(found) for layer, found in parts.items()}


def _gradients(
    loaded: LoadedModel, sites: Sites, token_ids: torch.Tensor, at: torch.Tensor
) -> tuple[dict[int, torch.Tensor], dict[int, torch.Tensor]]:
    """z of each layer and the gradient of each sequence's outcome by it."""
    z: dict[int, torch.Tensor] = {}

    def track(layer: int, given: torch.Tensor) -> torch.Tensor:
        z[layer] = given if given.requires_grad else given.detach().requires_grad_()
        return z[layer]

    with torch.enable_grad(), edited(sites, track):
        outcomes = log_probabilities(loaded, token_ids, at).mean(1)
        gradients = torch.autograd.grad(outcomes.sum(), list(z.values()))
    return {layer: each.detach() for layer, each in z.items()}, dict(zip(z, gradients, strict=True))
