"""How many sequences go through a model at once, so that a forward pass stays within its memory.

Here: the estimate of what a token takes beside the weights. Not here: the passes. Values depend on it in their last
digits at most.
"""

from __future__ import annotations

import torch

from assets.models.engine.loaded import LoadedModel
from assets.models.engine.paths import BLOCK_ROWS

TOKENS_PER_BATCH = 4096
"""At most: more do not run faster."""

COPIES = 3
"""Of what a layer's weights yield: results beside inputs, and tensors laid out anew."""

MATRIX_COPIES = 3
"""Of attention logits: themselves, their softmax, and what is made of either on the way."""


def batches(
    loaded: LoadedModel, token_ids: torch.Tensor, n_matrices: int = 0, n_logits: int = 0
) -> tuple[torch.Tensor, ...]:
    """token_ids (sequences, tokens) in parts of as many sequences as the model's memory holds, one at least.

    Args:
        n_matrices: layers whose whole attention matrix is held at once.
        n_logits: positions a sequence whose next-token logits are held.
    """
    a_sequence = sequence_bytes(loaded, token_ids.shape[1], n_matrices, n_logits)
    n_sequences = min(loaded.activation_bytes // a_sequence, TOKENS_PER_BATCH // token_ids.shape[1])
    return token_ids.split(max(1, n_sequences))


def sequence_bytes(loaded: LoadedModel, n_tokens: int, n_matrices: int = 0, n_logits: int = 0) -> int:
    """What a forward pass of the model's body takes for one sequence: one to six times what is seen."""
    text = loaded.model.config.get_text_config()
    width, n_layers = loaded.dtype.itemsize, getattr(text, "num_hidden_layers", None) or 1
    n_heads = getattr(text, "num_attention_heads", None) or 1
    attention = 4 * MATRIX_COPIES * n_heads * BLOCK_ROWS
    if n_matrices:
        attention = (width * n_matrices + 4 * MATRIX_COPIES) * n_heads * n_tokens
    logits = (width + 4 * MATRIX_COPIES) * n_logits * text.vocab_size
    return n_tokens * (width * COPIES * _layer_width(loaded, n_layers) + attention) + logits


def _layer_width(loaded: LoadedModel, n_layers: int) -> int:
    """Numbers that the weight matrices of one layer yield for a token; of stacked experts those that it goes to."""
    text = loaded.model.config.get_text_config()
    n_chosen = getattr(text, "num_experts_per_tok", None)
    widths = 0
    for weight in loaded.model.parameters():
        if weight.ndim == 2 and text.vocab_size not in weight.shape:
            widths += max(weight.shape)
        elif weight.ndim == 3:
            widths += max(weight.shape[1:]) * min(n_chosen or weight.shape[0], weight.shape[0])
    return -(-widths // n_layers)
