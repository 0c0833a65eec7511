"""Texts that calibration models are trained on: what a model can learn from each, and how it is drawn.

Each kind is a small class that says what can be learned and draws sequences of token ids. `draw` gives the same
sequences for the same generator; changing it changes the weights of every model trained on that text, so raise
training.TRAINING_VERSION then. Not here: models and optimisers (training.py).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Annotated, Literal, Self

import numpy as np
from pydantic import Field, PositiveInt, model_validator

from assets.study import Strict

if TYPE_CHECKING:
    from numpy.typing import NDArray

Share = Annotated[float, Field(ge=0, le=1)]


class Text(Strict, ABC):
    """A source of training sequences."""

    def refuse(self, vocabulary: int) -> None:
        """Raises ValueError where sequences can't be drawn from so many tokens."""

    @abstractmethod
    def draw(self, n: int, length: int, vocabulary: int, generator: np.random.Generator) -> NDArray[np.int64]:
        """n sequences of ids below `vocabulary`, (n, length)."""


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


Plain = Annotated[Repeats | Synonyms | Independent | Echoes, Field(discriminator="kind")]


class Mixture(Text):
    """Sequences of one text, and a share of them of another."""

    kind: Literal["mixture"]
    mostly: Plain
    also: Plain
    share: Share
    """Of the sequences that are drawn from `also`, each by itself."""

    def refuse(self, vocabulary: int) -> None:
        self.mostly.refuse(vocabulary)
        self.also.refuse(vocabulary)

    def draw(self, n: int, length: int, vocabulary: int, generator: np.random.Generator) -> NDArray[np.int64]:
        mostly, also = (text.draw(n, length, vocabulary, generator) for text in (self.mostly, self.also))
        chosen = generator.random(n) < self.share
        return np.where(chosen[:, None], also, mostly)


AnyText = Annotated[Repeats | Synonyms | Independent | Echoes | Mixture, Field(discriminator="kind")]
