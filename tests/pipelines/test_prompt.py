"""The prompt as somebody types at it: keys go in through a pipe, what is printed comes out."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput
from rich.console import Console

from catalog.dictionary import relations
from catalog.errors import UserError
from catalog.home import Home
from catalog.read import sandboxed
from pipelines.prompt import Names, talk
from tests.conftest import Tiny

LEAVE = "\x04"
TAB = "\t"
UP = "\x1b[A"


@pytest.fixture
def home(tiny: Tiny, tmp_path: Path) -> Home:
    """A home with the tiny study's catalog alone, that can be written to."""
    home = Home(tmp_path / "home")
    home.root.mkdir()
    shutil.copyfile(tiny.home.catalog, home.catalog)
    return home


@pytest.fixture
def type_in(home: Home) -> Callable[[str], str]:
    """Types keys at the prompt, then leaves; what was printed."""

    def typed(keys: str) -> str:
        out = Console(file=io.StringIO(), width=120)
        with create_pipe_input() as pipe, create_app_session(input=pipe, output=DummyOutput()):
            pipe.send_text(keys + LEAVE)
            talk(home, out)
        return out.file.getvalue()  # type: ignore[attr-defined]

    return typed


def test_a_query_runs_over_lines_until_its_semicolon(type_in: Callable[[str], str]) -> None:
    output = type_in("SELECT 6 * 7\rAS answer;\r")

    assert "answer" in output
    assert "42" in output


def test_tab_completes_a_name(type_in: Callable[[str], str]) -> None:
    assert "tiny-neox-model" in type_in(f"SELECT subject FROM claim_mat{TAB} LIMIT 1;\r")


def test_what_is_wrong_is_told_and_the_prompt_goes_on(type_in: Callable[[str], str]) -> None:
    output = type_in("SELECT nonsense FROM models;\rDROP TABLE models;\r.nope\rSELECT 40 + 2;\r")

    assert "nonsense" in output
    assert "Only SELECT and EXPLAIN are allowed" in output
    assert "There is no command .nope" in output
    assert "42" in output


def test_commands_tell_what_there_is(type_in: Callable[[str], str]) -> None:
    output = type_in(".help\r.tables\r.columns onsets\r.cookbook\r.exit\r")

    assert "Ctrl-D" in output
    assert "verdicts_as_of(of_build)" in output
    assert "First step at which it had" in output
    assert "where-induction-heads-sit" in output


def test_a_question_of_the_cookbook_is_shown_and_asked(type_in: Callable[[str], str]) -> None:
    output = type_in(".cookbook architectures-compared\r")

    assert "-- Do architectures differ" in output
    assert "gpt_neox" in output


def test_history_is_kept_in_the_home(type_in: Callable[[str], str]) -> None:
    type_in("SELECT 40 + 2 AS kept;\r")

    assert "kept" in type_in(f"{UP}\r")


def test_without_a_catalog_there_is_no_prompt(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no catalog yet"):
        talk(Home(tmp_path / "none"), Console(file=io.StringIO()))


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("SELECT by_st", "by_step"),
        ("FROM onsets SELECT after_", "after_step"),
        ("FROM best_h", "best_heads"),
        ("sel", "SELECT"),
        (".cookbook where-ind", "where-induction-heads-sit"),
        (".columns claim_m", "claim_matrix"),
        (".t", ".tables"),
    ],
)
def test_completion_offers_names_and_keywords(text: str, first: str, home: Home) -> None:
    connection = sandboxed(home.catalog)
    names = Names(relations(connection), ["SELECT", "WHERE"])
    connection.close()

    found = [each.text for each in names.get_completions(Document(text), CompleteEvent())]

    assert found[0] == first


def test_columns_of_what_the_query_names_come_first(home: Home) -> None:
    connection = sandboxed(home.catalog)
    names = Names(relations(connection), [])
    connection.close()
    text = "SELECT  FROM onsets"

    found = [each.text for each in names.get_completions(Document("SELECT s FROM onsets", 8), CompleteEvent())]

    assert found[0] == "status"
    assert not list(names.get_completions(Document(text, 7), CompleteEvent()))
