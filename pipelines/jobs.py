"""The jobs. `measure` runs once per training run (a partition), `publish` brings the catalog up to the record, `arrive`
is both in one run; `audit` asks a hub about the study's checkpoints, when somebody wants to know.

In-process executor: a process per step would import torch and load the model again for each.
"""

from __future__ import annotations

from collections.abc import Iterable

from dagster import AssetSelection, define_asset_job, in_process_executor
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from assets.partitions import training_runs

ARRIVE = "arrive"
AUDITED = AssetSelection.assets("audit")
MEASURED = AssetSelection.groups("predictions", "models", "probes") - AUDITED

measure = define_asset_job(
    "measure",
    selection=MEASURED,
    partitions_def=training_runs,
    executor_def=in_process_executor,
    description="One training run: predict its model if it is new, make or fetch its checkpoints, then all due probes.",
)
publish_job = define_asset_job(
    "publish",
    selection=AssetSelection.all() - MEASURED - AUDITED,
    executor_def=in_process_executor,
    description="Published values, claims, evidence, verdicts, catalog, report. Never waits for missing partitions.",
)
audit_job = define_asset_job(
    "audit",
    selection=AUDITED,
    executor_def=in_process_executor,
    description="What the hub says of the study's checkpoints: identical, missing, without weights. Needs the network.",
)


def arrive_with(probes: Iterable[str]) -> UnresolvedAssetJobDefinition:
    """Job `arrive` with these probes, the study's: Dagster runs nothing that is downstream of an asset left out."""
    measuring = (AssetSelection.groups("predictions", "models") - AUDITED) | AssetSelection.assets(*probes)
    return define_asset_job(
        ARRIVE,
        selection=measuring | (AssetSelection.all() - MEASURED - AUDITED),
        partitions_def=training_runs,
        executor_def=in_process_executor,
        description="One training run from its prediction to the report: what the sensor new_models asks for.",
    )
