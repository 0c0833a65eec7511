"""What a layer lets each query see, read from the mask that it really uses rather than from its configuration.

Here: visible keys, the spans of keys that a block of rows needs, and the level of chance that follows. Not here: the
attention itself (paths.py).
"""

from __future__ import annotations

import torch

from assets.models.engine.readouts import Plan


def causal(n_tokens: int, device: torch.device) -> torch.Tensor:
    """bool (queries, keys): each token sees itself and all before."""
    return torch.ones(n_tokens, n_tokens, dtype=torch.bool, device=device).tril()


def chance_levels(plan: Plan, visible: torch.Tensor) -> list[float | None]:
    """The score of uniform attention over the visible keys, by readout; None where none of its pairs is visible.

    Args:
        visible: bool (queries, keys).
    """
    n_visible = visible.sum(-1)[plan.queries]
    share = visible[plan.queries, plan.keys].cpu().double() / n_visible.cpu()
    sums = share @ (plan.weights > 0).cpu().double()
    return [total / n or None for total, n in zip(sums.tolist(), plan.n_queries, strict=True)]


class Mask:
    """A mask as a layer was given it: True where attended, or to be added to the logits, or None for plain causal.

    Attributes:
        given: (sequences or 1, heads or 1, queries, keys), or None.
        visible: bool (queries, keys): what some head of some sequence can see.
        chance: by readout of the plan.
    """

    def __init__(self, given: torch.Tensor | None, n_tokens: int, plan: Plan) -> None:
        self.given = given
        if given is None:
            self.visible = causal(n_tokens, plan.queries.device)
        else:
            shown = given if given.dtype == torch.bool else given > torch.finfo(given.dtype).min / 2
            self.visible = shown.any(0).any(0)
        self.chance = chance_levels(plan, self.visible)
        order = torch.arange(1, n_tokens + 1, dtype=torch.int16, device=self.visible.device)
        self._first = (self.visible * order.flip(0)).argmax(-1)
        self._end = (self.visible * order).argmax(-1) + 1

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The keys [low, high) outside which the rows [start, end) see nothing."""
        return int(self._first[start:end].min()), int(self._end[start:end].max())

    def hide(self, logits: torch.Tensor, start: int, low: int) -> None:
        """Masks, in place, logits (sequences, heads, rows, keys) of rows from start and keys from low."""
        rows, keys = slice(start, start + logits.shape[2]), slice(low, low + logits.shape[3])
        if self.given is None:
            logits.masked_fill_(~self.visible[rows, keys], torch.finfo(logits.dtype).min)
        elif self.given.dtype == torch.bool:
            logits.masked_fill_(~self.given[:, :, rows, keys], torch.finfo(logits.dtype).min)
        else:
            logits += self.given[:, :, rows, keys]
