"""Repeated looks: how often a claim that is true in just half of all runs is ever said to hold, as runs are added.

One run at a time from 5 to 40, the claim decided after each. Nothing corrects for the looks: the change log shows each
move, and these are the figures to read it with.
"""

from __future__ import annotations

import numpy as np

from assets.claims.verdicts import in_every, mean_rule
from tests.validation.tables import Table, share

CATALOGS = 2000
FIRST, LAST = 5, 40


def main() -> None:
    table = Table("rule", "truth", "holds at the first look", "holds at the last look", "ever holds", "ever fails")
    for truth in (0.5, 0.9):
        table.row("in every run", f"true in {truth:.0%} of runs", *of_counts(truth))
    table.row("mean above 0", "mean 0", *of_means())
    table.print(f"{CATALOGS} simulated models, runs added one at a time from {FIRST} to {LAST}")


def of_counts(truth: float) -> list[str]:
    """The in-every rule on runs in which the claim is true with probability `truth`."""
    rng = np.random.default_rng(5)
    words = {}
    seen = []
    for _ in range(CATALOGS):
        holding = np.cumsum(rng.random(LAST) < truth)
        looks = []
        for n in range(FIRST, LAST + 1):
            key = (int(holding[n - 1]), n)
            if key not in words:
                words[key] = in_every(key[0], n - key[0], 0).verdict
            looks.append(words[key])
        seen.append(looks)
    return shares(np.array(seen))


def of_means() -> list[str]:
    rng = np.random.default_rng(6)
    seen = []
    for _ in range(CATALOGS // 4):
        values = rng.normal(0, 1, LAST).tolist()
        looks = range(FIRST, LAST + 1)
        seen.append([mean_rule(values[:n], None, "above", 0.0, None, "").verdict for n in looks])
    return shares(np.array(seen))


def shares(looks: np.ndarray) -> list[str]:
    """Shares of models, from (models, looks) verdicts."""
    holds = looks == "holds"
    found = (holds[:, 0], holds[:, -1], holds.any(axis=1), (looks == "fails").any(axis=1))
    return [share(float(part.mean()), len(looks)) for part in found]
