"""How to cite a claim's verdict, for a reference manager: BibTeX and CSL-JSON.

What is cited is the verdict of one build of one catalog, which its record's digest names; the finding itself is cited
by the claim's own citation, which stands in the note. Not here: how the software is cited (CITATION.cff).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reports.words import LABELS

PUBLISHER = "Moving Target"


@dataclass(frozen=True)
class Citation:
    """One verdict in two formats."""

    bibtex: str
    csl: str


def citation(claim: Mapping[str, Any], verdict: Mapping[str, Any] | None, build: Mapping[str, Any]) -> Citation:
    """Of a claim's page.

    Args:
        claim: row of catalog table `claims`.
        verdict: the one across families, where there is one.
        build: build, built_on, code_version, record_digest.
    """
    day = build["built_on"]
    key = f"moving-target-{claim['claim_id']}-build{build['build']}"
    said = f" ({LABELS.get(verdict['verdict'], verdict['verdict'])} across families)" if verdict else ""
    title = f"Verdict on the claim: {claim['statement'].rstrip('.')}{said}"
    version = f"claim version {claim['claim_version']}, catalog build {build['build']}, code {build['code_version']}"
    note = f"Record {build['record_digest']}. The claim: {claim['citation']}"
    fields = {
        "title": f"{{{_tex(title)}}}",
        "author": f"{{{PUBLISHER}}}",
        "year": str(day.year),
        "month": str(day.month),
        "version": _tex(version),
        "note": _tex(note),
    }
    lines = ",\n".join(f"  {name} = {{{value}}}" for name, value in fields.items())
    item = {
        "id": key,
        "type": "dataset",
        "title": title,
        "author": [{"literal": PUBLISHER}],
        "issued": {"date-parts": [[day.year, day.month, day.day]]},
        "version": version,
        "note": note,
    }
    return Citation(f"@misc{{{_key(key)},\n{lines}\n}}", json.dumps([item], indent=2, ensure_ascii=False))


def _key(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9:.-]+", "-", text)


def _tex(text: str) -> str:
    """Text without what TeX would read as markup."""
    spelt = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    spelt |= {character: f"\\{character}" for character in "{}%&$#_"}
    return "".join(spelt.get(character, character) for character in text)
