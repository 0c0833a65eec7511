"""Dagster assets of probes: one multi-asset, a key per probe, so that weights are loaded once for all of them."""

from collections.abc import Iterator

from dagster import (
    AssetExecutionContext,
    AssetKey,
    AssetSpec,
    Failure,
    MaterializeResult,
    MetadataValue,
    multi_asset,
)

from assets.models.faults import FETCH
from assets.models.parts import Part, at_work_on
from assets.models.runs import run_named
from assets.partitions import training_runs
from assets.probes.battery import battery_of
from assets.probes.describe import by_checkpoint, description, table
from assets.probes.measure import Outcome, measure
from assets.probes.plan import FETCHING, RunPlan, plan_run, standing
from assets.probes.registry import probe_named, probes
from assets.resources import RETRIES, Workspace, told_to_dagster


@multi_asset(
    specs=[
        AssetSpec(
            name,
            deps=["checkpoints"],
            group_name="probes",
            description=description(probe, probe.metrics, f"Cost: {probe.cost}"),
            code_version=str(probe.version),
            skippable=True,
        )
        for name, probe in probes().items()
    ],
    partitions_def=training_runs,
    can_subset=True,
    retry_policy=RETRIES,
    name="probes",
)
def probe_runs(context: AssetExecutionContext, workspace: Workspace) -> Iterator[MaterializeResult]:
    """Measures a training run's checkpoints with the selected probes; what was measured is not measured again, and
    what failed lastingly is not tried again unless the resource says `retry`. Of a
    selection that holds probes of the study, the others are left out, so that materializing all does what the study
    says; a selection of others alone is measured as asked. A probe that failed on a checkpoint counts as failed for
    the training run; checkpoints that could not be had are tried again if the fault may pass."""
    with told_to_dagster():
        yield from _measured(context, workspace)


def _measured(context: AssetExecutionContext, workspace: Workspace) -> Iterator[MaterializeResult]:
    run = run_named(workspace.study, context.partition_key)
    record = workspace.record
    study = battery_of(workspace.study, workspace.home)
    asked = [name for name in probes() if AssetKey(name) in context.selected_asset_keys]
    battery = study.with_probes([name for name in asked if name in study.choices] or asked)
    selected = [probe_named(name) for name in battery.choices]
    part = Part.of_tags(context.run.tags)
    with at_work_on(workspace.home, run.run_id, context.log.info, part):
        plan = plan_run(run, battery, record, standing(record, retry=workspace.retry))
        due = [checkpoint for checkpoint in plan.due if part.holds(checkpoint.planned.label)]
        outcome = measure(run, due, battery, workspace.home, context.log.info, context.run.run_id)
    outcome.failed |= _not_had(plan, context.run.run_id)
    for probe in selected:
        if not outcome.spoiled(probe.name):
            yield MaterializeResult(asset_key=probe.name, metadata=_metadata(probe.name, outcome, plan))
    if outcome.failed:
        told = "\n\n".join(f"{about}: {reason}" for about, reason in outcome.failed.items())
        raise Failure(
            f"Failed: {len(outcome.failed)}. What was measured beside is recorded; run again to retry.\n\n{told}",
            metadata={"failed": MetadataValue.md(table(("about", "reason"), _in_lines(outcome.failed)))},
            allow_retries=outcome.may_pass,
        )


def _not_had(plan: RunPlan, dagster_run_id: str) -> dict[str, str]:
    """Checkpoints that lastingly could not be had, as this very run found out: it fails for them, the next does not."""
    failed = {plan.run.checkpoint_id(c.planned.label): c.failed[FETCHING] for c in plan.checkpoints if c.is_given_up}
    return {name: failure.reason for name, failure in failed.items() if failure.dagster_run_id == dagster_run_id}


def _in_lines(failed: dict[str, str]) -> Iterator[tuple[str, str]]:
    """What failed and why, each on one line."""
    return ((about, " ".join(reason.split())) for about, reason in failed.items())


def _metadata(probe: str, outcome: Outcome, plan: RunPlan) -> dict[str, int | MetadataValue]:
    given_up = [
        f"- {plan.run.checkpoint_id(checkpoint.planned.label)}: {failure.reason}"
        for checkpoint in plan.checkpoints
        for task, failure in checkpoint.failed.items()
        if failure.is_lasting and task.probe in (probe, FETCH)
    ]
    n_found = sum(all(t.probe != probe for t in checkpoint.tasks) for checkpoint in plan.checkpoints) - len(given_up)
    metadata: dict[str, int | MetadataValue] = {
        "dagster/row_count": outcome.n_rows.get(probe, 0),
        "probe_runs": outcome.n_probe_runs.get(probe, 0),
        "found_done": max(0, n_found),
        "highest_value": MetadataValue.md(by_checkpoint(outcome.highest.get(probe, {}))),
    }
    lines = [f"- {about}: {why}" for about, why in outcome.not_applicable.items() if about.endswith(f" {probe}")]
    if lines:
        metadata["not_applicable"] = MetadataValue.md("\n".join(lines))
    if given_up:
        metadata["not_tried_again"] = MetadataValue.md("\n".join(given_up))
    return metadata
