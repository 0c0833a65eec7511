"""A corpus is the bytes that its file holds now."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from assets.probes.corpora import Corpus, default_corpus
from catalog.errors import UserError


def test_a_corpus_is_known_by_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "mine.txt"
    path.write_text("Down the rabbit-hole.", encoding="utf-8")

    found = Corpus.of_file(path)

    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert found.identity == f"mine-{found.sha256[:12]}"
    assert found.text() == "Down the rabbit-hole."


def test_a_file_that_changed_is_another_corpus(tmp_path: Path) -> None:
    path = tmp_path / "mine.txt"
    path.write_text("One text.", encoding="utf-8")
    before = Corpus.of_file(path)

    path.write_text("Another text.", encoding="utf-8")
    os.utime(path, ns=(1, 1))

    assert Corpus.of_file(path).sha256 != before.sha256


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_what_is_no_text_is_told(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "mine.txt"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(UserError, match="The corpus can't be read"):
        Corpus.of_file(path)


def test_the_projects_own_text_has_not_changed() -> None:
    assert default_corpus().identity == "alice-bc29cf3e77ad"
