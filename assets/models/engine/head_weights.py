"""Weights of attention heads, read off what a model does rather than off its parameters.

Architectures fuse, interleave and transpose their projections in a dozen ways. Here a registered attention function
sees the queries, keys and values that an attention module makes of basis vectors: the rows of W_Q, W_K and W_V. It
returns basis vectors, of which the module makes the rows of W_O. At position 0 rotary embeddings are the identity, so
that queries and keys are the unrotated ones. Random inputs tell whether the module is linear at all.

Row vectors throughout: a head's score is (x W_Q)(y W_K)^T and its output y W_V W_O. Not here: the normalisations
around an attention module (folding.py), circuits made of the weights (assets/probes).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import sdpa_mask

from assets.models.engine.attend import switched
from assets.models.engine.calls import Call, UnknownStructureError, blocks_of, body, catch, some_tokens
from assets.models.engine.folding import N_PROBES, Fold, close, fold_after, fold_before
from assets.models.engine.loaded import LoadedModel

IMPLEMENTATION = "moving_target_weights"

CHUNK = 256
"""Basis vectors a call: a sequence of one token each."""


@dataclass(frozen=True)
class LayerWeights:
    """Heads of one layer; float32 on the CPU, without biases and without folding.

    Attributes:
        query: (heads, d_model, d_head), unrotated, the scale of the scores included: (x W_Q)(y W_K)^T is the logit
            before any soft cap. None where queries or keys are no linear maps: they are normalised.
        key: (key heads, d_model, d_head), each for heads / key heads neighbouring heads; None with query.
        value: (key heads, d_model, d_value); None where values are no linear map.
        output: (heads, d_value, d_model); None where outputs are no linear map, or depend on more: they are gated.
        rotary: whether positions enter by turning queries and keys, None without them.
        before: the fold of the normalisation that the attention module reads through.
        after: the fold of the one that its output passes on its way to the residual stream.
    """

    query: torch.Tensor | None
    key: torch.Tensor | None
    value: torch.Tensor | None
    output: torch.Tensor | None
    rotary: bool | None
    before: Fold
    after: Fold

    @property
    def grouped(self) -> bool:
        """Whether several query heads share a key head."""
        return self.query is not None and self.key is not None and len(self.key) < len(self.query)

    def reading_and_writing(self) -> tuple[torch.Tensor, torch.Tensor] | None:
        """W_V and W_O of each query head with the folds: from residual stream to residual stream; None without them."""
        if self.value is None or self.output is None:
            return None
        n_heads = len(self.output)
        return self.before.into_reader(_by_head(self.value, n_heads)), self.after.into_writer(self.output)

    def matching(self) -> tuple[torch.Tensor, torch.Tensor] | None:
        """W_Q and W_K of each query head with the fold, both (heads, d_model, d_head); None without them."""
        if self.query is None or self.key is None:
            return None
        return self.before.into_reader(self.query), self.before.into_reader(_by_head(self.key, len(self.query)))


def _by_head(weight: torch.Tensor, n_heads: int) -> torch.Tensor:
    """Weights of key heads as those of the query heads that they serve."""
    return weight.repeat_interleave(n_heads // len(weight), dim=0)


class _Seen(NamedTuple):
    """What one call of the attention function was given, queries scaled; (sequences, heads, tokens, d)."""

    module: torch.nn.Module
    query: torch.Tensor
    key: torch.Tensor
    value: torch.Tensor


@dataclass
class _Tap:
    """The calls of the attention function, and what it returns: (sequences, tokens, heads * d_value), or zeros."""

    returned: torch.Tensor | None = None
    calls: list[_Seen] = field(default_factory=list)

    def ask(self, attention: Call, hidden: torch.Tensor, returned: torch.Tensor | None) -> tuple[_Seen, torch.Tensor]:
        """What an attention module hands to the attention function, and what it makes of what that returns."""
        self.calls, self.returned = [], returned
        made = attention.on(hidden.to(attention.hidden))
        if len(self.calls) != 1:
            raise UnknownStructureError("its layers do not attend once each")
        return self.calls[0], made


_tap: ContextVar[_Tap] = ContextVar("tap")


def tapped(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """transformers' attention function that does not attend."""
    tap = _tap.get()
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    tap.calls.append(_Seen(module, query * scale, key, value))
    shape = (query.shape[0], query.shape[2], query.shape[1], value.shape[-1])
    return (value.new_zeros(shape) if tap.returned is None else tap.returned.to(value).view(shape)), None


AttentionInterface.register(IMPLEMENTATION, tapped)
AttentionMaskInterface.register(IMPLEMENTATION, sdpa_mask)


class HeadReader:
    """Reads the heads of a model, one layer at a time, so that only one layer's weights are held twice.

    Attributes:
        layers: numbers of the layers that attend, ascending.
    """

    def __init__(self, loaded: LoadedModel) -> None:
        """Finds the attention modules and what they are called with.

        Raises:
            UnknownStructureError: the model does not attend by transformers' interface, once a block.
        """
        self._loaded = loaded
        with self._tapping() as tap:
            body(loaded, some_tokens(loaded, 1, 1))
            attention: dict[Any, torch.nn.Module] = {
                getattr(call.module, "layer_idx", None): call.module for call in tap.calls
            }
            if None in attention or len(attention) != len(tap.calls):
                raise UnknownStructureError("its attention is not one module a layer")
            if not attention:
                raise UnknownStructureError("it has no attention")
            self.layers: list[int] = sorted(attention)
            modules = [attention[layer] for layer in self.layers]
            blocks = [_block_of(module, blocks_of(loaded.model)) for module in modules]
            if len(set(blocks)) != len(blocks):
                raise UnknownStructureError("its attention is not one module a block")
            n_basis = min(CHUNK, loaded.model.config.get_text_config().hidden_size + 1)
            self._blocks = dict(zip(self.layers, catch(loaded, blocks, N_PROBES, 1), strict=True))
            self._basis = dict(zip(self.layers, catch(loaded, modules, n_basis, 1), strict=True))
            self._check = dict(zip(self.layers, catch(loaded, modules, N_PROBES, 2), strict=True))

    def read(self, layer: int) -> LayerWeights:
        """One layer's weights.

        Raises:
            UnknownStructureError: its attention does not read the residual stream through a plain normalisation.
        """
        block, basis, check, dtype = self._blocks[layer], self._basis[layer], self._check[layer], self._loaded.dtype
        with self._tapping() as tap:
            before = fold_before(block, basis.module, dtype)
            after = fold_after(block, basis.module, dtype)
            query, key, value = _of_inputs(basis, tap)
            n_heads, d_value = query.bias.shape[0], value.bias.shape[1]
            output = _of_outputs(basis, tap, n_heads * d_value)

            generator = torch.Generator().manual_seed(0)
            hidden = torch.randn(check.hidden.shape, generator=generator)
            returned = torch.randn(*hidden.shape[:2], n_heads * d_value, generator=generator)
            seen, made = tap.ask(check, hidden, returned)

        def linear(affine: _Affine, given: torch.Tensor, found: torch.Tensor) -> list[bool]:
            """Whether the affine map tells what was found, at position 0 and at position 1."""
            told = torch.tensordot(given, affine.weight, 1) + affine.bias
            return [close(found[:, at].float().cpu(), told[:, at], dtype) for at in (0, 1)]

        of_queries = linear(query, hidden, seen.query.transpose(1, 2))
        of_keys = linear(key, hidden, seen.key.transpose(1, 2))
        has_scores = of_queries[0] and of_keys[0]
        has_value = all(linear(value, hidden, seen.value.transpose(1, 2)))
        has_output = all(linear(output, returned, made))
        return LayerWeights(
            query=query.weight.transpose(0, 1) if has_scores else None,
            key=key.weight.transpose(0, 1) if has_scores else None,
            value=value.weight.transpose(0, 1) if has_value else None,
            output=output.weight.unflatten(0, (n_heads, d_value)) if has_output else None,
            rotary=not (of_queries[1] and of_keys[1]) if has_scores else None,
            before=before,
            after=after,
        )

    @contextmanager
    def _tapping(self) -> Iterator[_Tap]:
        """Attention calls within go to the tap.

        Raises:
            UnknownStructureError: the model does not use transformers' interface.
        """
        tap = _Tap()
        token = _tap.set(tap)
        try:
            with torch.inference_mode(), switched(self._loaded.model, IMPLEMENTATION) as reached:
                if not reached:
                    raise UnknownStructureError("its architecture does not use transformers' attention interface")
                yield tap
        finally:
            _tap.reset(token)


class _Affine(NamedTuple):
    """x -> x weight + bias; float32 on the CPU, weight (n, ...) and bias (...)."""

    weight: torch.Tensor
    bias: torch.Tensor

    @classmethod
    def of(cls, answers: list[torch.Tensor]) -> _Affine:
        """From what became of zero and of each basis vector, in this order."""
        rows = torch.cat(answers).float().cpu()
        return cls(rows[1:] - rows[0], rows[0])


def _of_inputs(attention: Call, tap: _Tap) -> tuple[_Affine, _Affine, _Affine]:
    """How queries, keys and values (heads, d) depend on hidden states (d_model,)."""
    answers: tuple[list[torch.Tensor], ...] = ([], [], [])
    n_sequences, _, d_model = attention.hidden.shape
    for vectors, n in _basis(d_model, n_sequences):
        seen, _ = tap.ask(attention, vectors[:, None], None)
        for answer, tensor in zip(answers, seen[1:], strict=True):
            answer.append(tensor[:n, :, 0])
    query, key, value = map(_Affine.of, answers)
    return query, key, value


def _of_outputs(attention: Call, tap: _Tap, width: int) -> _Affine:
    """How the module's output (d_model,) depends on what heads return (heads * d_value,), on hidden states of zero."""
    zeros = torch.zeros_like(attention.hidden)
    asked = _basis(width, len(zeros))
    return _Affine.of([tap.ask(attention, zeros, vectors[:, None])[1][:n, 0] for vectors, n in asked])


def _basis(width: int, n_rows: int) -> Iterator[tuple[torch.Tensor, int]]:
    """Zero and the basis vectors, (n_rows, width) at a time, the last padded with zeros; how many of them count."""
    for start in range(-1, width, n_rows):
        n = min(n_rows, width - start)
        rows = torch.arange(max(0, -start), n)
        vectors = torch.zeros(n_rows, width)
        vectors[rows, rows + start] = 1.0
        yield vectors, n


def _block_of(module: torch.nn.Module, blocks: torch.nn.ModuleList) -> torch.nn.Module:
    for block in blocks:
        if any(part is module for part in block.modules()):
            return block
    raise UnknownStructureError("its attention stands outside its blocks")
