"""A tokenizer and a corpus small enough to know every token of, for tests of probes on text."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from assets.probes.corpora import Corpus

if TYPE_CHECKING:
    from assets.models.engine.loaded import LoadedModel

LISTED = (
    "the The a one two three four five six cat Cat dog Dog bird sat ran sang on in under mat box tree . ! ? "
    "ten old new red big"
)
WORDS = LISTED.split()
VOCABULARY = {"<s>": 0, **{word: number for number, word in enumerate(WORDS, start=1)}}


def word_tokenizer() -> PreTrainedTokenizerFast:
    """A token a word; `<s>` is special."""
    tokenizer = Tokenizer(models.WordLevel(VOCABULARY, unk_token="<s>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", unk_token="<s>")


def reading(loaded: LoadedModel) -> LoadedModel:
    """The model with this tokenizer."""
    return dataclasses.replace(loaded, tokenizer=word_tokenizer())


def corpus_of(folder: Path, text: str) -> Corpus:
    path = folder / "corpus.txt"
    path.write_text(text, encoding="utf-8")
    return Corpus.of_file(path)
