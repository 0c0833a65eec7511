"""The command line: run, status, predict, models, sync, report, sql, studies, probes, catalog, export, release.

Here: arguments and what is printed. Not here: what is done (assets, workers.py, execution.py), the commands export and
release (exchange.py). Dagster and torch are imported only by the commands that need them.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from catalog.errors import UserError
from pipelines import exchange, show

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="Which findings about language models still hold, in which models, since when?",
)
catalog_app = typer.Typer(no_args_is_help=True, help="The catalog file.")
app.add_typer(catalog_app, name="catalog")
studies_app = typer.Typer(help="The studies that come with the project; check or audit one.")
app.add_typer(studies_app, name="studies")
models_app = typer.Typer(no_args_is_help=True, help="Models that a study takes in beside those that it names.")
app.add_typer(models_app, name="models")
exchange.add_to(app)
out, err = Console(), Console(stderr=True)

Workers = Annotated[int, typer.Option(min=1, help="Processes; each holds one model.")]
WORKERS = min(os.cpu_count() or 1, 8)
StudyArgument = Annotated[str, typer.Argument(help="A study's name, or the path of its file.")]


@app.command(
    epilog="Examples: [bold]python -m pipelines run demo[/]   [bold]python -m pipelines run mine.yaml --workers 4[/]"
)
def run(
    study: StudyArgument = "demo",
    workers: Workers = WORKERS,
    retry: Annotated[bool, typer.Option("--retry", help="Try again what failed and would not be tried again.")] = False,
) -> None:
    """Measure what is due, decide the claims, publish catalog and report.

    What is done is not done again; Ctrl-C loses only the checkpoint at hand.
    """
    from pipelines.running import run_study

    try:
        run_study(study, workers, out, err, retry=retry)
    except KeyboardInterrupt:
        err.print("Stopped. What was finished is kept; the same command goes on from there.")
        raise typer.Exit(130) from None


@app.command(epilog="Examples: [bold]python -m pipelines status[/]   [bold]python -m pipelines status demo --disk[/]")
def status(
    study: StudyArgument = "demo",
    disk: Annotated[bool, typer.Option("--disk", help="What each folder of the home holds.")] = False,
    workers: Workers = WORKERS,
) -> None:
    """Show what is done, what is due and why, what that will cost, and what failed; nothing is done."""
    from pipelines import show_due
    from pipelines.running import checked
    from pipelines.settings import use_defaults

    home = use_defaults()
    if disk:
        out.print(show.disk(home))
    else:
        out.print(show_due.status(checked(study), home, workers))


@app.command(
    epilog="Examples: [bold]python -m pipelines predict demo --model pythia-31m[/]   "
    "[bold]python -m pipelines predict mine.yaml --model my-model-2l[/]"
)
def predict(
    study: StudyArgument,
    model: Annotated[str, typer.Option(help="A model of the study's families, of which nothing was measured yet.")],
) -> None:
    """Freeze what each claim expects of a model before it is measured; view prediction_record shows how it did.

    Only the model's stated design is used. A model that was measured or imported is refused; a claim's first
    prediction stays.
    """
    from assets.publish.freezing import freeze
    from pipelines.running import checked
    from pipelines.settings import use_defaults

    frozen = freeze(use_defaults(), checked(study), model)
    out.print(show.predictions(frozen))


@app.command(epilog="Example: [bold]python -m pipelines sync demo[/]")
def sync(study: StudyArgument = "demo") -> None:
    """Make the study's training runs known to Dagster, so that its UI lists them in an empty home too."""
    from assets.models.runs import training_runs
    from assets.study import load_study
    from pipelines.settings import use_defaults

    use_defaults()
    run_ids = [run.run_id for run in training_runs(load_study(study))]
    from pipelines.execution import add_partitions

    new = add_partitions(run_ids)
    out.print(f"{len(run_ids)} training runs of study {study}, {new} of them new to Dagster.")


@app.command(epilog="Example: [bold]python -m pipelines ui --port 3001[/]")
def ui(
    study: StudyArgument = "demo",
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1.")] = 3000,
) -> None:
    """Start Dagster's UI on this machine only (it has no login), with the study's training runs as partitions."""
    from pipelines.settings import use_defaults

    sync(study)
    home = use_defaults()
    os.environ["MOVING_TARGET_STUDY"] = study
    out.print(f"Dagster: http://127.0.0.1:{port}   home: {home.root}   Ctrl-C ends it", soft_wrap=True)
    quiet = "-Wignore:Function `dev_command` is superseded"
    arguments = ["dev", "--module-name", "pipelines.definitions", "--host", "127.0.0.1", "--port", str(port)]
    os.execv(sys.executable, [sys.executable, quiet, "-m", "dagster", *arguments])


@app.command(
    epilog="Examples: [bold]python -m pipelines report[/]   "
    "[bold]python -m pipelines report --single-file report.html --summary slide.pdf[/]"
)
def report(
    single_file: Annotated[Path | None, typer.Option(help="Also write the whole site as one HTML file.")] = None,
    summary: Annotated[Path | None, typer.Option(help="Also write all verdicts on one page: .pdf, .png, .svg.")] = None,
) -> None:
    """Make the report again from the catalog, and say where it is."""
    from catalog.read import check_schema
    from pipelines.settings import use_defaults
    from reports.single_file import write_single_file
    from reports.site import build
    from reports.summary import write_summary

    home = use_defaults()
    check_schema(home)
    out.print(f"Report: {build(home)}", soft_wrap=True)
    for path, write in ((single_file, write_single_file), (summary, write_summary)):
        if path is not None:
            write(home, path)
            out.print(f"Written: {path}", soft_wrap=True)


@app.command(
    epilog="Examples: [bold]python -m pipelines sql[/]   [bold]python -m pipelines sql 'FROM claim_matrix'[/]   "
    "[bold]python -m pipelines sql --cookbook where-induction-heads-sit --csv > heads.csv[/]"
)
def sql(
    query: Annotated[
        str | None, typer.Argument(help="SELECT or EXPLAIN; - reads it from standard input. Without: a prompt.")
    ] = None,
    cookbook: Annotated[
        bool, typer.Option("--cookbook", help="QUERY names a question of the cookbook; without: lists them.")
    ] = False,
    csv: Annotated[bool, typer.Option("--csv", help="As CSV.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, a list of objects.")] = False,
    parquet: Annotated[Path | None, typer.Option(metavar="FILE", help="Into a Parquet file.")] = None,
) -> None:
    """Query the catalog: read-only, and no other file is within reach."""
    from catalog.questions import question_named, questions
    from pipelines import asking
    from pipelines.settings import use_defaults

    home = use_defaults()
    if query is None and cookbook:
        out.print(show.cookbook(list(questions().values())))
        return
    if query is None and sys.stdin.isatty():
        from pipelines.prompt import talk

        talk(home, out)
        return
    text = question_named(query or "").sql if cookbook else asking.read_query(query or "-", sys.stdin)
    rows = asking.ask(home, text)
    if parquet:
        asking.write_parquet(rows, parquet, home)
        err.print(f"{rows.height:,} rows: {parquet}", soft_wrap=True)
    elif csv:
        sys.stdout.write(asking.as_csv(rows))
    elif as_json:
        sys.stdout.write(asking.as_json(rows))
    else:
        out.print(show.rows(rows, out.width))


@studies_app.callback(invoke_without_command=True)
def studies(context: typer.Context) -> None:
    """List the studies that come with the project; check or audit one."""
    from assets.study import STUDIES, load_study

    if context.invoked_subcommand is None:
        out.print(show.studies([load_study(str(path)) for path in sorted(STUDIES.glob("*.yaml"))]))


@studies_app.command(
    epilog="Examples: [bold]python -m pipelines studies check demo[/]   "
    "[bold]python -m pipelines studies check mine.yaml[/]"
)
def check(study: StudyArgument) -> None:
    """Hold a study against its hub without downloading weights: what is missing, how large it is.

    Status 1 where something is missing or not handed out.
    """
    from pipelines.auditing import check_study
    from pipelines.running import checked
    from pipelines.settings import use_defaults

    home = use_defaults()
    if not check_study(checked(study), home, out):
        raise typer.Exit(1)


@studies_app.command(epilog="Example: [bold]python -m pipelines studies audit demo[/]")
def audit(study: StudyArgument) -> None:
    """Find checkpoints on the hub that are byte-identical, missing, without weights or unlike main, and record it.

    No weights are downloaded. From the next publication on, what is suspect is left out of evidence. Status 1 where
    a training run could not be asked about.
    """
    from pipelines.auditing import audit_study
    from pipelines.running import checked
    from pipelines.settings import use_defaults

    home = use_defaults()
    if not audit_study(study, checked(study), home, out):
        raise typer.Exit(1)


@app.command(epilog="Examples: [bold]python -m pipelines probes[/], [bold]python -m pipelines probes attention[/]")
def probes(name: Annotated[str | None, typer.Argument(help="A probe, to be told in full.")] = None) -> None:
    """List the probes with the metrics that each measures, or tell one probe's definitions and options."""
    from assets.probes.registry import probe_named
    from assets.probes.registry import probes as registered

    out.print(show.probe(probe_named(name)) if name else show.probes(list(registered().values())))


@models_app.command(
    epilog="Examples: [bold]python -m pipelines models add EleutherAI/pythia-31m[/]   "
    '[bold]python -m pipelines models add org/model --study mine.yaml --revisions "step{step}"[/]'
)
def add(
    repository: Annotated[str, typer.Argument(help="ORG/NAME on the hub, with weights as safetensors.")],
    study: Annotated[str, typer.Option(help="A study's name, or the path of its file.")] = "demo",
    family: Annotated[str | None, typer.Option(help="Its family; without: by its organisation and name.")] = None,
    revisions: Annotated[
        str | None, typer.Option(help="Form of the branches or tags that are checkpoints, with {step}.")
    ] = None,
    run: Annotated[bool, typer.Option("--run/--no-run", help="Whether it is predicted and measured at once.")] = True,
) -> None:
    """Add a model of the hub to a study: predict it, measure it, score the predictions, tell which verdicts moved.

    What is added stands in the home, under models/. Twice the same command changes nothing.
    """
    from pipelines.arriving import add_model

    try:
        add_model(repository, study, family, revisions, run, out, err)
    except KeyboardInterrupt:
        err.print("Stopped. What was finished is kept; the same command goes on from there.")
        raise typer.Exit(130) from None


@catalog_app.command(epilog="Example: [bold]python -m pipelines catalog rebuild[/]")
def rebuild() -> None:
    """Make the catalog again from the record; verdicts are replayed, not decided anew."""
    from catalog.build import rebuild as rebuild_catalog
    from pipelines.settings import use_defaults

    home = use_defaults()
    out.print(f"Catalog: {home.catalog}, build {rebuild_catalog(home)}", soft_wrap=True)


@catalog_app.command(epilog="Example: [bold]python -m pipelines catalog path[/]")
def path() -> None:
    """Print the path of the catalog file."""
    from catalog.home import Home

    out.print(str(Path(Home.from_environment().catalog)), soft_wrap=True)


def main() -> None:
    """Runs the command; what a user can mend ends in one message and status 1, without a traceback."""
    try:
        app()
    except UserError as error:
        err.print("[bold red]Error:[/]", end=" ")
        err.print(str(error), markup=False, highlight=False, soft_wrap=True)
        sys.exit(1)
