"""The class of models for which a claim holds: how often it is found, and how often one is found where there is none.

Simulated catalogs of families of one to six sizes, as families are made: within one, parameters, layers, width and
heads grow together; position encoding, normalisation, vocabulary, training tokens and date are the recipe's. The claim
holds in a class drawn from all predicates of one or two comparisons that a fifth to four fifths of the models meet (and
of two only if neither comparison by itself says nearly the same). Of the models' verdicts 15 % are inconclusive; of the
others 5 % are wrong.

Found: the true class is among the aliases, that is, one of them takes in the same decided models. Identifiable: the
permutation p is at most .05 and 8 models are decided. With no true class, verdicts are drawn model by model, or family
by family; beside the rule stands the same test with verdicts permuted over models, whatever their family.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from assets.analyses.reference_classes import find
from assets.analyses.separation import DEFINING, Search, Unit
from assets.claims.reference import Comparison, Joined, Predicate
from tests.validation.tables import Table, share

CATALOGS = {8: 500, 12: 500, 20: 1000, 40: 100}
"""Simulated by number of models."""
WRONG, INCONCLUSIVE = 0.05, 0.15
VOCABULARIES = (32000, 49152, 50257, 50304, 100278, 128256, 151936)


def main() -> None:
    found = Table(
        "models", "true class", "found", "aliases (median)", "identifiable and found", "identifiable, another"
    )
    for n in CATALOGS:
        for comparisons in (1, 2):
            found.row(n, counted(comparisons), *recovery(n, comparisons))
    found.print(f"A true class; {INCONCLUSIVE:.0%} of verdicts inconclusive, {WRONG:.0%} of the others wrong")
    none = Table("models", "verdicts go by", "identifiable", "with verdicts permuted over models")
    for n in CATALOGS:
        for name, draw in NO_CLASS.items():
            none.row(n, name, *false_classes(n, draw))
    none.print("No true class: the claim holds in a share of .3 to .9")


def counted(comparisons: int) -> str:
    return "one comparison" if comparisons == 1 else "two comparisons"


# Catalogs


def models(n: int, rng: np.random.Generator) -> list[Unit]:
    """n models of as many families as it takes, their verdicts still to be drawn."""
    made: list[Unit] = []
    while len(made) < n:
        family = f"f{len({unit.family for unit in made}):02}"
        recipe = _recipe(rng)
        for exponent in rng.uniform(7, 10, min(int(rng.integers(1, 7)), n - len(made))):
            made.append(Unit(f"m{len(made):02}", family, False, recipe | _size(10**exponent, recipe, rng)))
    return made


def _recipe(rng: np.random.Generator) -> dict[str, Any]:
    """What the models of a family have in common."""
    return {
        "attention": "softmax",
        "positional_encoding": str(rng.choice(["rotary", "learned", "alibi"], p=[0.7, 0.2, 0.1])),
        "normalization": str(rng.choice(["layernorm", "rmsnorm"])),
        "activation": str(rng.choice(["gelu", "silu", "gelu_new"])),
        "tied_embeddings": bool(rng.random() < 0.4),
        "parallel_blocks": bool(rng.random() < 0.3),
        "adds_bos": bool(rng.random() < 0.3),
        "precision": str(rng.choice(["float32", "float16", "bfloat16"], p=[0.2, 0.3, 0.5])),
        "tuning": "base",
        "vocab_size": int(rng.choice(VOCABULARIES)),
        "context_length": int(rng.choice([1024, 2048, 4096, 8192])),
        "training_tokens": float(round(10 ** rng.uniform(10.5, 13))),
        "released_on": dt.date(int(rng.integers(2019, 2027)), int(rng.integers(1, 13)), 1),
    }


def _size(n_params: float, recipe: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    """About so many parameters without embeddings, 12 per layer and squared width; depth grows a little slower."""
    d_model = 64 * max(1, round((n_params / 288) ** (1 / 2.6) / 64 * rng.uniform(0.7, 1.3)))
    n_layers = int(np.clip(round(n_params / (12 * d_model**2)), 2, 48))
    d_head = int(rng.choice([64, 128], p=[0.7, 0.3]))
    n_heads = max(1, d_model // d_head)
    inner = 12 * n_layers * d_model**2
    return {
        "n_layers": n_layers,
        "d_model": d_model,
        "d_head": d_head,
        "n_heads": n_heads,
        "n_kv_heads": n_heads if rng.random() < 0.6 else max(1, n_heads // 4),
        "n_params_non_embedding": inner,
        "n_params": inner + recipe["vocab_size"] * d_model * (1 if recipe["tied_embeddings"] else 2),
    }


# A true class


def recovery(n: int, comparisons: int) -> list[str]:
    """The table's cells: shares of the catalogs in which the claim holds in some decided models and not in others."""
    rng = np.random.default_rng([n, comparisons])
    hits, right, other, aliases = [], [], [], []
    while len(hits) < CATALOGS[n]:
        catalog = models(n, rng)
        truth = true_class(catalog, comparisons, rng)
        decided = [] if truth is None else verdicts_on(catalog, truth, rng)
        if truth is None or len({unit.holds for unit in decided}) < 2:
            continue
        found = find(decided)
        hit = members(truth, decided) in [members(alias.predicate, decided) for alias in found.aliases]
        hits.append(hit)
        right.append(hit and found.identifiable)
        other.append(not hit and found.identifiable)
        aliases.append(len(found.aliases))
    cells = [share(float(np.mean(part)), len(hits)) for part in (hits, right, other)]
    return [cells[0], f"{np.median(aliases):.0f}", *cells[1:]]


def members(predicate: Predicate, units: Sequence[Unit]) -> tuple[bool, ...]:
    return tuple(predicate.evaluate(unit.properties) is True for unit in units)


def true_class(catalog: Sequence[Unit], comparisons: int, rng: np.random.Generator) -> Predicate | None:
    """A predicate that a fifth to four fifths meet; None where none was drawn in a hundred attempts."""
    n = len(catalog)
    possible = list(Search(catalog)._candidates())
    names = [name for name in DEFINING if any(each.name == name for each in possible)]
    for _ in range(100):
        chosen = [_one_of(possible, str(name), rng) for name in rng.choice(names, comparisons, replace=False)]
        truth: Predicate = chosen[0] if comparisons == 1 else Joined("and", tuple(chosen))
        inside = np.array(members(truth, catalog))
        alone = [(np.array(members(each, catalog)) != inside).sum() for each in chosen]
        if 0.2 * n <= inside.sum() <= 0.8 * n and (comparisons == 1 or min(alone) >= max(2, 0.15 * n)):
            return truth
    return None


def _one_of(possible: Sequence[Comparison], name: str, rng: np.random.Generator) -> Comparison:
    own = [comparison for comparison in possible if comparison.name == name]
    return own[rng.integers(len(own))]


def verdicts_on(catalog: Sequence[Unit], truth: Predicate, rng: np.random.Generator) -> list[Unit]:
    """The decided models, some of them wrongly."""
    holds = np.array(members(truth, catalog)) ^ (rng.random(len(catalog)) < WRONG)
    decided = rng.random(len(catalog)) >= INCONCLUSIVE
    return [replace(unit, holds=bool(holds[i])) for i, unit in enumerate(catalog) if decided[i]]


# No true class


Draw = Callable[[Sequence[Unit], np.random.Generator], list[bool]]


def by_model(catalog: Sequence[Unit], rng: np.random.Generator) -> list[bool]:
    return list(rng.random(len(catalog)) < rng.uniform(0.3, 0.9))


def by_family(catalog: Sequence[Unit], rng: np.random.Generator) -> list[bool]:
    rate = rng.uniform(0.3, 0.9)
    of_family = {name: rng.random() < rate for name in sorted({unit.family for unit in catalog})}
    return [of_family[unit.family] for unit in catalog]


def by_family_mostly(catalog: Sequence[Unit], rng: np.random.Generator) -> list[bool]:
    return list(np.array(by_family(catalog, rng)) ^ (rng.random(len(catalog)) < 0.1))


NO_CLASS: dict[str, Draw] = {
    "model": by_model,
    "family": by_family,
    "family, but for 10 % of models": by_family_mostly,
}


def false_classes(n: int, draw: Draw) -> list[str]:
    """Shares of all catalogs in which a class is called identifiable, by the rule and by plain permutation."""
    rng = np.random.default_rng(n)
    called = []
    for _ in range(CATALOGS[n]):
        catalog = models(n, rng)
        holds = draw(catalog, rng)
        decided = [replace(unit, holds=bool(word)) for unit, word in zip(catalog, holds, strict=True)]
        plain = [replace(unit, family=unit.name) for unit in decided]
        called.append([find(units).identifiable for units in (decided, plain)])
    return [share(value, CATALOGS[n]) for value in np.mean(called, axis=0).tolist()]
