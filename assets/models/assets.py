"""Dagster assets of models: the checkpoints of a training run, made or fetched, hashed and described."""

from dagster import AssetExecutionContext, MaterializeResult, MetadataValue, asset

from assets.models.facts import at_work_on, put_run
from assets.partitions import training_runs
from assets.resources import Workspace


@asset(group_name="models", partitions_def=training_runs, kinds={"pytorch"})
def checkpoints(context: AssetExecutionContext, workspace: Workspace) -> MaterializeResult:
    """Every checkpoint of a training run: its weights made (calibration families are trained here) or fetched, pinned
    by sha256, and its model described from configuration and weights. What was done before is found again."""
    home = workspace.home
    with at_work_on(home, context.partition_key):
        pinned, faults = put_run(workspace.study, context.partition_key, home, context.log.info, retry=workspace.retry)
    for checkpoint_id, reason in faults.items():
        context.log.error(f"{checkpoint_id} could not be had: {reason}")
    rows = "\n".join(f"| {p.planned.label} | {p.bytes:,} | `{p.weights_sha256[:12]}` |" for p in pinned)
    return MaterializeResult(
        metadata={
            "dagster/row_count": len(pinned),
            "refused": len(faults),
            "bytes": sum(p.bytes for p in pinned),
            "checkpoints": MetadataValue.md(f"| checkpoint | bytes | sha256 |\n|---|---:|---|\n{rows}"),
        }
    )
