"""A checkpoint folder as a model in memory, or a clear refusal.

transformers fills missing weights with random numbers and goes on; here that is an error, as is any weight that it
would leave out. Weights are safetensors, code is transformers' own. Not here: finding or fetching folders (sources/).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from assets.models.faults import fault_of
from assets.models.files import TOKENIZER_FILES, weight_files
from catalog.errors import UserError

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from assets.models.engine.loaded import LoadedModel

UNTRAINED_BELOW = 0.25
"""Rows of the embedding whose norm is below this share of the median norm count as untrained."""


def load(
    folder: Path,
    *,
    checkpoint_id: str,
    role: str,
    device: str = "cpu",
    dtype: str = "float32",
    activation_bytes: int = 2**30,
) -> LoadedModel:
    """Loads a folder in Hugging Face layout.

    Args:
        folder: config.json, *.safetensors and, where the model has one, tokenizer files.
        checkpoint_id: the checkpoint, named in every message about it.
        role: its family's role.
        device: cpu, cuda.
        dtype: precision that the weights are converted to and the model computes in.
        activation_bytes: what a forward pass may take beside the weights.

    Raises:
        UserError: weights are missing, left over, refused or damaged; the architecture is unknown.
    """
    import torch
    from huggingface_hub.errors import StrictDataclassError
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    from assets.models.engine.loaded import LoadedModel

    weight_files(folder)
    logging.disable_progress_bar()
    try:
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=getattr(torch, dtype),
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
    except (OSError, ValueError, KeyError, RuntimeError, StrictDataclassError) as error:
        raise UserError(
            f"The model can't be loaded: {error}",
            where=f"{checkpoint_id} ({folder})",
            mend="Weights and config.json must belong together, of an architecture that transformers itself carries: "
            "code that comes with weights is never run.",
            lasting=fault_of(error) == "lasting",
        ) from error
    model, told = loaded
    _refuse_gaps(told, checkpoint_id, folder)
    model.to(device)
    tokenizer = load_tokenizer(folder)
    return LoadedModel(
        checkpoint_id=checkpoint_id,
        role=role,
        model=model,
        ordinary_token_ids=ordinary_token_ids(model, tokenizer),
        bos_token_id=tokenizer.bos_token_id if tokenizer else None,
        adds_bos=adds_bos(tokenizer) if tokenizer else False,
        tokenizer=tokenizer,
        activation_bytes=activation_bytes,
    )


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase | None:
    """The folder's tokenizer; None where it holds none, as with models on synthetic tokens.

    Raises:
        UserError: there are tokenizer files that can't be read.
    """
    if not any((folder / name).exists() for name in TOKENIZER_FILES):
        return None
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:
        raise UserError(
            f"The tokenizer can't be read: {error}",
            where=str(folder),
            mend="Copy its files from the model's origin.",
            lasting=fault_of(error) == "lasting",
        ) from error


def adds_bos(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether the tokenizer puts its BOS token in front of a text: asked, since configurations state it wrongly."""
    ids = tokenizer("a").input_ids
    return tokenizer.bos_token_id is not None and ids[:1] == [tokenizer.bos_token_id]


def ordinary_token_ids(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase | None) -> torch.Tensor:
    """Ids that random inputs are drawn from, ascending, 1-D int64 on the CPU.

    An id is ordinary if it is below the tokenizer's length and the embedding's (embeddings are padded), is not special,
    and was trained. A token that never occurred in training has an embedding row that only weight decay moved, so that
    its norm falls far below the others' (Land and Bartolo 2024, arXiv 2405.05417): rows with less than a quarter of the
    median norm are left out. In a model at initialisation no row is. Unused tokens that kept the norm of their
    initialisation are not found by this rule.
    """
    import torch

    rows: torch.Tensor = model.get_input_embeddings().get_parameter("weight").detach().cpu()
    n = len(rows) if tokenizer is None else min(len(rows), len(tokenizer))
    norms = rows[:n].float().norm(dim=1)
    ordinary = norms >= UNTRAINED_BELOW * norms.median()
    if tokenizer is not None:
        special = {*tokenizer.all_special_ids, *(i for i, t in tokenizer.added_tokens_decoder.items() if t.special)}
        ordinary[[i for i in special if i < n]] = False
    return torch.nonzero(ordinary).flatten()


def _refuse_gaps(told: dict[str, Any], checkpoint_id: str, folder: Path) -> None:
    """Raises where a weight of the model is not in the files, or the other way round."""
    faults = {
        "missing from the files": told["missing_keys"],
        "in the files but not in the model": told["unexpected_keys"],
        "of another shape": [key for key, *_ in told["mismatched_keys"]],
        "unreadable": told["error_msgs"],
    }
    for fault, names in faults.items():
        if names:
            first = ", ".join(sorted(map(str, names))[:3])
            raise UserError(
                f"{len(names)} weights are {fault}: {first}{' ...' if len(names) > 3 else ''}.",
                where=f"{checkpoint_id} ({folder})",
                mend="Weights and config.json must belong together; copy all files of one checkpoint again.",
                lasting=True,
            )
