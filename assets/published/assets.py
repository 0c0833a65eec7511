"""Dagster assets of published measurements: one asset per importer, filled where the study gives it a folder."""

from dagster import AssetExecutionContext, AssetsDefinition, MaterializeResult, asset

from assets.probes.describe import description
from assets.published import importers
from assets.published.importing import import_published
from assets.resources import Workspace


def _published_asset(name: str) -> AssetsDefinition:
    importer = importers()[name]

    @asset(
        name=name,
        group_name="published",
        description=description(importer, importer.metrics, f"To get the files: `{importer.how_to_get}`"),
        code_version=str(importer.version),
        kinds={"csv"},
    )
    def published(context: AssetExecutionContext, workspace: Workspace) -> MaterializeResult:
        wanted = [p for p in workspace.study.published if p.importer == name]
        outcomes = [import_published(p, workspace.home, context.log.info) for p in wanted]
        return MaterializeResult(
            metadata={
                "dagster/row_count": sum(outcome.n_rows for outcome in outcomes),
                "files": sum(outcome.n_files for outcome in outcomes),
                "found_done": sum(outcome.n_known for outcome in outcomes),
            }
        )

    return published


published_assets = [_published_asset(name) for name in importers()]
