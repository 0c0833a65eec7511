"""`sql` without a query: a prompt that reads queries until it is left.

Here: reading lines, with history and completion, and the commands that begin with a dot. Not here: running a query
(asking.py), printing its result (show.py).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import duckdb
from prompt_toolkit import PromptSession
from prompt_toolkit.application import get_app
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.filters import Condition
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.lexers import PygmentsLexer
from prompt_toolkit.shortcuts import CompleteStyle
from pygments.lexers.sql import SqlLexer
from rich.console import Console
from rich.text import Text

from catalog.dictionary import Relation, relations
from catalog.errors import UserError
from catalog.home import Home
from catalog.questions import question_named, questions
from catalog.read import sandboxed
from pipelines import show
from pipelines.asking import ask_over

HELP = """\
A query ends with ; and may run over several lines. Tab completes, the arrow keys bring back earlier queries.
  .tables            tables, views and macros with what they hold
  .columns NAME      the columns of one
  .cookbook          questions with a query ready
  .cookbook NAME     prints that query and runs it
  .help              this
  .exit              or Ctrl-D
Only SELECT and EXPLAIN run, and no other file is within reach. Ctrl-C stops a query."""
WORD = re.compile(r"\w*$")


def talk(home: Home, out: Console) -> None:
    """Reads and answers queries until the end of the input.

    Raises:
        UserError: there is no catalog.
    """
    connection = sandboxed(home.catalog)
    try:
        known = relations(connection)
        session: PromptSession[str] = PromptSession(
            FormattedText([("bold", "catalog> ")]),
            multiline=True,
            prompt_continuation="     ... ",
            key_bindings=_keys(),
            completer=Names(known, _keywords(connection)),
            complete_style=CompleteStyle.READLINE_LIKE,
            complete_while_typing=False,
            history=_history(home.sql_history),
            lexer=PygmentsLexer(SqlLexer),
        )
        out.print("The catalog, read-only. .help tells more, .exit leaves.")
        while True:
            try:
                said = session.prompt().strip()
            except KeyboardInterrupt:
                continue
            except EOFError:
                return
            if said in (".exit", ".quit"):
                return
            if said:
                _answer(connection, known, said, out)
    finally:
        connection.close()


def _answer(connection: duckdb.DuckDBPyConnection, known: list[Relation], said: str, out: Console) -> None:
    """Prints the answer, or what is wrong with the question."""
    try:
        if said.startswith("."):
            command, _, name = said.rstrip(";").partition(" ")
            _command(connection, known, command, name.strip(), out)
        else:
            out.print(show.rows(ask_over(connection, said), out.width))
    except UserError as error:
        out.print("[bold red]Error:[/]", end=" ")
        out.print(str(error), markup=False, highlight=False, soft_wrap=True)
    except KeyboardInterrupt:
        out.print("Stopped.")


def _command(
    connection: duckdb.DuckDBPyConnection, known: list[Relation], command: str, name: str, out: Console
) -> None:
    if command == ".tables":
        out.print(show.relations(known))
    elif command == ".columns":
        out.print(show.columns(_named(known, name)))
    elif command == ".cookbook" and not name:
        out.print(show.cookbook(list(questions().values())))
    elif command == ".cookbook":
        question = question_named(name)
        out.print(Text(question.sql), soft_wrap=True)
        out.print(show.rows(ask_over(connection, question.sql), out.width))
    elif command == ".help":
        out.print(Text(HELP))
    else:
        raise UserError(f"There is no command {command}.", mend="`.help` lists them; a query begins with no dot.")


def _named(known: list[Relation], name: str) -> Relation:
    for relation in known:
        if relation.name == name.lower():
            return relation
    raise UserError(f"There is no table, view or macro {name!r}.", mend="`.tables` lists them.")


class Names(Completer):
    """Completes commands, questions of the cookbook, keywords, and the catalog's own names.

    Columns of what the text names come first, then tables, views and macros, then all other columns and keywords.
    """

    def __init__(self, known: list[Relation], keywords: list[str]) -> None:
        self.columns = {relation.name: [column.name for column in relation.columns] for relation in known}
        self.keywords = keywords

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:
        before = document.text_before_cursor.lstrip()
        if before.startswith("."):
            command, space, name = before.partition(" ")
            offered = {".cookbook": list(questions()), ".columns": list(self.columns)}.get(command, [])
            typed, names = (
                (name, offered) if space else (before, [".columns", ".cookbook", ".exit", ".help", ".tables"])
            )
        else:
            typed, names = WORD.search(before)[0], self._names(document.text)  # type: ignore[index]
        for name in names:
            if name.lower().startswith(typed.lower()) and (typed or before.startswith(".")):
                yield Completion(name, -len(typed))

    def _names(self, text: str) -> list[str]:
        words = set(re.findall(r"\w+", text.lower()))
        near = [column for name, columns in self.columns.items() if name in words for column in columns]
        everywhere = sorted({column for columns in self.columns.values() for column in columns})
        return list(dict.fromkeys([*near, *self.columns, *everywhere, *self.keywords]))


def _keywords(connection: duckdb.DuckDBPyConnection) -> list[str]:
    found = connection.execute("SELECT upper(keyword_name) FROM duckdb_keywords() ORDER BY keyword_name").fetchall()
    return [keyword for (keyword,) in found]


def _keys() -> KeyBindings:
    """Enter ends what is complete (a command, a query with its semicolon, nothing), and begins a new line otherwise."""
    keys = KeyBindings()

    @Condition
    def is_complete() -> bool:
        text = get_app().current_buffer.document.text.strip()
        return not text or text.startswith(".") or text.endswith(";")

    @keys.add("enter", filter=is_complete)
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.validate_and_handle()

    return keys


def _history(path: Path) -> History:
    """Kept in the home, where that can be written to."""
    writable = os.access(path if path.exists() else path.parent, os.W_OK)
    return FileHistory(path) if writable else InMemoryHistory()
