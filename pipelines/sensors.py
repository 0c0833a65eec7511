"""What Dagster does by itself once it is switched on in the UI: the sensor for new models, publishing after measuring,
and the daily report. Everything is off by default.

Thin: what is new on a hub is decided in assets/models/hub/watch.py, when publishing is due by the automation conditions
on the assets.
"""

from dagster import (
    AssetSelection,
    AutomationConditionSensorDefinition,
    DefaultScheduleStatus,
    DefaultSensorStatus,
    RunRequest,
    ScheduleDefinition,
    SensorEvaluationContext,
    SensorResult,
    SkipReason,
    sensor,
)

from assets.models.hub.watch import Remembered, look
from assets.partitions import training_runs
from assets.resources import Workspace
from pipelines.jobs import ARRIVE, publish_job

HOUR_S = 3600


@sensor(
    job_name=ARRIVE,
    minimum_interval_seconds=HOUR_S,
    default_status=DefaultSensorStatus.STOPPED,
    description="Looks on the hub for new revisions of the study's training runs and for repositories under `watch`, "
    "and asks for what is new, once: predicted, measured, published.",
)
def new_models(context: SensorEvaluationContext, workspace: Workspace) -> SensorResult:
    """One look an hour; what was asked for is not asked for again, also where its run failed."""
    found = look(workspace.study, workspace.home, Remembered.read(context.cursor))
    for note in found.notes:
        context.log.warning(note)
    for repository in found.added:
        context.log.info(f"{repository} was added to the study")
    if found.stopped:
        context.log.warning(found.stopped)
    run_ids = [new.run_id for new in found.new]
    return SensorResult(
        run_requests=[RunRequest(run_key=new.key, partition_key=new.run_id) for new in found.new],
        skip_reason=None if run_ids else SkipReason(found.stopped or "Nothing is new."),
        dynamic_partitions_requests=[training_runs.build_add_request(run_ids)] if run_ids else [],
        cursor=found.remembered.model_dump_json(exclude_defaults=True),
    )


publish_when_measured = AutomationConditionSensorDefinition(
    "publish_when_measured",
    target=AssetSelection.groups("claims", "catalog", "reports"),
    default_status=DefaultSensorStatus.STOPPED,
    description="Publishes after measurements, as soon as no publication is under way; waits for no missing partition.",
)
daily_report = ScheduleDefinition(
    name="daily_report",
    job=publish_job,
    cron_schedule="0 5 * * *",
    default_status=DefaultScheduleStatus.STOPPED,
    description="Catalog and report brought up to the record every morning at five, UTC.",
)
