"""A corpus as inputs of a model: windows of exact length, and single sentences.

A model without a tokenizer reads walks instead (inputs.py, sample_walk), so that every model has a text. What is taken
is spread evenly over the corpus; another sample seed takes other parts of it. Here: tokenising and cutting. Not here:
which text (corpora), what is read on it.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from assets.probes.corpora import Corpus
from assets.probes.inputs import refuse_length, sample_walk, with_bos
from assets.probes.registry import NotApplicable, Parameters, Setting
from catalog.errors import UserError

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray
    from transformers import PreTrainedTokenizerBase

    from assets.models.engine.loaded import LoadedModel

WALK = "walk"
"""Stands for the corpus where a model has no tokenizer."""

SENTENCE = re.compile(r"\S.*?(?:[.!?]+[\"'\u2019\u201d)\]]*(?=\s|$)|$)")
WORDS = range(5, 51)
"""In a sentence that is taken."""
WALK_TOKENS = range(8, 33)
"""In a sentence of a model without a tokenizer; each length is as likely."""

GOLDEN = (5**0.5 - 1) / 2
"""Multiples of it, modulo one, keep away from each other: where a sample seed begins within each part of a corpus."""


def corpus_parameter(setting: Setting) -> Parameters:
    """What the cache key of a probe on text holds: the family may or may not have a tokenizer."""
    return {"corpus": setting.corpus.identity}


def text_of(model: LoadedModel, setting: Setting) -> str:
    """What a variant's parameter `corpus` holds: the corpus, or `walk`."""
    return WALK if model.tokenizer is None else setting.corpus.identity


def token_ids(model: LoadedModel, corpus: Corpus) -> NDArray[np.int64]:
    """The corpus, tokenised once and as a whole, without special tokens.

    Raises:
        NotApplicable: the model has no tokenizer.
    """
    if model.tokenizer is None:
        raise NotApplicable("It has no tokenizer.")
    return _tokenised(model.tokenizer, corpus)


@lru_cache(maxsize=1)
def _tokenised(tokenizer: PreTrainedTokenizerBase, corpus: Corpus) -> NDArray[np.int64]:
    return np.array(_plain(tokenizer, corpus.text()), dtype=np.int64)


def _plain(tokenizer: PreTrainedTokenizerBase, text: str | list[str]) -> list:
    """Ids; what looks like a special token in the text is text."""
    return tokenizer(text, add_special_tokens=False, split_special_tokens=True, verbose=False).input_ids


def windows(model: LoadedModel, setting: Setting, length: int, n: int, least: int = 2) -> torch.Tensor:
    """int64 (n or as many as there are, length): disjoint passages, spread evenly; BOS is one of `length`.

    Raises:
        NotApplicable: the model's context is shorter, or another sample would be of the same text.
        UserError: the corpus does not hold the least number of them.
    """
    import torch

    refuse_length(model, length)
    n_tokens = length - model.adds_bos
    if model.tokenizer is None:
        return with_bos(model, torch.from_numpy(sample_walk(model, n_tokens, n, setting.sample_seed)))
    ids = token_ids(model, setting.corpus)
    n = min(n, len(ids) // n_tokens)
    if n < least:
        raise _too_short(setting.corpus, f"{least * n_tokens} tokens are needed and it has {len(ids)}")
    part = len(ids) / n
    moved = _place(setting) * (part - n_tokens)
    _refuse_the_same(setting, moved >= n_tokens)
    begin = (np.arange(n) * part + moved).astype(np.int64)
    return with_bos(model, torch.from_numpy(ids[begin[:, None] + np.arange(n_tokens)]))


def sentences(model: LoadedModel, setting: Setting, n: int) -> list[NDArray[np.int64]]:
    """n sentences, or as many as there are, spread evenly: int64 (tokens,) each, without BOS.

    A sentence ends after . ! or ? with the quotes and brackets that close behind it, and at the end of a line; those of
    5 to 50 words are taken that fit the model's context. A sentence of a walk has 8 to 32 tokens.

    Raises:
        NotApplicable: a walk is longer than the model's context, or another sample would be of the same text.
        UserError: the corpus has no two sentences.
    """
    if model.tokenizer is None:
        refuse_length(model, WALK_TOKENS[-1])
        walks = sample_walk(model, WALK_TOKENS[-1], n, setting.sample_seed)
        return [walk[: WALK_TOKENS[number % len(WALK_TOKENS)]] for number, walk in enumerate(walks)]
    found = split_sentences(setting.corpus.text())
    n = min(n, len(found))
    if n < 2:
        raise _too_short(setting.corpus, f"two sentences are needed and it has {n}")
    first, chosen = (((np.arange(n) + place) * len(found) / n).astype(np.int64) for place in (0, _place(setting)))
    _refuse_the_same(setting, not np.isin(chosen, first).any())
    cut = (np.array(ids, dtype=np.int64) for ids in _plain(model.tokenizer, [found[at] for at in chosen]))
    return [ids for ids in cut if 2 <= len(ids) <= (model.context_length or len(ids))]


def split_sentences(text: str) -> list[str]:
    """The sentences of 5 to 50 words, in order: the same for every model."""
    found = (match.group() for line in text.splitlines() for match in SENTENCE.finditer(line))
    return [sentence for sentence in found if len(sentence.split()) in WORDS]


def _place(setting: Setting) -> float:
    """Where in its part of the corpus a sample begins, from 0 up to 1."""
    return setting.sample_seed * GOLDEN % 1


def _refuse_the_same(setting: Setting, is_other: bool) -> None:
    """Lets only samples pass that share nothing with the first: a retest on the same text would agree with itself.

    Raises:
        NotApplicable: the corpus is too short for another one.
    """
    if setting.sample_seed and not is_other:
        raise NotApplicable("The corpus is too short for a second sample of other text.")


def _too_short(corpus: Corpus, why: str) -> UserError:
    return UserError(
        f"The corpus is too short: {why}.", where=str(corpus.path), mend="Name a longer text.", lasting=True
    )
