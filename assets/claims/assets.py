"""Dagster asset of claims: the study, the library and the advisories, recorded as they stand."""

from dagster import AssetExecutionContext, MaterializeResult, MetadataValue, asset

from assets.claims.recording import put_claims, put_study
from assets.resources import Workspace


@asset(group_name="claims", kinds={"yaml"})
def claims(context: AssetExecutionContext, workspace: Workspace) -> MaterializeResult:
    """The study's claims, each with its criterion and version. A changed claim needs a new version number."""
    put_study(workspace.record, workspace.study)
    recorded = put_claims(workspace.record, workspace.study)
    lines = "\n".join(f"| {c.id} | {c.version} | {c.statement} |" for c in recorded)
    return MaterializeResult(
        metadata={
            "dagster/row_count": len(recorded),
            "claims": MetadataValue.md(f"| claim | version | statement |\n|---|---:|---|\n{lines}"),
        }
    )
