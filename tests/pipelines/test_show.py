"""What is printed of verdicts that moved and of predictions that were scored."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest
from rich.console import Console, RenderableType

from catalog.home import Home
from pipelines import show

CHANGES = [
    ("heads-exist", "family", "tiny", "holds", "mixed", "change", "new run", 3),
    ("heads-exist", "model", "tiny-1", "holds", "fails", "change", "advisory", 2),
    ("heads-exist", "model", "tiny-2", "inconclusive", "holds", "drift", "new values", 3),
    ("heads-exist", "model", "tiny-3", None, "holds", "first", None, 3),
]
PREDICTIONS = [
    ("heads-exist", "tiny-3", 0.8, 1.0, 0.61, 0.4, 0.82, 0.7, 0.84, 2),
    ("unscored", "tiny-3", 0.5, None, None, None, None, None, None, None),
]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A catalog with the two views' columns that are printed."""
    home = Home(tmp_path)
    with duckdb.connect(str(home.catalog)) as connection:
        connection.execute(
            "CREATE TABLE verdict_changes (claim_id TEXT, level TEXT, subject TEXT, previous TEXT, verdict TEXT, "
            "kind TEXT, cause TEXT, since_build INT)"
        )
        connection.executemany("INSERT INTO verdict_changes VALUES (?, ?, ?, ?, ?, ?, ?, ?)", CHANGES)
        connection.execute(
            "CREATE TABLE prediction_record (claim_id TEXT, model_id TEXT, probability DOUBLE, outcome DOUBLE, "
            "estimate DOUBLE, pi_low DOUBLE, pi_high DOUBLE, observed DOUBLE, skill DOUBLE, n_scored INT)"
        )
        connection.executemany("INSERT INTO prediction_record VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", PREDICTIONS)
    return home


def printed(shown: RenderableType | None) -> list[str]:
    console = Console(width=160)
    with console.capture() as capture:
        console.print(shown)
    return [" ".join(line.split()) for line in capture.get().splitlines() if line.strip()]


def test_changes_since_a_build_are_listed_and_the_others_counted(home: Home) -> None:
    lines = printed(show.moves(home, since=2))

    assert "heads-exist family tiny holds mixed new run" in lines
    assert not any("tiny-1" in line or "tiny-2" in line for line in lines)
    assert "Beside these 1 to or from another word, 1 decided for the first time" in " ".join(lines)


def test_where_nothing_moved_nothing_is_shown(home: Home) -> None:
    assert show.moves(home, since=3) is None


def test_where_verdicts_are_only_new_a_line_tells(home: Home) -> None:
    with duckdb.connect(str(home.catalog)) as connection:
        connection.execute("DELETE FROM verdict_changes WHERE kind = 'change'")

    assert show.moves(home, since=2) == (
        "No verdict moved between holds, fails and mixed; 1 to or from another word, 1 decided for the first time."
    )


def test_scored_predictions_are_shown_beside_what_came(home: Home) -> None:
    lines = printed(show.scores(home, "tiny-3"))

    assert "heads-exist 0.8 1 0.61 0.4 to 0.82 0.7 0.84" in lines
    assert not any("unscored" in line for line in lines)
    assert show.scores(home, "tiny-4") is None
