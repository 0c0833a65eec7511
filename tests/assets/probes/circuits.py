"""The induction circuit of test_hand_built.py by itself, with room for one more head, for causal probes."""

from __future__ import annotations

import torch
from transformers import GPT2Config, GPT2LMHeadModel

from assets.models.engine.loaded import LoadedModel
from tests.assets.probes.test_hand_built import (
    D_MODEL,
    INDUCTION_HEAD,
    PART,
    POSITION,
    PREVIOUS,
    PREVIOUS_TOKEN_HEAD,
    TOKEN,
    set_head,
)

UNLINKED_HEAD = (0, 1)
"""Looks at the previous token too, and writes it where nobody reads."""
UNREAD = 3 * PART


def induction_circuit() -> LoadedModel:
    """A previous-token head that an induction head reads, one that it does not, and six heads without weights."""
    config = GPT2Config(
        vocab_size=PART,
        n_positions=PART,
        n_embd=D_MODEL,
        n_layer=2,
        n_head=4,
        n_inner=8,
        bos_token_id=0,
        eos_token_id=0,
    )
    model = GPT2LMHeadModel(config)
    for name, parameter in model.named_parameters():
        torch.nn.init.constant_(parameter, 1.0 if "ln_" in name and name.endswith("weight") else 0.0)
    model.transformer.wte.weight.data[:, TOKEN : TOKEN + PART] = torch.eye(PART)
    model.transformer.wpe.weight.data[:, POSITION : POSITION + PART] = torch.eye(PART)
    set_head(model, PREVIOUS_TOKEN_HEAD, POSITION, POSITION, back=1, write=(TOKEN, PREVIOUS, 1.0))
    set_head(model, UNLINKED_HEAD, POSITION, POSITION, back=1, write=(TOKEN, UNREAD, 1.0))
    set_head(model, INDUCTION_HEAD, TOKEN, PREVIOUS, write=(TOKEN, TOKEN, 100.0))
    return LoadedModel("circuit@main", "calibration", model, torch.arange(1, PART), bos_token_id=0, adds_bos=True)
