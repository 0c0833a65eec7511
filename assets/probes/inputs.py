"""Random token sequences that probes measure on, and how many a family's role asks for.

`repeated`: n distinct ordinary tokens, m times over. `distinct`: m * n distinct tokens, the placebo input. `recent`:
distinct tokens of which the last ones are repeated. `walk`: what stands for text where a model has no tokenizer. The
same seed gives the same sequences to every probe; a model whose tokenizer puts a BOS token in front gets it here. Not
here: text (texts.py), what is read on them.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field, PositiveInt

from assets.models.text import Repeats
from assets.probes.registry import NotApplicable, Parameters, Setting
from assets.study import Strict

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

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

    n: int | None = Field(default=None, ge=4)
    """Distinct tokens in a block; with fewer, offset_profile would have no keys to read."""
    m: int = Field(default=2, ge=2)
    """Blocks in a sequence."""
    n_sequences: PositiveInt | None = None
    bos: bool | None = None
    """Whether a BOS token stands in front; None = as the model's tokenizer does."""


def size_for(setting: Setting) -> dict[str, int | bool]:
    """n, m and n_sequences; our own models are small in vocabulary and context. `bos` only where it is forced."""
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
    length = shape.m * shape.n
    n_distinct = shape.n if kind == "repeated" else length
    refuse_length(model, length + model.adds_bos)
    tokens = _distinct(model, n_distinct, shape.n_sequences, f"{kind} {sample_seed}")
    return with_bos(model, tokens.repeat(1, length // n_distinct))


def sample_recent(model: LoadedModel, distance: int, shape: Shape, sample_seed: int) -> torch.Tensor:
    """As many tokens as `sample` gives: all distinct but the last `distance`, which repeat the ones before them.

    Raises:
        NotApplicable: the model has too few ordinary tokens, or too short a context.
    """
    import torch

    length = shape.m * shape.n
    refuse_length(model, length + model.adds_bos)
    tokens = _distinct(model, length - distance, shape.n_sequences, f"recent {distance} {sample_seed}")
    return with_bos(model, torch.cat([tokens, tokens[:, -distance:]], dim=1))


def sample_walk(model: LoadedModel, length: int, n_sequences: int, sample_seed: int) -> NDArray[np.int64]:
    """int64 (n_sequences, length): what calibration models read as text, without BOS.

    Each sequence walks a cycle of 8 to 32 distinct ordinary tokens; after the first pass it jumps to a random place of
    the cycle with probability .01 a step (assets/models/text.py, Repeats).
    """
    ids = model.ordinary_token_ids.numpy()
    generator = np.random.default_rng(_seed(f"walk {length} {sample_seed}"))
    text = Repeats(kind="repeats", longest=min(32, len(ids)), jump=0.01)
    return ids[text.draw(n_sequences, length, len(ids), generator)]


def with_bos(model: LoadedModel, tokens: torch.Tensor) -> torch.Tensor:
    """The sequences as the model is given them: BOS in front where its tokenizer puts one."""
    import torch

    return torch.nn.functional.pad(tokens, (1, 0), value=model.bos_token_id) if model.adds_bos else tokens


def refuse_length(model: LoadedModel, n_tokens: int) -> None:
    """Lets only inputs pass that the model was built for.

    Raises:
        NotApplicable: the context is shorter.
    """
    if model.context_length is not None and model.context_length < n_tokens:
        raise NotApplicable(f"{n_tokens} tokens are needed and the context is {model.context_length}.")


def _distinct(model: LoadedModel, n_distinct: int, n_sequences: int, label: str) -> torch.Tensor:
    """int64 (n_sequences, n_distinct): ordinary tokens, none twice in a sequence; the label alone decides."""
    import torch

    ids = model.ordinary_token_ids
    if len(ids) < n_distinct:
        raise NotApplicable(f"{n_distinct} distinct tokens are needed and the model has {len(ids)} ordinary ones.")
    generator = torch.Generator().manual_seed(_seed(label, signed=True))
    return ids[torch.stack([torch.randperm(len(ids), generator=generator)[:n_distinct] for _ in range(n_sequences)])]


def _seed(label: str, signed: bool = False) -> int:
    return int.from_bytes(hashlib.sha256(label.encode()).digest()[:8], "big", signed=signed)
