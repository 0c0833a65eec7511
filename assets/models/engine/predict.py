"""Next-token predictions at the positions that a behaviour metric needs, and at no others.

Not here: which positions those are and what is made of them (assets/probes).
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass

import numpy as np
import torch

from assets.models.engine.batches import batches
from assets.models.engine.loaded import LoadedModel


@dataclass(frozen=True)
class Prediction:
    """How the tokens after some positions were predicted; both (sequences, positions).

    Attributes:
        log_probability: float32, of the token that follows, nats.
        is_top: bool, whether it was the arg-max over the whole vocabulary.
    """

    log_probability: np.ndarray
    is_top: np.ndarray


def predict_next(loaded: LoadedModel, token_ids: torch.Tensor, at: np.ndarray) -> Prediction:
    """Predictions of token_ids[:, at + 1] from the tokens before each.

    Args:
        token_ids: int64 (sequences, tokens), all attended: no padding.
        at: int64 (positions,), none of them the last.
    """
    positions = torch.from_numpy(at)
    n_logits = len(positions) if _keeps_logits(loaded) else token_ids.shape[1]
    n_matrices = int(loaded.model.config._attn_implementation == "eager")
    probabilities, tops = [], []
    with torch.inference_mode():
        for batch in batches(loaded, token_ids, n_matrices, n_logits):
            logits = _logits(loaded, batch, positions)
            following = batch[:, positions + 1].to(logits.device).unsqueeze(-1)
            probabilities.append(logits.gather(-1, following).squeeze(-1) - logits.logsumexp(-1))
            tops.append(logits.argmax(-1) == following.squeeze(-1))
    return Prediction(torch.cat(probabilities).cpu().numpy(), torch.cat(tops).cpu().numpy())


def _logits(loaded: LoadedModel, token_ids: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    """float32 (sequences, positions, vocabulary), after whatever the model does to its logits."""
    model, positions = loaded.model, positions.to(loaded.device)
    if _keeps_logits(loaded):
        return model(token_ids.to(loaded.device), use_cache=False, logits_to_keep=positions).logits.float()
    return model(token_ids.to(loaded.device), use_cache=False).logits[:, positions].float()


def _keeps_logits(loaded: LoadedModel) -> bool:
    """Whether the model can leave out the logits of positions that are not wanted."""
    return "logits_to_keep" in inspect.signature(loaded.model.forward).parameters
