"""Two matrices, claims by families and instruments by architectures: the verdicts in each cell, and their counts.

A cell shows the highest level that was decided for the family; several verdicts of that level stand side by side and
are never merged into one that nobody decided.
Not here: how a cell looks (templates/index.html), the verdicts themselves (catalog view current_verdicts).
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from reports.query import Query

VERDICTS = Query(
    """
SELECT v.claim_id, v.level, v.subject, v.verdict, v.unit, v.estimate, v.ci_low, v.ci_high, v.pi_low, v.pi_high,
    v.n_h, v.n_f, v.n_u, v.n_families, v.robustness, v.exploratory, v.flips_when, v.reason,
    coalesce(m.family_id, if(v.level = 'family', v.subject, NULL)) AS family_id, m.model_id
FROM current_verdicts AS v
LEFT JOIN training_runs AS r ON v.level = 'run' AND r.run_id = v.subject
LEFT JOIN models AS m ON m.model_id = if(v.level = 'model', v.subject, r.model_id)
LEFT JOIN families AS f ON f.family_id = coalesce(m.family_id, v.subject)
ORDER BY v.claim_id, v.level, CASE f.role WHEN 'natural' THEN 0 WHEN 'calibration' THEN 1 ELSE 2 END, f.family_id,
    m.n_params NULLS LAST, m.model_id, r.seed, v.subject"""
)
UNITS = {"family": "models", "model": "runs", "architecture": "runs", "across": "families"}
"""What a verdict of a level counts."""


@dataclass(frozen=True)
class Cell:
    """The verdicts of one claim on one family, or across families, all of one level; none where nothing was decided."""

    level: str
    verdicts: tuple[dict[str, Any], ...]

    @property
    def counts(self) -> str:
        """`6/6 runs`: on how many units the claim holds; '' where the verdict counts none, or the cell has several."""
        if len(self.verdicts) != 1:
            return ""
        return share(self.verdicts[0])


def share(verdict: dict[str, Any]) -> str:
    """`6/6 runs` for a verdict that counts units, else ''."""
    numbers = [verdict[key] for key in ("n_h", "n_f", "n_u")]
    if verdict["level"] not in UNITS or None in numbers or not sum(numbers):
        return ""
    return f"{numbers[0]}/{sum(numbers)} {UNITS[verdict['level']]}"


def is_instrument(claim: dict[str, Any]) -> bool:
    """Whether a claim (a row of catalog table `claims`) judges an instrument, and is decided by architecture."""
    return json.loads(claim["estimand"])["kind"] == "reliability"


def instrument_cells(verdicts: Sequence[dict[str, Any]]) -> dict[tuple[str, str], Cell]:
    """Cells by (claim about an instrument, architecture)."""
    return {(v["claim_id"], v["subject"]): Cell(v["level"], (v,)) for v in verdicts if v["level"] == "architecture"}


def cells(verdicts: Sequence[dict[str, Any]]) -> dict[tuple[str, str], Cell]:
    """Cells by (claim, family); the family is '' for the level across. Architectures are no families."""
    found: dict[tuple[str, str], dict[str, list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    for verdict in verdicts:
        if verdict["level"] != "architecture":
            found[verdict["claim_id"], verdict["family_id"] or ""][verdict["level"]].append(verdict)
    return {
        key: next(
            Cell(level, tuple(by_level[level])) for level in ("across", "family", "model", "run") if level in by_level
        )
        for key, by_level in found.items()
    }
