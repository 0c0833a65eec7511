"""The simplest predicates over design properties that tell two sorts of models apart, and how easily luck does as well.

A predicate is one comparison, or two joined by `and`. It costs the units that it puts on the wrong side or can't place,
since a property is not known, and a second comparison costs as much as one of them: verdicts are wrong now and then,
and two comparisons could nearly always mend a wrong one. All of the least cost are aliases: where sizes grow together,
`n_params >= x` and `d_model >= y` are one class.

The p is that of a permutation test of the whole search: the share of random assignments of the verdicts to the units
for which some predicate costs no more. Models of one family share most of their design and often their verdict,
so that any property of the odd family "explains" it. Verdicts are therefore dealt out by families: each family takes
the share of another one, and shuffles it among its models. With one family, or with families of one model each, that is
the plain permutation of verdicts over models.

How right that is (`python -m tests.validation classes`): in simulated catalogs of 20 models, 15 % of their verdicts
inconclusive and 5 % wrong, the true class is among the aliases in .92 where it is one comparison and in .83 where it is
two, but identifiable in .17 and .09 only; where there is none, one is called identifiable in .01 or less. Permuting
over models whatever their family would call one so in .76 of the catalogs whose verdicts merely go by family.

Pure: properties and verdicts in, predicates out. Not here: which models are units, what is recorded
(reference_classes.py).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, pairwise, product
from typing import Any

import numpy as np
import numpy.typing as npt

from assets.claims.reference import BOOLEAN, PROPERTIES, TEXT, Comparison, Joined, Predicate

DEFINING = (
    "n_params",
    "n_params_non_embedding",
    "n_layers",
    "d_model",
    "n_heads",
    "n_kv_heads",
    "d_head",
    "vocab_size",
    "context_length",
    "training_tokens",
    "attention",
    "positional_encoding",
    "normalization",
    "activation",
    "tied_embeddings",
    "parallel_blocks",
    "adds_bos",
    "precision",
    "tuning",
    "released_on",
)
"""Properties that may define a class: what a model is. Left out are names (model, family, organisation, architecture,
training_data), which single out families whatever they have in common; what is no matter of design (licence, role); and
how a model was measured (n_checkpoints, last_step)."""

SECOND = 1
"""What a second comparison costs, in wrong units. In simulation the true class is most often among the aliases so."""
ENUMERATED = 5000
"""Assignments up to which all are gone through; above, they are drawn."""
DRAWS, ENOUGH = 2000, 100
"""Drawn at most; and how many that cost no more end the drawing (Besag & Clifford 1991, Biometrika 78:301: p = ENOUGH
over the number drawn by then)."""
DEALS, BATCH = 20_000, 1000
"""Deals at most and at a time; those that change the number of holding units are no draws."""
SEED = 20261123

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Unit:
    """A decided model, or the models of one parent.

    Attributes:
        holds: whether the claim holds in it.
        properties: by name; those in DEFINING count, one that is missing or None is not known.
    """

    name: str
    family: str
    holds: bool
    properties: Mapping[str, Any]


@dataclass(frozen=True)
class Alias:
    """One of the best predicates: units inside, outside, and on the wrong side or not to be placed."""

    predicate: Predicate
    n_in: int
    n_out: int
    n_wrong: int


@dataclass(frozen=True)
class Sides:
    """Who is inside and who is outside of each of some predicates, shape (predicates, units); neither = can't say."""

    inside: Bools
    outside: Bools

    def wrong(self, holds: Bools) -> npt.NDArray[np.float32]:
        """Wrong units by predicate and assignment.

        Args:
            holds: verdicts, shape (assignments, units).

        Returns:
            shape (predicates, assignments).
        """
        difference = self.inside.astype(np.float32) - self.outside
        right = difference @ holds.T.astype(np.float32) + self.outside.sum(axis=1, dtype=np.float32)[:, None]
        return np.float32(holds.shape[1]) - right


class Search:
    """The search on one set of units."""

    def __init__(self, units: Sequence[Unit]) -> None:
        self.units = sorted(units, key=lambda unit: unit.name)
        self.holds: Bools = np.array([unit.holds for unit in self.units], dtype=bool)
        self.seen = {
            name: sorted({u.properties[name] for u in self.units if u.properties.get(name) is not None})
            for name in DEFINING
        }
        alike: dict[bytes, list[Comparison]] = {}
        rows: dict[bytes, Bools] = {}
        for comparison in self._candidates():
            found = [comparison.evaluate(unit.properties) for unit in self.units]
            row = np.array([[f is True for f in found], [f is False for f in found]])
            alike.setdefault(row.tobytes(), []).append(comparison)
            rows[row.tobytes()] = row
        self._comparisons = list(alike.values())
        """Comparisons by the units that they put inside and outside, as in `_single`."""
        both = np.array(list(rows.values()), dtype=bool).reshape(len(rows), 2, len(self.units))
        self._single = Sides(both[:, 0], both[:, 1])

    def _candidates(self) -> Iterator[Comparison]:
        """Numbers and dates between each two neighbouring values; words, and yes or no, by equality."""
        for name, values in self.seen.items():
            if PROPERTIES[name] not in (TEXT, BOOLEAN):
                for low, high in pairwise(values):
                    yield Comparison(name, ">=", high)
                    yield Comparison(name, "<=", low)
            elif len(values) > 1:
                yield from (Comparison(name, "=", value) for value in values)
                yield from (Comparison(name, "!=", value) for value in values if len(values) > 2)

    @cached_property
    def _pairs(self) -> tuple[Sides, npt.NDArray[np.intp]]:
        """The distinct conjunctions of two; and of every two the numbers, with the number of their conjunction."""
        inside, outside = self._single.inside, self._single.outside
        first, second = np.triu_indices(len(inside), 1)
        packed = [np.packbits(inside[first] & inside[second], axis=1)]
        packed += [np.packbits(outside[first] | outside[second], axis=1)]
        _, chosen, number = np.unique(np.hstack(packed), axis=0, return_index=True, return_inverse=True)
        a, b = first[chosen], second[chosen]
        sides = Sides(inside[a] & inside[b], outside[a] | outside[b])
        return sides, np.column_stack([first, second, number.ravel()])

    @cached_property
    def cost(self) -> float:
        """What the best predicates cost."""
        one, two = (sides.wrong(self.holds[None]).min(initial=np.inf) for sides in (self._single, self._pairs[0]))
        return float(min(one, two + SECOND))

    def aliases(self) -> list[Alias]:
        """All of the best predicates, the simplest first, then the broadest.

        None where to take all units, or none, puts as few on the wrong side.
        """
        if self.cost >= min(self.holds.sum(), (~self.holds).sum()):
            return []
        one = self._single.wrong(self.holds[None])[:, 0] == self.cost
        two = self._pairs[0].wrong(self.holds[None])[:, 0] + SECOND == self.cost
        made = [
            self._alias(self._single, i, each) for i in np.flatnonzero(one).tolist() for each in self._comparisons[i]
        ]
        sides, every = self._pairs
        for first, second, i in every[two[every[:, 2]]].tolist():
            both = product(self._comparisons[first], self._comparisons[second])
            made += [self._alias(sides, i, _joined(*comparisons)) for comparisons in both]
        return sorted(made, key=lambda a: (isinstance(a.predicate, Joined), -a.n_in, _rank(a.predicate)))

    def _alias(self, sides: Sides, i: int, predicate: Predicate) -> Alias:
        inside, outside = sides.inside[i], sides.outside[i]
        right = int((inside & self.holds).sum() + (outside & ~self.holds).sum())
        return Alias(predicate, int(inside.sum()), int(outside.sum()), len(self.units) - right)

    def p(self) -> float:
        """The share of random assignments of the verdicts for which some predicate costs no more."""
        every = self._all_assignments()
        if every is not None:
            return float(self._as_good(every).mean())
        rng = np.random.default_rng(SEED)
        as_good = np.array([], dtype=bool)
        for _ in range(DEALS // BATCH):
            dealt = self._dealt(rng, BATCH)
            same = dealt[dealt.sum(axis=1) == self.holds.sum()]
            as_good = np.append(as_good, self._as_good(same))[:DRAWS]
            if as_good.sum() >= ENOUGH:
                return ENOUGH / (int(np.flatnonzero(as_good)[ENOUGH - 1]) + 1)
            if len(as_good) == DRAWS:
                break
        return float(as_good.sum() + 1) / (len(as_good) + 1)

    def _as_good(self, holds: Bools) -> Bools:
        """For which of these assignments (rows) some predicate costs no more than the best does for the verdicts."""
        found: Bools = self._single.wrong(holds).min(axis=0, initial=np.inf) <= self.cost
        if self.cost >= SECOND:
            found[~found] = self._pairs[0].wrong(holds[~found]).min(axis=0, initial=np.inf) + SECOND <= self.cost
        return found

    @cached_property
    def _families(self) -> list[npt.NDArray[np.intp]]:
        families = np.array([unit.family for unit in self.units])
        return [np.flatnonzero(families == name) for name in np.unique(families)]

    def _all_assignments(self) -> Bools | None:
        """All assignments with as many holding units, where families do not matter and these are few."""
        n, k = len(self.units), int(self.holds.sum())
        if len(self._families) not in (1, n) or math.comb(n, k) > ENUMERATED:
            return None
        every = np.zeros((math.comb(n, k), n), dtype=bool)
        for row, chosen in zip(every, combinations(range(n), k), strict=True):
            row[list(chosen)] = True
        return every

    def _dealt(self, rng: np.random.Generator, n: int) -> Bools:
        """Random deals: each family takes another one's share of holding units, shuffled among its own.

        Shares that do not fit a family's size are rounded up or down at random, so as to be right on average.
        """
        shares = np.array([self.holds[own].mean() for own in self._families])
        taken = rng.permuted(np.tile(shares, (n, 1)), axis=1)
        dealt = np.zeros((n, len(self.units)), dtype=bool)
        for own, share in zip(self._families, taken.T, strict=True):
            count = np.floor(share * len(own) + rng.random(n))
            rank = rng.random((n, len(own))).argsort(axis=1).argsort(axis=1)
            dealt[:, own] = rank < count[:, None]
        return dealt

    def place(self, predicate: Predicate, properties: Mapping[str, Any]) -> bool | None:
        """Whether a model with these properties is inside of a predicate found here; None where the units do not tell.

        Unlike the predicate itself it does not guess between the last value inside and the first one outside, nor on
        words that no unit has.
        """
        placed = [self._place(comparison, properties.get(comparison.name)) for comparison in predicate.comparisons()]
        return False if False in placed else None if None in placed else True

    def _place(self, comparison: Comparison, value: Any) -> bool | None:
        if value is None:
            return None
        inside = comparison.evaluate({comparison.name: value})
        seen = self.seen[comparison.name]
        if comparison.symbol in ("=", "!="):
            return inside if value in seen else None
        outside = [v for v in seen if not comparison.evaluate({comparison.name: v})]
        beyond = value <= max(outside) if comparison.symbol == ">=" else value >= min(outside)
        return True if inside else False if beyond else None


def _rank(predicate: Predicate) -> list[tuple[int, str]]:
    """Sorts predicates by their properties, in the order of DEFINING."""
    return [(DEFINING.index(each.name), str(each)) for each in predicate.comparisons()]


def _joined(first: Comparison, second: Comparison) -> Predicate:
    """Both, in the order of DEFINING, a lower bound before an upper one."""
    comparisons = sorted((first, second), key=lambda each: (DEFINING.index(each.name), each.symbol != ">="))
    return Joined("and", tuple(comparisons))
