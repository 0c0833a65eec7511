"""Calls of a model's modules, caught on the way and made again on other hidden states.

A block or an attention module needs much beside its hidden states (rotations, masks), differently by architecture.
Here: catching a call with all of that, and making it again with hidden states of one's own. Not here: what is learnt
from it (folding.py, head_weights.py, residual.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.hooks import RemovableHandle
from transformers import PreTrainedModel

from assets.models.engine.loaded import LoadedModel


class UnknownStructureError(Exception):
    """The model is not built of blocks as this engine knows them; the message completes "not applicable: "."""


@dataclass(frozen=True)
class Call:
    """A module and all that it was called with."""

    module: torch.nn.Module
    positional: tuple[Any, ...]
    named: dict[str, Any]

    @property
    def hidden(self) -> torch.Tensor:
        """The hidden states (sequences, tokens, d_model) that it was called on."""
        return self.named["hidden_states"] if "hidden_states" in self.named else self.positional[0]

    def on(self, hidden: torch.Tensor) -> torch.Tensor:
        """What the module makes of other hidden states of the same shape."""
        if "hidden_states" in self.named:
            made = self.module(*self.positional, **self.named | {"hidden_states": hidden})
        else:
            made = self.module(hidden, *self.positional[1:], **self.named)
        return first(made)


def first(made: Any) -> torch.Tensor:
    """The hidden states in what a module returns, which may be a plain tuple that begins with them.

    Raises:
        UnknownStructureError: it returns something else.
    """
    found = made[0] if type(made) is tuple else made
    if not isinstance(found, torch.Tensor):
        raise UnknownStructureError("its blocks do not hand on a residual stream")
    return found


def blocks_of(model: PreTrainedModel) -> torch.nn.ModuleList:
    """The blocks that write the residual stream one after the other.

    Raises:
        UnknownStructureError: there is no one list of as many modules as the configuration has layers.
    """
    n_layers = getattr(model.config.get_text_config(), "num_hidden_layers", None)
    for root in (model.get_decoder(), model.base_model):  # some classes call their unembedding "decoder"
        for module in root.modules():
            if isinstance(module, torch.nn.ModuleList) and len(module) == n_layers:
                return module
    raise UnknownStructureError("its blocks are not in one list")


def catch(loaded: LoadedModel, modules: Sequence[torch.nn.Module], n_sequences: int, n_tokens: int) -> list[Call]:
    """The modules' calls in one forward pass of the body, by module.

    Raises:
        UnknownStructureError: one is not called exactly once.
    """
    calls: dict[torch.nn.Module, list[Call]] = {module: [] for module in modules}

    def keep(module: torch.nn.Module, positional: tuple[Any, ...], named: dict[str, Any]) -> None:
        calls[module].append(Call(module, positional, named))

    with hooked([module.register_forward_pre_hook(keep, with_kwargs=True) for module in modules]):
        body(loaded, some_tokens(loaded, n_sequences, n_tokens))
    if any(len(found) != 1 for found in calls.values()):
        raise UnknownStructureError("a module is not called once a forward pass")
    return [found[0] for found in calls.values()]


def body(loaded: LoadedModel, token_ids: torch.Tensor) -> Any:
    """A forward pass without the language-model head."""
    return loaded.model.base_model(token_ids.to(loaded.device), use_cache=False)


def some_tokens(loaded: LoadedModel, n_sequences: int, n_tokens: int) -> torch.Tensor:
    """An input where only its shape matters; not of a special token, which models may treat as padding."""
    return loaded.ordinary_token_ids[:1].expand(n_sequences, n_tokens)


@contextmanager
def hooked(handles: Sequence[RemovableHandle]) -> Iterator[None]:
    """Hooks that are gone afterwards."""
    with ExitStack() as stack:
        for handle in handles:
            stack.callback(handle.remove)
        yield
