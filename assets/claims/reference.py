"""Reference classes: predicates over design properties, saying which models a claim is about.

    attention = softmax and n_layers >= 2
    not (tuning = instruct) and released_on < 2025-01-01

Grammar, `or` binding weakest:

    either     := both ("or" both)*
    both       := factor ("and" factor)*
    factor     := "not" factor | "(" either ")" | "true" | comparison
    comparison := property ("=" | "!=" | "<" | "<=" | ">" | ">=") literal
    literal    := number | true | false | 2024-01-31 | word | 'quoted text'

Logic is three-valued (Kleene): a comparison with a property that nobody knows is neither true nor false, and a
predicate is decided only where the unknown part cannot change it.

Here: reading and evaluating predicates. Not here: where the properties come from (decide.py).
"""

from __future__ import annotations

import datetime as dt
import math
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from catalog.errors import UserError

Literal = bool | float | str | dt.date
Properties = Mapping[str, Any]

NUMBER, TEXT, BOOLEAN, DATE = "number", "text", "boolean", "date"
PROPERTIES: dict[str, str] = {
    "model_id": TEXT,
    "family_id": TEXT,
    "role": TEXT,
    "organisation": TEXT,
    "released_on": DATE,
    "n_params": NUMBER,
    "n_params_non_embedding": NUMBER,
    "n_layers": NUMBER,
    "n_heads": NUMBER,
    "n_kv_heads": NUMBER,
    "d_model": NUMBER,
    "d_head": NUMBER,
    "vocab_size": NUMBER,
    "context_length": NUMBER,
    "architecture": TEXT,
    "positional_encoding": TEXT,
    "normalization": TEXT,
    "activation": TEXT,
    "attention": TEXT,
    "learned_sinks": BOOLEAN,
    "tied_embeddings": BOOLEAN,
    "parallel_blocks": BOOLEAN,
    "adds_bos": BOOLEAN,
    "precision": TEXT,
    "training_tokens": NUMBER,
    "batch_size": NUMBER,
    "sequence_length": NUMBER,
    "training_data": TEXT,
    "tuning": TEXT,
    "licence": TEXT,
    "n_checkpoints": NUMBER,
    "last_step": NUMBER,
}
"""Kind of each property: columns of catalog tables models and families; whether any layer of the model has a learned
sink (table layers); of models.properties, the training sequences in one step and the tokens of one; and two facts about
a training run: the number of its measured checkpoints, and the step of the last."""

NUMBERS = tuple(name for name, kind in PROPERTIES.items() if kind == NUMBER)

OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
TOKEN = re.compile(
    r"\s*(?:(?P<operator><=|>=|!=|=|<|>)|(?P<bracket>[()])|'(?P<quoted>[^']*)'"
    r"|(?P<word>[A-Za-z0-9_+-][A-Za-z0-9_.+-]*))"
)
WORDS = ("and", "or", "not")


@dataclass(frozen=True)
class Always:
    """`true`: every model."""

    def evaluate(self, properties: Properties) -> bool | None:
        return True

    def comparisons(self) -> Iterator[Comparison]:
        yield from ()

    def __str__(self) -> str:
        return "true"


@dataclass(frozen=True)
class Comparison:
    """One property against one literal."""

    name: str
    symbol: str
    literal: Literal

    def evaluate(self, properties: Properties) -> bool | None:
        value = properties.get(self.name)
        return None if value is None else OPERATORS[self.symbol](value, self.literal)

    def comparisons(self) -> Iterator[Comparison]:
        yield self

    def __str__(self) -> str:
        return f"{self.name} {self.symbol} {_written(self.literal)}"


@dataclass(frozen=True)
class Not:
    """True where its part is false."""

    part: Predicate

    def evaluate(self, properties: Properties) -> bool | None:
        inner = self.part.evaluate(properties)
        return None if inner is None else not inner

    def comparisons(self) -> Iterator[Comparison]:
        return self.part.comparisons()

    def __str__(self) -> str:
        return f"not ({self.part})"


@dataclass(frozen=True)
class Joined:
    """`and` or `or` of two or more parts."""

    word: str
    parts: tuple[Predicate, ...]

    def evaluate(self, properties: Properties) -> bool | None:
        decisive = self.word == "or"
        found = [part.evaluate(properties) for part in self.parts]
        if decisive in found:
            return decisive
        return None if None in found else not decisive

    def comparisons(self) -> Iterator[Comparison]:
        for part in self.parts:
            yield from part.comparisons()

    def __str__(self) -> str:
        return f" {self.word} ".join(f"({p})" if isinstance(p, Joined) else str(p) for p in self.parts)


Predicate = Always | Comparison | Not | Joined


@cache
def parse(text: str, where: str = "") -> Predicate:
    """The predicate that a text writes.

    Raises:
        UserError: the text does not follow the grammar, or compares a property with what it can never equal.
    """
    return _Parser(text, where).whole()


def explain(predicate: Predicate, properties: Properties) -> str:
    """Which of its comparisons come out false or unknown: `n_layers is 1, the claim is about n_layers >= 2`."""
    found = []
    for comparison in predicate.comparisons():
        if comparison.evaluate(properties) is not True:
            value = properties.get(comparison.name)
            said = "is not known" if value is None else f"is {_written(value)}"
            found.append(f"{comparison.name} {said}, the claim is about {comparison}")
    return "; ".join(found) or f"outside of {predicate}"


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError
    return value


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, str) and not re.fullmatch(r"[A-Za-z0-9_+-][A-Za-z0-9_.+-]*", value):
        return f"'{value}'"
    return str(value)


class _Parser:
    """Recursive descent over the tokens of one text."""

    def __init__(self, text: str, where: str) -> None:
        self.text, self.where = text, where
        self.tokens = self._tokens()
        self.at = 0

    def whole(self) -> Predicate:
        found = self._either()
        if self.at < len(self.tokens):
            raise self._fault(f"{self._token()[1]!r} is not expected")
        return found

    def _tokens(self) -> list[tuple[str, str, int]]:
        found, at = [], 0
        while self.text[at:].strip():
            match = TOKEN.match(self.text, at)
            if match is None:
                raise self._fault(f"{self.text[at:].strip()[:20]!r} can't be read", at)
            kind = match.lastgroup or ""
            found.append((kind, match[kind], match.start(kind)))
            at = match.end()
        return found

    def _token(self) -> tuple[str, str, int]:
        return self.tokens[self.at] if self.at < len(self.tokens) else ("end", "the end", len(self.text))

    def _take(self, kind: str, *values: str) -> str | None:
        found, value, _ = self._token()
        if found != kind or (values and value not in values):
            return None
        self.at += 1
        return value

    def _either(self) -> Predicate:
        return self._joined("or", self._both)

    def _both(self) -> Predicate:
        return self._joined("and", self._factor)

    def _joined(self, word: str, part: Callable[[], Predicate]) -> Predicate:
        parts = [part()]
        while self._take("word", word):
            parts.append(part())
        return parts[0] if len(parts) == 1 else Joined(word, tuple(parts))

    def _factor(self) -> Predicate:
        if self._take("word", "not"):
            return Not(self._factor())
        if self._take("bracket", "("):
            inner = self._either()
            if not self._take("bracket", ")"):
                raise self._fault("a closing bracket is missing")
            return inner
        if self._take("word", "true"):
            return Always()
        return self._comparison()

    def _comparison(self) -> Predicate:
        _, name, position = self._token()
        if not self._take("word") or name not in PROPERTIES:
            raise self._fault(f"{name!r} is not a property", position, f"Properties are: {', '.join(PROPERTIES)}.")
        symbol = self._take("operator")
        if symbol is None:
            raise self._fault(f"after {name} one of {' '.join(OPERATORS)} is missing")
        kind, text, position = self._token()
        if kind not in ("word", "quoted") or (kind == "word" and text in WORDS):
            raise self._fault(f"after {name} {symbol} a value is missing", position)
        self.at += 1
        return Comparison(name, symbol, self._literal(name, symbol, kind, text, position))

    def _literal(self, name: str, symbol: str, kind: str, text: str, position: int) -> Literal:
        wanted = PROPERTIES[name]
        if wanted in (TEXT, BOOLEAN) and symbol not in ("=", "!="):
            raise self._fault(f"{name} is a {wanted} and has no order", position, "Compare it with = or !=.")
        if wanted == TEXT:
            return text
        readers: dict[str, Callable[[str], Literal]] = {
            NUMBER: _finite,
            DATE: dt.date.fromisoformat,
            BOOLEAN: lambda word: {"true": True, "false": False}[word],
        }
        try:
            if kind == "quoted":
                raise ValueError
            return readers[wanted](text)
        except (ValueError, KeyError):
            raise self._fault(f"{name} is a {wanted}, {text!r} is none", position) from None

    def _fault(self, what: str, position: int | None = None, mend: str = "") -> UserError:
        at = self._token()[2] if position is None else position
        return UserError(
            f"The reference class {self.text!r} can't be read at character {at + 1}: {what}.",
            where=self.where,
            mend=mend
            or "Write property, comparison and value, joined by and, or, not: `attention = softmax and n_layers >= 2`.",
        )
