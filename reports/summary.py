"""The state of all claims on one page, for a talk: SVG made from the catalog, as PDF or PNG.

Here: what stands on it and the conversion. Not here: its look (templates/summary.svg), the verdicts.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import duckdb
import vl_convert

from catalog.errors import UserError
from catalog.home import Home
from catalog.read import open_catalog
from catalog.store import told_plainly
from reports.html import environment
from reports.pages import facts
from reports.pages.index import summary
from reports.pages.matrix import cells, is_instrument
from reports.words import DECIDED, count

STYLE = Path(__file__).parent / "style.css"
ROWS = 36
"""Claims that fit; those that are decided somewhere come first."""
COLUMNS = 8
"""Natural families that fit; those with the most verdicts come first."""
CONVERT = {".pdf": vl_convert.svg_to_pdf, ".png": lambda svg: vl_convert.svg_to_png(svg, scale=1.5)}


def write_summary(home: Home, path: Path) -> None:
    """Writes the page as PDF or PNG, as the file's name ends; `.svg` as it is.

    Raises:
        UserError: there is no catalog, the name ends otherwise, or the disk refuses.
    """
    if path.suffix not in (*CONVERT, ".svg"):
        raise UserError(
            f"A summary is no {path.suffix or 'file without an ending'}.",
            where=str(path),
            mend="Name a .pdf, .png or .svg.",
        )
    with open_catalog(home) as catalog:
        svg = render(catalog)
    content = CONVERT[path.suffix](svg) if path.suffix in CONVERT else svg.encode()
    with told_plainly(path):
        path.write_bytes(content)


def render(catalog: duckdb.DuckDBPyConnection) -> str:
    """The page as SVG, 1600 x 900."""
    common = facts.read(catalog)
    found = cells(common.verdicts)
    words = {key: cell.verdicts[0]["verdict"] if len(cell.verdicts) == 1 else "several" for key, cell in found.items()}
    claims = [claim for claim in common.claims if not is_instrument(claim)]
    claims.sort(key=lambda claim: not any(words.get((claim["claim_id"], f)) in DECIDED for _, f in words))
    families = [family["family_id"] for family in common.families if family["role"] == "natural"]
    families.sort(key=lambda name: -sum(word in DECIDED for (_, family), word in words.items() if family == name))
    shown = sorted(claims[:ROWS], key=lambda claim: (claim["axis"], claim["claim_id"]))
    counted = [count(len(common.models), "model"), count(len(common.runs), "training run")]
    left_out = len(claims) - len(shown)
    values: dict[str, Any] = {
        "claims": shown,
        "families": ["", *families[:COLUMNS]],
        "words": words,
        "summary": summary(common),
        "counted": [count(len(claims), "claim"), count(len(families), "natural family", "natural families"), *counted],
        "left_out": f"{left_out} more claims, decided nowhere yet, are left out." if left_out else "",
        "build": common.build,
        "colours": colours(),
    }
    return environment().get_template("summary.svg").render(**values)


def colours() -> dict[str, str]:
    """The style sheet's light colours by name: an SVG outside of a page has no variables."""
    light = STYLE.read_text(encoding="utf-8").partition("}")[0]
    return dict(re.findall(r"--([a-z0-9_-]+): (#[0-9a-f]{6})", light))
