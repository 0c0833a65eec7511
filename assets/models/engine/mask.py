"""What a layer lets each query see, read from the mask that it really uses rather than from its configuration.

Here: visible keys, the spans of keys that a block of rows needs, and the level of chance that follows. Not here: the
attention itself (paths.py).
"""

from __future__ import annotations

import torch

from assets.models.engine.readouts import Plan


class Mask:
    """A mask as a layer was given it, and what follows for the readouts of a plan.

    Attributes:
        chance: by readout, the score of uniform attention over the visible keys: the mean over queries of (wanted keys
            that the query sees) / (keys that it sees). None where no wanted key is seen.
        causal: whether no query sees a later key.
        selects: whether heads or sequences differ in what a position may see.
        entropy_weights: float32 (queries,), by which rows' entropies add to the mean over queries of entropy / log
            (keys that the query sees), queries that see one key left out. None where that is all of them, or where the
            plan does not ask.
    """

    def __init__(self, given: torch.Tensor | None, plan: Plan) -> None:
        """given: (sequences or 1, heads or 1, queries, keys), bool, True where attended, or a term of the logits; None
        for plain causal attention. What some head of some sequence can see counts as visible.
        """
        self._given = given
        if given is None:
            seen, n_visible = plan.keys <= plan.queries, torch.arange(1, plan.n_tokens + 1, device=plan.keys.device)
            self.causal, self.selects = True, False
        else:
            shown = given if given.dtype == torch.bool else given > torch.finfo(given.dtype).min / 2
            visible = shown.any(0).any(0)
            seen, n_visible = visible[plan.queries, plan.keys], visible.sum(-1)
            self.causal = not visible.triu(1).any()
            self.selects = not torch.equal(visible, shown.all(0).all(0))
            self._first = visible.byte().argmax(-1)
            self._end = len(visible) - visible.flip(-1).byte().argmax(-1)
        shares = (seen.cpu().double() / n_visible[plan.queries].cpu()) @ (plan.weights > 0).cpu().double()
        self.chance = [share / n or None for share, n in zip(shares.tolist(), plan.n_queries, strict=True)]
        self.entropy_weights = _entropy_weights(n_visible) if plan.rows else None

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The keys [low, high) outside which the rows [start, end) see nothing."""
        if self._given is None:
            return 0, end
        return int(self._first[start:end].min()), int(self._end[start:end].max())

    def hide(self, logits: torch.Tensor, start: int, low: int) -> None:
        """Masks, in place, logits (sequences, heads, rows, keys) of rows from start and keys from low."""
        n_rows, n_keys = logits.shape[2:]
        hidden = torch.finfo(logits.dtype).min
        if self._given is None:
            future = torch.ones(n_rows, n_rows, dtype=torch.bool, device=logits.device).triu(1)
            logits[..., start - low :].masked_fill_(future, hidden)
            return
        given = self._given[:, :, start : start + n_rows, low : low + n_keys]
        if given.dtype == torch.bool:
            logits.masked_fill_(~given, hidden)
        else:
            logits += given


def _entropy_weights(n_visible: torch.Tensor) -> torch.Tensor | None:
    several = n_visible > 1
    if not several.any():
        return None
    return torch.where(several, 1 / torch.log(n_visible.clamp(min=2).float()), 0.0) / several.sum()
