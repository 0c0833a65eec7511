"""Nothing public is left undescribed: tables, columns, views, macros, metrics, probes, claims, commands, options."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import click
import pytest
import typer

from assets.claims.schema import load_claims
from assets.likeness.registry import measures
from assets.probes.registry import Metric, probes
from assets.published import importer_named, importers
from pipelines.cli import app
from tests.documents.dictionary import described

METRICS: list[Metric] = [
    *(metric for probe in probes().values() for metric in probe.metrics),
    *(metric for measure in measures().values() for metric in measure.metrics),
    *(metric for name in importers() for metric in importer_named(name).metrics),
]
RELATIONS = described()


def commands(group: click.Group, *above: str) -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        yield " ".join((*above, name)), command
        if hasattr(command, "commands"):
            yield from commands(command, *above, name)  # type: ignore[arg-type]


COMMANDS = dict(commands(typer.main.get_command(app)))  # type: ignore[arg-type]


@pytest.mark.parametrize("relation", RELATIONS, ids=lambda relation: relation.name)
def test_tables_views_and_macros_are_described_with_every_column(relation) -> None:
    assert relation.description.endswith(".")
    assert relation.columns
    assert [column.name for column in relation.columns if not column.description.strip()] == []


@pytest.mark.parametrize("relation", [r for r in RELATIONS if r.kind == "table"], ids=lambda relation: relation.name)
def test_a_tables_key_is_made_of_its_columns(relation) -> None:
    assert relation.key
    assert set(relation.key) <= {column.name for column in relation.columns}


def test_references_lead_to_columns_that_exist() -> None:
    exist = {f"{relation.name}.{column.name}" for relation in RELATIONS for column in relation.columns}

    assert {c.refers_to for relation in RELATIONS for c in relation.columns if c.refers_to} <= exist


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.metric_id)
def test_metrics_say_what_they_are_and_whence(metric: Metric) -> None:
    assert len(metric.definition) > 20
    assert metric.construct
    assert metric.unit
    assert metric.citation
    assert metric.chance_rule or not metric.has_excess


@pytest.mark.parametrize("probe", probes().values(), ids=lambda probe: probe.name)
def test_probes_say_what_they_measure_and_cost(probe) -> None:
    assert probe.metrics
    assert probe.cost.endswith(".")
    assert inspect.getdoc(inspect.getmodule(type(probe)))


@pytest.mark.parametrize("claim", load_claims("all"), ids=lambda claim: claim.id)
def test_claims_say_what_they_claim_who_did_and_what_would_refute_them(claim) -> None:
    assert claim.statement.endswith(".")
    assert claim.criterion
    assert claim.citation
    assert claim.refuted_by


@pytest.mark.parametrize("name", COMMANDS)
def test_commands_and_their_options_have_help(name: str) -> None:
    command = COMMANDS[name]

    assert (command.help or "").strip().rstrip("`").endswith((".", "?"))
    assert [option.name for option in command.params if not getattr(option, "help", None)] == []
