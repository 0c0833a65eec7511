"""Random token sequences that probes measure on, and how many a family's role asks for.

`repeated`: n distinct ordinary tokens, m times over. `distinct`: m * n distinct tokens, the placebo input. The same
seed gives the same sequences to every probe; a model whose tokenizer puts a BOS token in front gets it here. Not here:
what is read on them.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from assets.probes.registry import NotApplicable, Parameters

if TYPE_CHECKING:
    import torch

    from assets.models.engine.loaded import LoadedModel

Kind = Literal["repeated", "distinct"]


@dataclass(frozen=True)
class Shape:
    """Size of the inputs: sequences of m blocks of n tokens."""

    n: int
    m: int
    n_sequences: int

    @classmethod
    def of(cls, parameters: Parameters) -> Shape:
        return cls(*(int(parameters[key]) for key in ("n", "m", "n_sequences")))


def size_for(role: str) -> dict[str, int]:
    """n, m and n_sequences for a family's role: our own small models have small vocabularies and short contexts."""
    if role in {"calibration", "control"}:
        return {"n": 24, "m": 2, "n_sequences": 64}
    return {"n": 50, "m": 2, "n_sequences": 32}


def sample(model: LoadedModel, kind: Kind, shape: Shape, sample_seed: int) -> torch.Tensor:
    """int64 (n_sequences, m * n), one more in front where the model adds BOS; on the CPU.

    Raises:
        NotApplicable: the model has too few ordinary tokens, or too short a context.
    """
    import torch

    ids = model.ordinary_token_ids
    length = shape.m * shape.n
    n_distinct = shape.n if kind == "repeated" else length
    if len(ids) < n_distinct:
        raise NotApplicable(f"{n_distinct} distinct tokens are needed and the model has {len(ids)} ordinary ones.")
    if model.context_length is not None and model.context_length < length + model.adds_bos:
        raise NotApplicable(f"{length + model.adds_bos} tokens are needed and the context is {model.context_length}.")

    digest = hashlib.sha256(f"{kind} {sample_seed}".encode()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest[:8], "big", signed=True))
    draws = [torch.randperm(len(ids), generator=generator)[:n_distinct] for _ in range(shape.n_sequences)]
    tokens = ids[torch.stack(draws)].repeat(1, length // n_distinct)
    if not model.adds_bos:
        return tokens
    return torch.nn.functional.pad(tokens, (1, 0), value=model.bos_token_id)
