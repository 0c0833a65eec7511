"""Sets of heads: the top ones of a ranking, and control sets matched to them.

Not here: the ranking (causal.py), what is done to the heads (ablation.py).
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Mapping

import numpy as np

from assets.probes.causal import Head
from catalog.errors import UserError


def count_of(name: str, n_heads: int) -> int:
    """How many heads `top2` or `top2%` are of n_heads: one at least, all at most.

    Raises:
        UserError: the name is neither.
    """
    number, share = name.removeprefix("top").removesuffix("%"), name.endswith("%")
    try:
        if not name.startswith("top") or float(number) <= 0:
            raise ValueError(name)
        count = round(float(number) / 100 * n_heads) if share else int(number)
    except ValueError:
        raise UserError(f"{name!r} names no set of heads.", mend="Write top3 or top2%.") from None
    return min(max(count, 1), n_heads)


def control_sets(
    chosen: frozenset[Head], n_heads: Mapping[int, int], limit: int, sample_seed: int
) -> list[frozenset[Head]]:
    """Sets of as many heads of the same layers, none of them chosen: all where there are at most `limit`, else drawn.

    Args:
        n_heads: by layer.

    Returns:
        Distinct sets, in random order; none where a layer has too few other heads.
    """
    generator = np.random.default_rng([sample_seed, len(chosen)])
    counts = sorted(Counter(layer for layer, _ in chosen).items())
    others = {layer: [(layer, h) for h in range(n_heads[layer]) if (layer, h) not in chosen] for layer, _ in counts}
    if math.prod(math.comb(len(others[layer]), count) for layer, count in counts) <= limit:
        choices = (itertools.combinations(others[layer], count) for layer, count in counts)
        found = [frozenset(itertools.chain(*parts)) for parts in itertools.product(*choices)]
        return [found[number] for number in generator.permutation(len(found))]
    drawn: dict[frozenset[Head], None] = {}
    while len(drawn) < limit:
        picks = [generator.choice(len(others[layer]), count, replace=False) for layer, count in counts]
        parts = zip(counts, picks, strict=True)
        drawn[frozenset(others[layer][number] for (layer, _), pick in parts for number in pick)] = None
    return list(drawn)
