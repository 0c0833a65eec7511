"""A checkpoint in memory: what the loader hands to the probes.

Here: the model in evaluation mode and the few facts about it that measuring needs. Not here: finding and reading
weights (assets/models/loading.py), what a probe reads (readouts.py), or which keys a layer lets a query see: the engine
learns that from the mask that the layer really uses.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass(frozen=True)
class LoadedModel:
    """One checkpoint, ready to be measured.

    Attributes:
        checkpoint_id: the checkpoint, named in every message about it.
        role: its family's role: natural, calibration or control.
        model: a causal language model; set to evaluation mode here.
        ordinary_token_ids: 1-D int64, on the CPU: ids that random inputs are drawn from. Not special, below the
            tokenizer's length and the embedding's, trained. Ascending.
        bos_token_id: the BOS token, None where there is none.
        adds_bos: whether the tokenizer puts it in front; such a model is measured with it.
        tokenizer: None for models on synthetic tokens.
        activation_bytes: what a forward pass may take beside the weights; batches adapt to it, values do not.
    """

    checkpoint_id: str
    role: str
    model: PreTrainedModel
    ordinary_token_ids: torch.Tensor
    bos_token_id: int | None = None
    adds_bos: bool = False
    tokenizer: PreTrainedTokenizerBase | None = None
    activation_bytes: int = 2**30

    def __post_init__(self) -> None:
        if self.adds_bos and self.bos_token_id is None:
            raise ValueError(f"{self.checkpoint_id}: a model that adds BOS needs its id")
        self.model.eval()

    @property
    def device(self) -> torch.device:
        return self.model.device

    @property
    def dtype(self) -> torch.dtype:
        return self.model.dtype

    @property
    def context_length(self) -> int | None:
        """Longest input that the model was built for, tokens; None where the configuration states no limit."""
        text = self.model.config.get_text_config()
        return getattr(text, "max_position_embeddings", None)
