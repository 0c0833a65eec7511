"""Random token sequences that probes measure on, and how many a family's role asks for.

`repeated`: n distinct ordinary tokens, m times over. `distinct`: m * n distinct tokens, the placebo input. The same
seed gives the same sequences to every probe; a model whose tokenizer puts a BOS token in front gets it here. Not here:
what is read on them.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from pydantic import PositiveInt

from assets.probes.registry import NotApplicable, Parameters, Setting
from assets.study import Strict

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


class Size(Strict):
    """Options of a probe on random tokens; None = by the family's role, see size_for."""

    n: PositiveInt | None = None
    """Distinct tokens in a block."""
    m: PositiveInt = 2
    """Blocks in a sequence."""
    n_sequences: PositiveInt | None = None
    bos: bool | None = None
    """Whether a BOS token stands in front; None = as the model's tokenizer does."""


def size_for(setting: Setting) -> dict[str, int | bool]:
    """n, m and n_sequences: our own small models have small vocabularies and short contexts. `bos` where it is forced."""
    size: Size = setting.options if isinstance(setting.options, Size) else Size()
    n, n_sequences = (24, 64) if setting.role in {"calibration", "control"} else (50, 32)
    found: dict[str, int | bool] = {"n": size.n or n, "m": size.m, "n_sequences": size.n_sequences or n_sequences}
    return found if size.bos is None else {**found, "bos": size.bos}


def with_bos_as_set(model: LoadedModel, setting: Setting) -> LoadedModel:
    """The model, with or without BOS in front of its inputs as the setting has it.

    Raises:
        NotApplicable: BOS is asked for and the model has none.
    """
    bos = setting.options.bos if isinstance(setting.options, Size) else None
    if bos and model.bos_token_id is None:
        raise NotApplicable("It has no BOS token.")
    return model if bos is None else replace(model, adds_bos=bos)


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
