"""All verdicts on one page: as a picture, a document, and SVG that holds text from outside as text."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from catalog.errors import UserError
from catalog.home import Home
from catalog.read import open_catalog
from reports import summary

SVG = "{http://www.w3.org/2000/svg}"


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def test_each_claim_has_a_line_and_each_natural_family_a_column(catalog):
    svg = summary.render(catalog)

    said = texts(svg)
    for (statement,) in catalog.execute("SELECT statement FROM claims WHERE axis = 'positional'").fetchall():
        assert statement[:90] in {text[:90] for text in said}
    assert {"across", "pythia", "smollm2"} <= set(said)
    assert "calibration-neox" not in said


@pytest.mark.parametrize(("ending", "magic"), [("png", b"\x89PNG"), ("pdf", b"%PDF"), ("svg", b"<svg")])
def test_it_is_written_as_its_name_ends(home: Home, tmp_path: Path, ending: str, magic: bytes):
    path = tmp_path / f"summary.{ending}"

    summary.write_summary(home, path)

    assert magic in path.read_bytes()[:2000]


def test_another_ending_is_refused(home: Home, tmp_path: Path):
    with pytest.raises(UserError, match=r"no \.docx"):
        summary.write_summary(home, tmp_path / "summary.docx")


def test_hostile_statements_stay_text(home_with):
    hostile = "</text><script>alert(1)</script> & 'quotes\""

    def change(tables):
        for row in tables["claims"]:
            row["statement"] = hostile

    with open_catalog(home_with(change)) as catalog:
        svg = summary.render(catalog)

    assert hostile in texts(svg)
    assert "<script" not in svg
