"""Dagster assets of models: the checkpoints of a training run, made or fetched, hashed and described; and the audit of
what their hub holds."""

from dagster import (
    AssetCheckResult,
    AssetCheckSeverity,
    AssetCheckSpec,
    AssetExecutionContext,
    AssetSpec,
    MaterializeResult,
    MetadataValue,
    asset,
    multi_asset,
)

from assets.models.audit.auditing import Audited
from assets.models.audit.auditing import audit as audit_study
from assets.models.facts import put_run
from assets.models.parts import Part, at_work_on
from assets.partitions import training_runs
from assets.resources import RETRIES, Workspace, told_to_dagster


@asset(
    group_name="models",
    deps=["predictions"],
    partitions_def=training_runs,
    retry_policy=RETRIES,
    kinds={"pytorch"},
)
def checkpoints(context: AssetExecutionContext, workspace: Workspace) -> MaterializeResult:
    """Every checkpoint of a training run: its weights made (calibration families are trained here) or fetched, pinned
    by sha256, and its model described from configuration and weights. What was done before is found again. Where none
    can be had, the step fails, and is tried again if the fault may pass."""
    home, part = workspace.home, Part.of_tags(context.run.tags)
    with told_to_dagster(), at_work_on(home, context.partition_key, context.log.info, part):
        pinned, faults = put_run(
            workspace.study,
            context.partition_key,
            home,
            context.log.info,
            part,
            retry=workspace.retry,
            dagster_run_id=context.run.run_id,
        )
    for checkpoint_id, reason in faults.items():
        context.log.error(f"{checkpoint_id} could not be had: {reason}")
    refused = "\n".join(f"- {checkpoint_id}: {' '.join(reason.split())}" for checkpoint_id, reason in faults.items())
    rows = "\n".join(f"| {p.planned.label} | {p.bytes:,} | `{p.weights_sha256[:12]}` |" for p in pinned)
    return MaterializeResult(
        metadata={
            "dagster/row_count": len(pinned),
            "refused": len(faults),
            **({"refused_because": MetadataValue.md(refused)} if faults else {}),
            "bytes": sum(p.bytes for p in pinned),
            "checkpoints": MetadataValue.md(f"| checkpoint | bytes | sha256 |\n|---|---:|---|\n{rows}"),
        }
    )


AUDIT_CHECK = "checkpoints_are_what_they_are_called"
MOST_ROWS = 100


@multi_asset(
    name="auditing",  # an op and a job can't share a name
    specs=[
        AssetSpec(
            "audit",
            group_name="models",
            kinds={"huggingface"},
            description="What the hub says of the study's checkpoints, without downloading weights: which are "
            "byte-identical, missing, without weights, or unlike the main branch. Advisories follow, which publishing "
            "heeds. Needs the network.",
        )
    ],
    check_specs=[
        AssetCheckSpec(
            AUDIT_CHECK,
            asset="audit",
            description="No checkpoint of the study is identical to another, missing, without weights or unlike main.",
        )
    ],
)
def audit(context: AssetExecutionContext, workspace: Workspace) -> MaterializeResult:
    """Audits the study's checkpoints on their hub and records what was found."""
    done = audit_study(
        workspace.study, workspace.home, lambda n_done, total: context.log.info(f"{n_done} of {total} commits listed")
    )
    for run in done.unasked:
        context.log.error(f"{run.run_id} could not be asked about: {run.fault}")
    table = MetadataValue.md(_findings(done))
    return MaterializeResult(
        metadata={
            "dagster/row_count": len(done.all_findings),
            "checkpoints": sum(len(run.holdings) for run in done.runs),
            "training_runs_on_a_hub": len(done.runs),
            "could_not_be_asked_about": len(done.unasked),
        },
        check_results=[
            AssetCheckResult(
                check_name=AUDIT_CHECK,
                passed=not done.all_findings and not done.unasked,
                severity=AssetCheckSeverity.WARN,
                metadata={"findings": len(done.all_findings), "first": table},
            )
        ],
    )


def _findings(done: Audited) -> str:
    if not done.runs:
        return "No training run of the study stands on a hub."
    faults = [
        f"| {run.run_id} | could not be asked about | {(run.fault or '').split(chr(10))[0]} |" for run in done.unasked
    ]
    found = [f"| {f.checkpoint_id} | {f.finding} | {f.detail} |" for f in done.all_findings]
    return "\n".join(["| checkpoint | finding | what was found |", "|---|---|---|", *(faults + found)[:MOST_ROWS]])
