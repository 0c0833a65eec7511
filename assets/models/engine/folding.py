"""What a normalisation does to the weights beside it: the part of it that can be folded into them.

A normalisation is a positive factor for each vector, a gain for each coordinate, and in LayerNorm the removal of the
mean. Gain and mean are linear and fold into the weights that read the result; the factor can't be, and is left out
wherever weights are studied without inputs (Elhage et al. 2021; TransformerLens calls it fold_ln). Which normalisation
stands where, and whether its gain is w or 1 + w, is found by asking the model, not by names. Not here: the weights
themselves (head_weights.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from assets.models.engine.calls import Call, UnknownStructureError, first, hooked, some_tokens
from assets.models.engine.loaded import LoadedModel
from assets.models.engine.residual import replaced

N_PROBES = 5
"""Vectors that a normalisation is asked about."""


@dataclass(frozen=True)
class Fold:
    """The linear part of x -> factor(x) * gain * (x - mean(x)) + bias; row vectors.

    Attributes:
        gain: float32 (d_model,).
        centres: whether the mean is removed.
    """

    gain: torch.Tensor
    centres: bool

    def into_reader(self, weight: torch.Tensor) -> torch.Tensor:
        """Weights (..., d_model, n) that read the normalised vector, as they read the vector itself."""
        weight = self.gain[:, None] * weight
        return weight - weight.mean(-2, keepdim=True) if self.centres else weight

    def into_writer(self, weight: torch.Tensor) -> torch.Tensor:
        """Weights (..., n, d_model) that write the vector, as they write the normalised one."""
        return self.gain * (weight - weight.mean(-1, keepdim=True) if self.centres else weight)


def tolerance(dtype: torch.dtype) -> float:
    """Relative deviation that counts as rounding: far above it in either precision, far below any nonlinearity."""
    return torch.finfo(dtype).eps ** 0.5


def close(found: torch.Tensor, wanted: torch.Tensor, dtype: torch.dtype) -> bool:
    """Whether two tensors are equal up to rounding, relative to the largest entry."""
    return bool((found - wanted).abs().max() <= tolerance(dtype) * wanted.abs().max().clamp_min(1e-30))


def fold_of(function: Callable[[torch.Tensor], torch.Tensor], d_model: int, dtype: torch.dtype) -> Fold:
    """The fold of a function of N_PROBES vectors, (N_PROBES, d_model) to the same shape.

    Raises:
        UnknownStructureError: the function is neither a normalisation nor a multiplication by coordinate.
    """
    generator = torch.Generator().manual_seed(0)
    signs = torch.ones(d_model)
    signs[torch.randperm(d_model, generator=generator)[: d_model // 2]] = -1.0
    x = torch.randn(d_model, generator=generator)
    probes = torch.stack([signs, -signs, x, 2 * x, x + 0.5])
    answers = function(probes.to(dtype)).float().cpu()
    if answers.shape != probes.shape:
        raise UnknownStructureError("what reads the residual stream is given vectors of another width")
    plus, minus, at_x, at_double, at_moved = answers

    bias, gain = (plus + minus) / 2, (plus - minus) / 2 * signs
    centres = close(at_moved, at_x, dtype)
    expected = x - x.mean() if centres else x
    if close(at_double, at_x, dtype):
        expected = expected / expected.square().mean().sqrt()
    if not close(at_x, gain * expected + bias, dtype):
        raise UnknownStructureError("what stands beside the residual stream is no plain normalisation")
    return Fold(gain, centres)


class _Reached(Exception):
    """Ends a forward pass where the wanted hidden states have been seen."""


def fold_before(block: Call, attention: torch.nn.Module, dtype: torch.dtype) -> Fold:
    """Of what a block does to the residual stream before its attention reads it.

    Args:
        block: a call on N_PROBES sequences.
    """

    def read(vectors: torch.Tensor) -> torch.Tensor:
        seen = []

        def look(_: torch.nn.Module, positional: tuple, named: dict) -> None:
            seen.append(Call(attention, positional, named).hidden)
            raise _Reached

        with hooked([attention.register_forward_pre_hook(look, with_kwargs=True)]):
            try:
                block.on(_like(vectors, block.hidden))
            except _Reached:
                return seen[0][:, 0]
        raise UnknownStructureError("its block does not always attend")

    return fold_of(read, block.hidden.shape[-1], dtype)


def fold_after(block: Call, attention: torch.nn.Module, dtype: torch.dtype) -> Fold:
    """Of what a block does to its attention's output before adding it to the residual stream."""
    written: list[torch.Tensor] = []
    consumers: list[torch.nn.Module] = []

    def look(module: torch.nn.Module, positional: tuple, named: dict) -> None:
        if written and any(given is written[0] for given in (*positional, *named.values())):
            if len(positional) + len(named) != 1:
                raise UnknownStructureError("what its heads write is not simply added to the residual stream")
            consumers.append(module)

    leaves = [module for module in block.module.modules() if not list(module.children())]
    hooks = [leaf.register_forward_pre_hook(look, with_kwargs=True) for leaf in leaves]
    hooks.append(attention.register_forward_hook(lambda *call: written.append(first(call[2]))))
    with hooked(hooks):
        block.on(block.hidden)
    d_model = block.hidden.shape[-1]
    if not consumers:
        return Fold(torch.ones(d_model), centres=False)
    return fold_of(lambda vectors: consumers[0](_like(vectors, block.hidden))[:, 0], d_model, dtype)


def fold_at_the_end(loaded: LoadedModel) -> Fold:
    """Of what stands between the last block and the unembedding.

    Raises:
        UnknownStructureError: the model has no such structure.
    """
    unembedding = loaded.model.get_output_embeddings()
    if not isinstance(getattr(unembedding, "weight", None), torch.Tensor):
        raise UnknownStructureError("its unembedding is not one matrix")

    def read(vectors: torch.Tensor) -> torch.Tensor:
        seen: list[torch.Tensor] = []

        def look(_: torch.nn.Module, positional: tuple) -> None:
            seen.append(positional[0])
            raise _Reached

        with (
            torch.inference_mode(),
            replaced(loaded, -1, lambda hidden: _like(vectors, hidden)),
            hooked([unembedding.register_forward_pre_hook(look)]),
        ):
            try:
                loaded.model(some_tokens(loaded, N_PROBES, 1).to(loaded.device), use_cache=False)
            except _Reached:
                return seen[0][:, 0]
        raise UnknownStructureError("its unembedding is not a module that runs")

    return fold_of(read, unembedding.weight.shape[1], loaded.dtype)


def _like(vectors: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
    """Vectors (sequences, d_model) as hidden states, the same at all positions.

    Raises:
        UnknownStructureError: these hidden states are not (sequences, tokens, d_model).
    """
    if hidden.ndim != 3 or hidden.shape[0] != len(vectors):
        raise UnknownStructureError("its residual stream is not one vector a token")
    if hidden.shape[-1] != vectors.shape[-1]:
        raise UnknownStructureError("what reads the residual stream is given vectors of another width")
    return vectors.to(hidden)[:, None].expand_as(hidden).contiguous()
