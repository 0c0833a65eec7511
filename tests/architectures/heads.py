"""Whether heads of one model can be replaced, and which of their weights can be read, checked by hand.

Here: two columns of the table. Not here: reading attention (survey.py).
"""

from __future__ import annotations

import re
from typing import NamedTuple

import torch

from assets.models.engine.calls import UnknownStructureError, hooked
from assets.models.engine.head_weights import HeadReader, LayerWeights
from assets.models.engine.heads import HeadSet, edited, head_outputs, nothing, replacing
from assets.models.engine.loaded import LoadedModel
from assets.models.engine.read import NoAttentionError, read_attention
from assets.models.engine.sites import Site, Sites, find_sites
from tests.architectures.whole_matrices import N_SEQUENCES, every_pair, matrices_of, token_ids

TOLERANCE = 1e-4
"""Relative to the largest number compared."""

PROJECTION = re.compile(
    r"(?!encoder_attn|crossattention)(.*\.)?(\w*attn\w*|\w*attention|temporal_block|mixer|self)"
    r"\.(\w+\.)?(o_proj|out_proj|c_proj|dense|wo|out_lin|o)"
)
"""Full name, within a block, of what projects the outputs of heads, in most classes."""


PARTS = ("query", "key", "value", "output")


class Column(NamedTuple):
    """An entry of the table, and what must not be."""

    found: str
    faults: tuple[str, ...] = ()


def replaced_heads(loaded: LoadedModel) -> Column:
    """Ablates one head of each layer, then all, and does it again by zeroing rows of the output projection."""
    try:
        sites = find_sites(loaded)
    except UnknownStructureError as error:
        return Column(f"no: {error}")
    untouched, faults, by_names = logits_of(loaded), [], True
    for layer, site in sites.items():
        for heads in ([1], list(range(site.n_heads))):
            chosen: HeadSet = frozenset((layer, head) for head in heads)
            with edited(sites, replacing(sites, [chosen] * N_SEQUENCES, nothing(loaded, sites))):
                ablated = logits_of(loaded)
            by_hand = zeroed_by_hand(loaded, site, heads)
            by_names = by_names and by_hand is not None
            if by_hand is not None and not near(ablated, by_hand):
                faults.append(f"ablating heads {heads} of layer {layer} is not zeroing their output projection")
            if near(ablated, untouched):
                faults.append(f"ablating heads {heads} of layer {layer} changes nothing")
    return Column("yes" if by_names else "yes, unchecked", tuple(faults))


def logits_of(loaded: LoadedModel) -> torch.Tensor:
    with torch.inference_mode():
        return loaded.model(token_ids(), use_cache=False).logits


def near(found: torch.Tensor, wanted: torch.Tensor) -> bool:
    return bool((found - wanted).abs().max() <= TOLERANCE * wanted.abs().max())


def zeroed_by_hand(loaded: LoadedModel, site: Site, heads: list[int]) -> torch.Tensor | None:
    """Logits with the heads' slices of the projection's weight at zero; None where no name tells the projection, or
    layers share it."""
    named = [module for name, module in site.block.named_modules() if PROJECTION.fullmatch(name)]
    weight = getattr(named[0], "weight", None) if len(named) == 1 else None
    owners = [module for module in loaded.model.modules() if getattr(module, "weight", None) is weight]
    if weight is None or len(owners) > 1:
        return None
    by_input = weight.T if type(named[0]).__name__ == "Conv1D" else weight
    kept = by_input.detach().clone()
    with torch.no_grad():
        by_input.unflatten(1, (site.n_heads, -1))[:, heads] = 0
        logits = logits_of(loaded)
        by_input.copy_(kept)
    return logits


def weights_of_heads(loaded: LoadedModel) -> Column:
    """Which weights of every layer that attends can be read, those that can checked against what the model does."""
    try:
        reader = HeadReader(loaded)
        weights = {layer: reader.read(layer) for layer in reader.layers}
    except UnknownStructureError as error:
        return Column(f"none: {error}")
    parts = [part for part in PARTS if all(getattr(of_layer, part) is not None for of_layer in weights.values())]
    found = "all" if len(parts) == len(PARTS) else ", ".join(parts) or "none: none is a linear map"
    try:
        sites = find_sites(loaded)
    except UnknownStructureError:
        return Column(found)
    return Column(found, tuple(faults_of_weights(loaded, sites, weights)))


def faults_of_weights(loaded: LoadedModel, sites: Sites, weights: dict[int, LayerWeights]) -> list[str]:
    """Heads' outputs are attention times inputs times W_V, and the module's are those times W_O, but for biases."""
    try:
        attention = matrices_of(read_attention(loaded, token_ids(), every_pair()))
    except NoAttentionError:
        return []
    given: dict[int, torch.Tensor] = {}
    made: dict[int, torch.Tensor] = {}
    handles = []
    for layer, site in sites.items():

        def keep(module, positional, named, output, layer=layer):  # type: ignore[no-untyped-def]
            given[layer] = named["hidden_states"] if "hidden_states" in named else positional[0]
            made[layer] = output[0] if isinstance(output, tuple) else output

        handles.append(site.attention.register_forward_hook(keep, with_kwargs=True))
    with hooked(handles):
        outputs = head_outputs(loaded, sites, token_ids())

    faults = []
    for layer, weight in weights.items():
        z = outputs[layer]
        if weight.value is not None and weight.output is not None:
            value = weight.value.repeat_interleave(z.shape[2] // len(weight.value), 0)
            values = torch.einsum("std,hdv->shtv", given[layer], value)
            matrix = torch.from_numpy(attention[layer]).float()
            told, share = ((matrix @ part).transpose(1, 2) for part in (values, torch.ones_like(values[..., :1])))
            if not constant((z - told) / share, z):
                faults.append(f"values of layer {layer} are not what its heads write")
        if weight.output is not None:
            told = torch.einsum("sthv,hvd->std", z, weight.output)
            if not constant(made[layer] - told, made[layer]):
                faults.append(f"outputs of layer {layer} are not what its attention yields")
    return faults


def constant(rest: torch.Tensor, of: torch.Tensor) -> bool:
    """Whether what is left is a bias: the same at every position of every sequence."""
    return bool((rest - rest[:1, :1]).abs().max() <= 10 * TOLERANCE * of.abs().max())
