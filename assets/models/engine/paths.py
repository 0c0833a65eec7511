"""Two ways to attend and to read probabilities on the way, neither of which holds a layer's full matrix.

- by_kernel: PyTorch's fused CPU kernel returns the logarithm of each row's normaliser beside the output, so that a
  probability is exp(scale * q.k - logsumexp), computed at the wanted pairs alone. Plain causal attention.
- by_blocks: an exact softmax of some rows at a time. Everything: windows and other masks, soft caps, learned sinks.

The entropy of a row is the logarithm of its normaliser less its mean logit, H = logsumexp - scale * q.(sum p k): the
kernel gives both, the second as its output with keys in place of values. The two are close where logits are large, and
their difference loses digits; where it may lose too many, kernel entropy is refused.

Shapes: query (sequences, heads, tokens, d_head); key and value the same with key heads, each of which serves
heads / key heads neighbouring query heads. Here: arithmetic on one layer. Not here: which path is taken (attend.py).
"""

from __future__ import annotations

from typing import NamedTuple

import torch

from assets.models.engine.mask import Mask
from assets.models.engine.readouts import Plan

READ_BYTES = 2**20
"""Of queries and keys gathered at a time: they stay in a processor's cache."""

BLOCK_ROWS = 32
"""More rows leave the cache and waste work on masked keys, fewer starve the matrix product."""

ENTROPY_ROUNDING = 16 * 2**-24
"""Bound on the error of the kernel's entropy of a row, over |logsumexp| + scale * |q|.|sum p k|, the size of what is
subtracted: twice what float64 showed on a real model of 30 layers."""

ENTROPY_ERROR = 1e-4
"""The most that rounding may change the mean of normalised entropies."""


class Attended(NamedTuple):
    """Attributes:
    output: (sequences, tokens, heads, d_value).
    scores: float32 (sequences, heads, readouts).
    row_sum_error: largest deviation of a checked row's sum from one, a learned sink's share included.
    entropy: float32 (sequences, heads), mean over queries of a row's entropy over that of a uniform one; beside a
        learned sink, of how the rest of the row is shared out. None where not asked for, or undefined.
    sink_share: float32 (sequences, heads), mean over queries of what a learned sink takes. None where there is none.
    """

    output: torch.Tensor
    scores: torch.Tensor
    row_sum_error: float
    entropy: torch.Tensor | None = None
    sink_share: torch.Tensor | None = None


def by_kernel(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float, plan: Plan, mask: Mask, checked: int
) -> Attended | None:
    """Causal attention of float32 tensors on a CPU. Checks the sum of the last row of sequence number `checked`.

    None where entropy is asked for and float32 cannot give it this way.
    """
    entropy = None
    output, logsumexp = _kernel(query, key, value, scale)
    if mask.entropy_weights is not None:
        entropy = _entropy(query, key, scale, logsumexp, mask.entropy_weights)
        if entropy is None:
            return None
    n_sequences, n_heads, _, d_head = query.shape
    grouped = (key.shape[1], -1)

    scores = query.new_zeros(n_sequences, n_heads, len(plan.names))
    n_pairs = max(1, READ_BYTES // (4 * n_sequences * n_heads * d_head))
    for at_query, at_key, weights in plan.split(n_pairs):
        products = _tokens(query, at_query).unflatten(1, grouped) * _tokens(key, at_key).unsqueeze(2)
        logits = scale * products.sum(-1).flatten(1, 2) - logsumexp.index_select(2, at_query)
        scores += torch.exp(logits) @ weights

    logits = query[checked, :, -1].unflatten(0, grouped) @ key[checked].transpose(1, 2)
    sums = torch.exp(scale * logits.flatten(0, 1) - logsumexp[checked, :, -1:]).sum(-1)
    return Attended(output.transpose(1, 2), scores, (sums - 1).abs().max().item(), entropy)


def _kernel(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Output, shaped like query, and the logarithm of each row's normaliser (sequences, heads, tokens)."""
    return torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(query, key, value, 0.0, True, scale=scale)


def _entropy(
    query: torch.Tensor, key: torch.Tensor, scale: float, logsumexp: torch.Tensor, weights: torch.Tensor
) -> torch.Tensor | None:
    """Mean normalised entropy (sequences, heads) of causal rows; None where its rounding error may be too large."""
    products = query * _kernel(query, key, key, scale)[0]
    size = logsumexp.abs() + scale * products.abs().sum(-1)
    if ((size @ weights).max() * ENTROPY_ROUNDING).item() > ENTROPY_ERROR:
        return None
    return (logsumexp - scale * products.sum(-1)).clamp(min=0) @ weights


def by_blocks(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    scale: float,
    plan: Plan,
    mask: Mask,
    softcap: float | None = None,
    sinks: torch.Tensor | None = None,
) -> Attended:
    """Attention under any mask; checks the sum of every row.

    Args:
        softcap: logits become softcap * tanh(logits / softcap).
        sinks: (heads,), a learned logit that takes a share of each row and attends to nothing.
    """
    n_sequences, n_heads, n_tokens, _ = query.shape
    grouped = (key.shape[1], -1)
    queries, keys, values = (query * scale).unflatten(1, grouped), key.mT.contiguous(), value.contiguous()
    output = value.new_empty(n_sequences, n_tokens, n_heads, value.shape[-1])
    scores = torch.zeros(n_sequences, n_heads, len(plan.names), device=query.device)
    weights = mask.entropy_weights
    entropy = None if weights is None else torch.zeros_like(scores[:, :, 0])
    sink_share = torch.zeros_like(scores[:, :, 0]) if plan.rows and sinks is not None else None
    errors = []

    for start in range(0, n_tokens, BLOCK_ROWS):
        end = min(start + BLOCK_ROWS, n_tokens)
        low, high = mask.span(start, end)
        logits = (queries[:, :, :, start:end].flatten(2, 3) @ keys[..., low:high]).float()
        logits = logits.view(n_sequences, n_heads, end - start, high - low)
        if softcap is not None:
            logits = logits.div_(softcap).tanh_().mul_(softcap)
        mask.hide(logits, start, low)
        if sinks is not None:
            logits = torch.cat([logits, sinks.float().view(1, -1, 1, 1).expand(*logits.shape[:3], 1)], dim=-1)
        probabilities = torch.softmax(logits, dim=-1)
        errors.append((probabilities.sum(-1) - 1).abs().max())
        if entropy is not None and weights is not None:
            beside = probabilities if sinks is None else torch.softmax(logits[..., : high - low], dim=-1)
            entropy += row_entropy(beside) @ weights[start:end]
        if sink_share is not None:
            sink_share += probabilities[..., -1].sum(-1) / n_tokens
        probabilities = probabilities[..., : high - low]
        output[:, start:end] = _mix(probabilities, values[:, :, low:high])
        scores += _read(probabilities, plan, start, end, low)
    return Attended(output, scores, torch.stack(errors).max().item(), entropy, sink_share)


def row_entropy(probabilities: torch.Tensor) -> torch.Tensor:
    """Entropy of each row (..., keys), nats."""
    return torch.special.entr(probabilities).sum(-1)


def _tokens(tensor: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
    """Some tokens of (sequences, heads, tokens, d), copied along the order in which they lie in memory."""
    if tensor.is_contiguous():
        return tensor.index_select(2, at)
    return tensor.transpose(1, 2).index_select(1, at).transpose(1, 2)


def _mix(probabilities: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """Values (sequences, key heads, keys, d) weighted by each row: (sequences, rows, heads, d)."""
    n_rows = probabilities.shape[2]
    grouped = probabilities.to(values.dtype).unflatten(1, (values.shape[1], -1)).flatten(2, 3)
    return (grouped @ values).unflatten(2, (-1, n_rows)).flatten(1, 2).transpose(1, 2)


def _read(probabilities: torch.Tensor, plan: Plan, start: int, end: int, low: int) -> torch.Tensor:
    """What rows [start, end) with keys from low add to the scores; keys outside have probability 0."""
    pairs = plan.of_rows(start, end)
    queries, keys = plan.queries[pairs] - start, plan.keys[pairs] - low
    within = (keys >= 0) & (keys < probabilities.shape[3])
    return probabilities[:, :, queries[within], keys[within]] @ plan.weights[pairs][within]
