"""A citation names build and record, and holds no character that its format would read otherwise."""

from __future__ import annotations

import json
import re
from datetime import date

from reports.pages.citation import citation

CLAIM = {
    "claim_id": "induction_heads",
    "claim_version": 2,
    "statement": "50% of {heads} match A_B & more.",
    "citation": "Olsson et al. 2022, arXiv 2209.11895",
}
BUILD = {"build": 7, "built_on": date(2026, 3, 9), "code_version": "0.1.0", "record_digest": "ab" * 32}


def test_both_formats_name_the_verdict_its_build_and_the_finding():
    made = citation(CLAIM, {"verdict": "holds"}, BUILD)

    [item] = json.loads(made.csl)
    assert item["title"] == "Verdict on the claim: 50% of {heads} match A_B & more (holds across families)"
    assert item["issued"] == {"date-parts": [[2026, 3, 9]]}
    assert "catalog build 7" in item["version"]
    assert made.bibtex.startswith("@misc{moving-target-induction-heads-build7,")
    for text in ("year = {2026}", "ab" * 32, "Olsson et al. 2022"):
        assert text in made.bibtex


def test_text_is_escaped_for_tex():
    made = citation(CLAIM, None, BUILD)

    assert r"50\% of \{heads\} match A\_B \& more" in made.bibtex
    assert len(re.findall(r"(?<!\\)\{", made.bibtex)) == len(re.findall(r"(?<!\\)\}", made.bibtex))
