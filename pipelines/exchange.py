"""The commands `export` and `release`: the catalog in formats that others read.

Here: arguments and what is printed. Not here: the formats (catalog/exchange).
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

out, err = Console(), Console(stderr=True)
FolderArgument = Annotated[Path, typer.Argument(help="A folder that does not exist yet, or is empty.")]


class ExportFormat(StrEnum):
    """What `export` writes."""

    PARQUET = "parquet"
    CSV = "csv"
    EVERY_EVAL_EVER = "every-eval-ever"


def export(
    folder: FolderArgument,
    form: Annotated[
        ExportFormat,
        typer.Option("--format", help="Tables as Parquet or CSV, or results on behaviour as Every Eval Ever records."),
    ] = ExportFormat.PARQUET,
) -> None:
    """Write the catalog for other programs: all tables and the main views with a Data Package, or benchmark records.

    This is your own copy, with every value; `release` makes one to publish.
    """
    from catalog.exchange.datapackage import export_tables
    from catalog.exchange.every_eval_ever import export_results
    from pipelines.settings import use_defaults

    home = use_defaults()
    if form is ExportFormat.EVERY_EVAL_EVER:
        number = export_results(home, folder, _say)
        out.print(f"{number} records: {folder}", soft_wrap=True, markup=False, highlight=False)
    else:
        export_tables(home, folder, "csv" if form is ExportFormat.CSV else "parquet", _say)
        out.print(f"Tables and datapackage.json: {folder}", soft_wrap=True, markup=False, highlight=False)


def release(
    folder: FolderArgument,
    include_all: Annotated[
        bool, typer.Option("--include-all", help="With the values that may not be handed on: for yourself alone.")
    ] = False,
) -> None:
    """Write a folder to publish: Parquet, datapackage.json, README.md, CITATION.cff and SHA256SUMS.

    Values of sources that may not be handed on are left out, and the README says so. An unchanged catalog gives the
    same bytes.
    """
    from catalog.exchange.release import write_release
    from pipelines.settings import use_defaults

    withheld = write_release(use_defaults(), folder, _say, include_all=include_all)
    out.print(f"Release: {folder}", soft_wrap=True, markup=False, highlight=False)
    if withheld:
        out.print(f"Left out, since they may not be handed on: values of {', '.join(withheld)}.", markup=False)


def _say(line: str) -> None:
    """Progress, apart from the result."""
    err.print(line, soft_wrap=True, markup=False, highlight=False)


def add_to(app: typer.Typer) -> None:
    """Adds the two commands to the command line."""
    app.command(
        epilog="Examples: [bold]python -m pipelines export tables[/]   "
        "[bold]python -m pipelines export records --format every-eval-ever[/]"
    )(export)
    app.command(epilog="Example: [bold]python -m pipelines release moving-target-2026[/]")(release)
