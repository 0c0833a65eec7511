"""Dagster assets of publishing: evidence -> likeness, verdicts -> catalog in one writer's step, then the report; and,
before a training run's checkpoints, the predictions. Thin.

The four keys of the first are one step because they share the writer's lock; the asset checks on `catalog` are about
the whole record.
"""

from collections.abc import Iterator

from dagster import (
    AssetCheckExecutionContext,
    AssetCheckResult,
    AssetChecksDefinition,
    AssetCheckSeverity,
    AssetExecutionContext,
    AssetKey,
    AssetSpec,
    AutomationCondition,
    MaterializeResult,
    MetadataValue,
    asset,
    asset_check,
    multi_asset,
)

from assets.likeness.registry import measures
from assets.partitions import training_runs
from assets.probes.describe import table
from assets.probes.registry import probes
from assets.publish.arriving import Skipped, freeze_on_arrival
from assets.publish.checks import CHECKS, Check
from assets.publish.publication import publish
from assets.published import importers
from assets.resources import RETRIES, Workspace, told_to_dagster
from catalog.home import Home
from catalog.read import open_catalog

WRITER = "catalog"
"""The pool that keeps publications one at a time; dagster.yaml sets its limit."""
AFTER_NEWS = AutomationCondition.any_deps_updated().since_last_handled() & ~AutomationCondition.in_progress()
"""Once after something above was made; never waits for missing partitions, never repeats what failed."""


@asset(group_name="predictions", partitions_def=training_runs, retry_policy=RETRIES)
def predictions(context: AssetExecutionContext, workspace: Workspace) -> MaterializeResult:
    """What the claims expect of a training run's model, frozen in a build of its own before anything of it is measured.
    Only for models that arrive: natural, never measured or predicted, with a published catalog to predict from."""
    with told_to_dagster():
        came = freeze_on_arrival(workspace.home, workspace.study, context.partition_key, context.log.info)
    if isinstance(came, Skipped):
        return MaterializeResult(metadata={"dagster/row_count": 0, "nothing_frozen_because": came.reason})
    rows = [(row["claim_id"], row["probability"], row["estimate"], row["basis"]) for row in came.new]
    return MaterializeResult(
        metadata={
            "dagster/row_count": len(came.new),
            "build": came.build,
            "predictions": MetadataValue.md(table(("claim", "probability", "estimate", "basis"), rows)),
        }
    )


@multi_asset(
    specs=[
        AssetSpec(
            "evidence",
            deps=[*probes(), *importers()],
            automation_condition=AFTER_NEWS,
            group_name="claims",
            description="One row per checkpoint, variant, layer, head and stratum: the only thing that claims read.",
        ),
        AssetSpec(
            "likeness",
            deps=["evidence"],
            group_name="claims",
            description="Every pair of training runs of a model on five axes and in representation, beside chance.\n\n"
            + table(
                ("metric", "axis", "definition", "chance level"),
                [
                    (f"`{m.metric_id}`", m.construct, m.definition, m.chance_rule)
                    for measure in measures().values()
                    for m in measure.metrics
                ],
            ),
        ),
        AssetSpec(
            "verdicts",
            deps=["evidence", "claims"],
            group_name="claims",
            description="Every claim decided for every training run, model, family and across families.",
        ),
        AssetSpec(
            "catalog",
            deps=["likeness", "verdicts"],
            group_name="catalog",
            description="catalog.duckdb: built aside from the record, verified, swapped in.",
            kinds={"duckdb"},
        ),
    ],
    pool=WRITER,
    name="publication",
)
def publication(context: AssetExecutionContext, workspace: Workspace) -> Iterator[MaterializeResult]:
    """Brings the catalog up to the record. It never waits for missing partitions."""
    done = publish(workspace.home, workspace.study, context.log.info)
    yield MaterializeResult(asset_key="evidence", metadata={"dagster/row_count": done.n_evidence})
    yield MaterializeResult(
        asset_key="likeness",
        metadata={
            "dagster/row_count": done.n_likeness,
            "comparisons": done.n_comparisons,
            "axes": MetadataValue.md(_axes(workspace.home)),
        },
    )
    yield MaterializeResult(
        asset_key="verdicts",
        metadata={
            "dagster/row_count": sum(done.verdicts.values()),
            "decided_now": done.decided,
            "verdicts": MetadataValue.md(table(("verdict", "claims x subjects"), done.verdicts.items())),
            "matrix": MetadataValue.md(_matrix(workspace.home)),
        },
    )
    yield MaterializeResult(
        asset_key="catalog",
        metadata={
            "build": done.build,
            "new_entries": done.n_entries,
            "file": MetadataValue.path(workspace.home.catalog),
        },
    )


def _axes(home: Home) -> str:
    """Mean likeness and chance level over the pairs of each model's training runs, by axis and metric."""
    with open_catalog(home) as connection:
        rows = connection.execute(
            "SELECT axis, metric_id, model_id, count(*), round(avg(value), 3), round(avg(chance), 3) FROM likeness "
            "GROUP BY ALL ORDER BY ALL"
        ).fetchall()
    return table(("axis", "metric", "model", "values", "mean", "chance"), rows)


def _matrix(home: Home) -> str:
    """Claims by families, as the report's index shows them."""
    with open_catalog(home) as connection:
        cells = connection.sql("SELECT claim_id AS claim, family_id, verdict FROM claim_matrix ORDER BY ALL").pl()
    wide = cells.pivot(on="family_id", index="claim", values="verdict").fill_null("")
    return table(wide.columns, wide.rows())


@asset(group_name="reports", deps=["catalog"], kinds={"html"}, pool=WRITER, automation_condition=AFTER_NEWS)
def report(context: AssetExecutionContext, workspace: Workspace) -> MaterializeResult:
    """The static site, made from the catalog alone; open index.html."""
    from reports.site import build

    index = build(workspace.home)
    pages = sorted(index.parent.rglob("*.html"))
    return MaterializeResult(
        metadata={
            "dagster/row_count": len(pages),
            "file": MetadataValue.path(index),
            "bytes": sum(page.stat().st_size for page in pages),
        }
    )


def _asset_check(check: Check) -> AssetChecksDefinition:
    @asset_check(asset=AssetKey("catalog"), name=check.name, description=check.description)
    def run(context: AssetCheckExecutionContext, workspace: Workspace) -> AssetCheckResult:
        with open_catalog(workspace.home) as connection:
            faults = connection.sql(check.faults).pl()
        return AssetCheckResult(
            passed=faults.is_empty(),
            severity=AssetCheckSeverity.ERROR,
            metadata={
                "faults": faults.height,
                "first": MetadataValue.md(table(faults.columns, faults.head(10).rows())),
            },
        )

    return run


catalog_checks = [_asset_check(check) for check in CHECKS]
