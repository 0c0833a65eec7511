"""What each head writes, z (sequences, tokens, heads, d_value) before the output projection: read, and replaced.

One place for ablation, patching and attribution in every architecture whose heads are told apart (sites.py): the model
runs its own code, and a hook on the projection of each layer hands z to a function and goes on with what it returns.
Here: passes over whole models. Not here: sharing work between many replacements (replay.py).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from assets.models.engine.batches import batches, sequence_bytes
from assets.models.engine.calls import body, hooked
from assets.models.engine.loaded import LoadedModel
from assets.models.engine.sites import Site, Sites

Edit = Callable[[int, torch.Tensor], torch.Tensor]
"""From a layer and z to z, perhaps of more sequences."""

HeadSet = frozenset[tuple[int, int]]
"""Heads as (layer, head)."""

Replacement = Mapping[int, torch.Tensor]
"""By layer, what is put in place of z: (sequences or 1, tokens or 1, heads, d_value)."""


@contextmanager
def edited(sites: Sites, edit: Edit) -> Iterator[None]:
    """Forward passes within go on with what `edit` makes of each layer's z."""

    def hook_of(layer: int, site: Site) -> Callable[[nn.Module, tuple[Any, ...]], tuple[Any, ...]]:
        def hook(module: nn.Module, given: tuple[Any, ...]) -> tuple[Any, ...]:
            z = given[0].unflatten(-1, (site.n_heads, site.d_value))
            return (edit(layer, z).flatten(2), *given[1:])

        return hook

    with hooked([site.projection.register_forward_pre_hook(hook_of(layer, site)) for layer, site in sites.items()]):
        yield


def keeping_in(outputs: dict[int, torch.Tensor]) -> Edit:
    """The edit that changes nothing, and puts each layer's z where it is told."""

    def keep(layer: int, z: torch.Tensor) -> torch.Tensor:
        outputs[layer] = z
        return z

    return keep


def head_outputs(loaded: LoadedModel, sites: Sites, token_ids: torch.Tensor) -> dict[int, torch.Tensor]:
    """z of every layer in one forward pass of the body over token_ids, int64 (sequences, tokens)."""
    outputs: dict[int, torch.Tensor] = {}
    with torch.inference_mode(), edited(sites, keeping_in(outputs)):
        body(loaded, token_ids)
    return outputs


def mean_outputs(loaded: LoadedModel, sites: Sites, token_ids: torch.Tensor) -> Replacement:
    """The mean over sequences of z at each position, (1, tokens, heads, d_value) by layer."""
    sums: dict[int, torch.Tensor] = {}
    for batch in batches(loaded, token_ids):
        for layer, z in head_outputs(loaded, sites, batch).items():
            sums[layer] = sums.get(layer, 0) + z.sum(0, keepdim=True)
    return {layer: total / len(token_ids) for layer, total in sums.items()}


def replacing(sites: Sites, sets: list[HeadSet], replacement: Replacement) -> Edit:
    """The edit that puts the replacement in place of each set's heads, in one sequence of a batch for each set.

    It takes z of one sequence, and returns that of as many as there are sets, or z of as many already.
    """
    chosen = {}
    for layer, site in sites.items():
        rows = [[(layer, head) in heads for head in range(site.n_heads)] for heads in sets]
        if any(map(any, rows)):
            chosen[layer] = torch.tensor(rows)[:, None, :, None]

    def edit(layer: int, z: torch.Tensor) -> torch.Tensor:
        return torch.where(chosen[layer].to(z.device), replacement[layer], z) if layer in chosen else z

    return edit


def kept_at_once(loaded: LoadedModel, n_tokens: int, n_logits: int = 0) -> int:
    """Sequences that the model's memory holds in passes that keep what every layer makes; one at least."""
    n_layers = loaded.model.config.get_text_config().num_hidden_layers
    return max(1, loaded.activation_bytes // (n_layers * sequence_bytes(loaded, n_tokens, n_logits=n_logits)))


def log_probabilities(loaded: LoadedModel, token_ids: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
    """Log-probabilities, nats, of the tokens after some positions, the language-model head run there alone.

    Args:
        token_ids: int64 (sequences, tokens), all attended: no padding.
        at: int64 (positions,), none of them the last.

    Returns:
        float32 (sequences, positions); of more sequences where an edit made more of one.
    """
    token_ids, at = token_ids.to(loaded.device), at.to(loaded.device)
    if "logits_to_keep" in inspect.signature(loaded.model.forward).parameters:
        logits = loaded.model(token_ids, use_cache=False, logits_to_keep=at).logits.float()
    else:
        logits = loaded.model(token_ids, use_cache=False).logits[:, at].float()
    following = token_ids[:, at + 1].expand(len(logits), -1)
    return logits.gather(-1, following.unsqueeze(-1)).squeeze(-1) - logits.logsumexp(-1)


def nothing(loaded: LoadedModel, sites: Sites) -> Replacement:
    """Zero in place of every head."""
    return {
        layer: torch.zeros(1, 1, site.n_heads, site.d_value, dtype=loaded.dtype, device=loaded.device)
        for layer, site in sites.items()
    }
