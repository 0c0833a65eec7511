"""The recipe by which calibration models are trained: text, architecture and optimiser, in minutes on one processor.

Models of some 20,000 parameters, built from transformers' own classes, learn to continue text that repeats itself.
Two-layer models form a previous-token head and an induction head; one-layer models and models trained on text without
repetition do not. So the instrument is tried on weights whose answer is known. Here: one training run in memory.
Not here: the texts (text.py), which models are trained (families/*.yaml), where checkpoints are kept
(sources/calibration.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from pydantic import NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from assets.models.text import AnyText, Share
from assets.study import Strict, digest
from catalog.record import canonical_json

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

TRAINING_VERSION = 1
"""Raised when the same recipe and seed give other weights."""


class Recipe(Strict):
    """How the training runs of a calibration model are made.

    Adam with a linear warm-up, a constant rate, and a linear cool-down to zero over the last steps; gradients are
    clipped by norm; no weight decay.
    """

    architecture: Literal["gpt_neox", "gpt2", "llama", "gemma2", "qwen3"]
    layers: PositiveInt
    text: AnyText
    steps: PositiveInt
    checkpoints: list[NonNegativeInt]
    """Steps at which weights are kept; the last one is `steps`."""
    seeds: list[NonNegativeInt]
    heads: PositiveInt = 4
    kv_heads: PositiveInt | None = None
    """Key and value heads; None = as many as query heads. Not for gpt_neox and gpt2."""
    window: PositiveInt | None = None
    """Keys that a query sees in every other layer, from the first; None = all. Only for gemma2."""
    d_model: PositiveInt = 32
    d_mlp: PositiveInt = 64
    vocabulary: PositiveInt = 64
    context: PositiveInt = 64
    batch: PositiveInt = 32
    initializer_range: PositiveFloat = 0.1
    learning_rate: PositiveFloat = 1e-2
    warmup: PositiveInt = 30
    cooldown: NonNegativeInt = 100
    betas: tuple[Share, Share] = (0.9, 0.98)
    clip: PositiveFloat = 1.0

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.checkpoints != sorted(set(self.checkpoints)) or self.checkpoints[-1:] != [self.steps]:
            raise ValueError(f"checkpoints must rise and end with steps, {self.steps}")
        if len(set(self.seeds)) != len(self.seeds) or not self.seeds:
            raise ValueError("seeds must be distinct, and at least one")
        if self.d_model % (2 * self.heads) or self.heads % (self.kv_heads or self.heads):
            raise ValueError("d_model must be a multiple of 2 heads, and heads one of kv_heads")
        if self.kv_heads is not None and self.architecture in {"gpt_neox", "gpt2"}:
            raise ValueError(f"{self.architecture} has no grouped keys: leave out kv_heads")
        if self.window is not None and self.architecture != "gemma2":
            raise ValueError("window is for gemma2 only")
        self.text.refuse(self.vocabulary)
        return self

    @property
    def tokens_per_step(self) -> int:
        return self.batch * self.context

    @property
    def revision(self) -> str:
        """Digest of all that decides the weights of a seed at a step."""
        content = self.model_dump(mode="json", exclude={"seeds", "checkpoints"})
        return digest(canonical_json({"training_version": TRAINING_VERSION, **content}))


def configuration(recipe: Recipe) -> PreTrainedConfig:
    """The model's configuration, an instance of the architecture's own class."""
    from transformers import AutoConfig

    common: dict[str, Any] = {
        "vocab_size": recipe.vocabulary,
        "hidden_size": recipe.d_model,
        "num_hidden_layers": recipe.layers,
        "num_attention_heads": recipe.heads,
        "intermediate_size": recipe.d_mlp,
        "max_position_embeddings": recipe.context,
        "initializer_range": recipe.initializer_range,
        "tie_word_embeddings": False,
        "use_cache": False,
        "bos_token_id": None,
        "eos_token_id": None,
        "pad_token_id": None,
    }
    d_head = recipe.d_model // recipe.heads
    if recipe.architecture == "gpt_neox":
        common["rope_parameters"] = {"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 1.0}
    elif recipe.architecture == "gpt2":
        common |= {"n_inner": common.pop("intermediate_size"), "embd_pdrop": 0.0, "attn_pdrop": 0.0, "resid_pdrop": 0.0}
    else:
        common |= {"num_key_value_heads": recipe.kv_heads or recipe.heads, "head_dim": d_head}
    if recipe.architecture == "gemma2":
        common |= {"query_pre_attn_scalar": d_head, "sliding_window": recipe.window or recipe.context}
    return AutoConfig.for_model(recipe.architecture, **common)


def rate(recipe: Recipe, step: int) -> float:
    """Learning rate of the update that leads from `step` to the next."""
    warm = (step + 1) / recipe.warmup
    cool = (recipe.steps - step) / recipe.cooldown if recipe.cooldown else 1.0
    return recipe.learning_rate * min(1.0, warm, cool)


def train(recipe: Recipe, seed: int, keep: Sequence[int]) -> Iterator[tuple[int, PreTrainedModel]]:
    """One training run, repeatable to the bit by its seed on one machine and version of torch.

    Args:
        recipe: how.
        seed: decides initial weights and text.
        keep: steps at which the model is wanted, rising; training ends with the last.

    Yields:
        Step and model. It is one object throughout: save or copy it before going on.

    Raises:
        FloatingPointError: the training diverged.
    """
    import torch
    from transformers import AutoModelForCausalLM

    with _one_thread():
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            # soft-capped attention has no fused kernel
            kernel = "eager" if recipe.architecture == "gemma2" else "sdpa"
            model = AutoModelForCausalLM.from_config(configuration(recipe), attn_implementation=kernel)
        generator = np.random.default_rng(seed)
        text = recipe.text.draw(recipe.steps * recipe.batch, recipe.context, recipe.vocabulary, generator)
        batches = torch.from_numpy(text).view(recipe.steps, recipe.batch, recipe.context)
        parameters = list(model.parameters())
        optimizer = torch.optim.AdamW(parameters, betas=recipe.betas, weight_decay=0.0, fused=True)
        model.train()
        for step in range(keep[-1] + 1):
            if step in keep:
                yield step, model
            if step == keep[-1]:
                return
            optimizer.param_groups[0]["lr"] = rate(recipe, step)
            tokens = batches[step]
            logits = model(tokens).logits[:, :-1]
            loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())
            loss.backward()
            norm = torch.nn.utils.clip_grad_norm_(parameters, recipe.clip)
            if not norm.isfinite():
                raise FloatingPointError(f"the gradients of step {step} are not finite")
            optimizer.step()
            optimizer.zero_grad()


@contextmanager
def _one_thread() -> Iterator[None]:
    """Sums are split by threads: their number decides the last bits of a weight, and small models gain nothing."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
