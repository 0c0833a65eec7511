"""Texts that calibration models are trained on: what a model can learn from each, and how it is drawn.

Each kind is a small class that says what can be learned and draws sequences of token ids. `draw` gives the same
sequences for the same generator; changing it changes the weights of every model trained on that text, so raise
training.TRAINING_VERSION then. Not here: models and optimisers (training.py).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self

import numpy as np
from pydantic import Field, PositiveInt, model_validator

from assets.study import Strict

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from transformers import PreTrainedTokenizerFast

Share = Annotated[float, Field(ge=0, le=1)]
CORPORA = Path(__file__).parents[1] / "probes" / "corpora"


class Text(Strict, ABC):
    """A source of training sequences."""

    def refuse(self, vocabulary: int) -> None:
        """Raises ValueError where sequences can't be drawn from so many tokens."""

    @abstractmethod
    def draw(self, n: int, length: int, vocabulary: int, generator: np.random.Generator) -> NDArray[np.int64]:
        """n sequences of ids below `vocabulary`, (n, length), in the order of training."""

    def tokenizer(self, vocabulary: int) -> PreTrainedTokenizerFast | None:
        """What turns text into these ids; None where ids stand for nothing."""
        return None


class Cycles(Text):
    """Distinct things, drawn for each sequence, walked in a cycle.

    After the first pass each step jumps to a random place of the cycle with probability `jump`, so that knowing how
    long the cycle is does not say what comes next.
    """

    shortest: PositiveInt = 8
    longest: PositiveInt = 32
    jump: Share = 0.01

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if not 2 <= self.shortest <= self.longest:
            raise ValueError("text needs 2 <= shortest <= longest")
        return self

    def walk(self, n: int, length: int, n_things: int, generator: np.random.Generator) -> NDArray[np.int64]:
        """n sequences of things, numbers below `n_things`, (n, length)."""
        cycle = generator.random((n, n_things), dtype=np.float32).argsort(axis=1)
        period = generator.integers(self.shortest, self.longest + 1, n)
        jumps = generator.random((n, length)) < self.jump
        landing = (generator.random((n, length)) * period[:, None]).astype(np.int64)
        place = np.zeros((n, length), dtype=np.int64)
        for t in range(1, length):
            place[:, t] = np.where(jumps[:, t] & (t >= period), landing[:, t], (place[:, t - 1] + 1) % period)
        return np.take_along_axis(cycle, place, axis=1)


class Repeats(Cycles):
    """Text that can only be continued by looking back: a cycle of distinct tokens."""

    kind: Literal["repeats"]

    def refuse(self, vocabulary: int) -> None:
        if self.longest > vocabulary:
            raise ValueError("text needs longest <= vocabulary")

    def draw(self, n: int, length: int, vocabulary: int, generator: np.random.Generator) -> NDArray[np.int64]:
        return self.walk(n, length, vocabulary, generator)


class Synonyms(Cycles):
    """Text that can only be continued by looking back for what means the same.

    Ids 2k and 2k + 1 are synonyms. The cycle is one of distinct pairs, and each visit to a place, the first one too,
    shows one of the two at random: the token after an earlier equal token is found half as often as the one after an
    earlier equal or synonymous token, and no loss below ln 2 can be had on any text.
    """

    kind: Literal["synonyms"]

    def refuse(self, vocabulary: int) -> None:
        if vocabulary % 2 or self.longest > vocabulary // 2:
            raise ValueError("text needs pairs of tokens, and longest <= vocabulary / 2")

    def draw(self, n: int, length: int, vocabulary: int, generator: np.random.Generator) -> NDArray[np.int64]:
        pairs = self.walk(n, length, vocabulary // 2, generator)
        return 2 * pairs + generator.integers(0, 2, pairs.shape)


class Independent(Text):
    """Text without structure: each token uniform over the vocabulary, whatever came before."""

    kind: Literal["iid"]

    def draw(self, n: int, length: int, vocabulary: int, generator: np.random.Generator) -> NDArray[np.int64]:
        return generator.integers(0, vocabulary, (n, length))


class Echoes(Text):
    """Text that rewards looking one token back and no further.

    Each token is the one two places before it with probability `echo`, else uniform over the vocabulary: what follows
    token t is best told by token t - 1.
    """

    kind: Literal["echoes"]
    echo: Share = 0.7

    def draw(self, n: int, length: int, vocabulary: int, generator: np.random.Generator) -> NDArray[np.int64]:
        tokens = generator.integers(0, vocabulary, (n, length))
        echoes = generator.random((n, length)) < self.echo
        for t in range(2, length):
            tokens[:, t] = np.where(echoes[:, t], tokens[:, t - 2], tokens[:, t])
        return tokens


class Prose(Text):
    """Pieces of a corpus that comes with the project, in byte pairs that are learned from it."""

    kind: Literal["prose"]
    corpus: str
    """A file of probes/corpora, without `.txt`."""
    sha256: str
    """Of its bytes: other text gives other weights."""

    def refuse(self, vocabulary: int) -> None:
        path = CORPORA / f"{self.corpus}.txt"
        if not path.is_file() or sha256(path.read_bytes()).hexdigest() != self.sha256:
            raise ValueError(f"text names a corpus, {self.corpus}, that is not there or holds other text")
        if vocabulary < 256:
            raise ValueError("text in byte pairs needs a vocabulary of 256 or more")

    def draw(self, n: int, length: int, vocabulary: int, generator: np.random.Generator) -> NDArray[np.int64]:
        ids = np.array(self.tokenizer(vocabulary).encode(_read(self.corpus)))
        starts = generator.integers(0, len(ids) - length, n)
        return ids[starts[:, None] + np.arange(length)]

    def tokenizer(self, vocabulary: int) -> PreTrainedTokenizerFast:
        return _byte_pairs(self.corpus, vocabulary)


@cache
def _read(corpus: str) -> str:
    return (CORPORA / f"{corpus}.txt").read_text(encoding="utf-8")


@cache
def _byte_pairs(corpus: str, vocabulary: int) -> PreTrainedTokenizerFast:
    """A byte-level tokenizer without special tokens (Sennrich et al. 2016, arXiv 1508.07909; on bytes, GPT-2)."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=vocabulary, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator([_read(corpus)], trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer)


Plain = Annotated[Repeats | Synonyms | Independent | Echoes | Prose, Field(discriminator="kind")]


class Mixture(Text):
    """Sequences of one text, and a share of them of another.

    Text with much to memorise, such as prose, keeps a small model from forming induction heads where it is there from
    the start; heads that stand when it begins persist (`after`).
    """

    kind: Literal["mixture"]
    mostly: Plain
    also: Plain
    share: Share
    """Of the sequences that are drawn from `also`, each by itself."""
    after: Share = 0.0
    """Part of the training that goes by before the first of them."""

    def refuse(self, vocabulary: int) -> None:
        self.mostly.refuse(vocabulary)
        self.also.refuse(vocabulary)

    def draw(self, n: int, length: int, vocabulary: int, generator: np.random.Generator) -> NDArray[np.int64]:
        mostly, also = (text.draw(n, length, vocabulary, generator) for text in (self.mostly, self.also))
        chosen = (generator.random(n) < self.share) & (np.arange(n) >= self.after * n)
        return np.where(chosen[:, None], also, mostly)

    def tokenizer(self, vocabulary: int) -> PreTrainedTokenizerFast | None:
        return self.mostly.tokenizer(vocabulary) or self.also.tokenizer(vocabulary)


AnyText = Annotated[Repeats | Synonyms | Independent | Echoes | Prose | Mixture, Field(discriminator="kind")]
