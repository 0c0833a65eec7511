"""Parts of a training run: every checkpoint in one of them, and locks that part those which share a checkpoint."""

from __future__ import annotations

from pathlib import Path

import pytest
from filelock import FileLock, Timeout

from assets.models.parts import WHOLE, Part, at_work_on, split
from catalog.home import Home

LABELS = [f"step{step}" for step in range(0, 143001, 1000)]


@pytest.mark.parametrize("n_parts", [1, 2, 4, 8, 16])
def test_every_checkpoint_is_in_one_part(n_parts: int) -> None:
    parts = split(n_parts)

    assert [sum(part.holds(label) for part in parts) for label in LABELS] == [1] * len(LABELS)
    shares = [sum(map(part.holds, LABELS)) for part in parts]
    assert max(shares) <= 2 * len(LABELS) / n_parts


def test_a_part_is_read_from_the_tags_that_it_was_written_to() -> None:
    assert Part.of_tags({"part": str(Part(2, 4))}) == Part(2, 4)
    assert Part.of_tags({"study": "demo"}) == WHOLE


@pytest.mark.parametrize(
    ("one", "other", "clash"),
    [(Part(1, 2), Part(2, 2), False), (Part(1, 2), Part(3, 4), True), (Part(2, 4), WHOLE, True), (WHOLE, WHOLE, True)],
)
def test_parts_that_share_a_checkpoint_never_work_at_once(
    one: Part, other: Part, clash: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home(tmp_path)
    monkeypatch.setattr("assets.models.parts.FileLock", lambda path: FileLock(path, timeout=0))

    with at_work_on(home, "run", print, one), at_work_on(home, "another", print, other):
        try:
            with at_work_on(home, "run", print, other):
                worked = True
        except Timeout:
            worked = False

    assert worked is not clash
    assert any(one.holds(label) and other.holds(label) for label in LABELS) is clash
