"""The jobs. `measure` runs once per training run (a partition); `publish` brings the catalog up to the record; `audit`
asks a hub about the study's checkpoints, when somebody wants to know.

In-process executor: a process per step would import torch and load the model again for each.
"""

from __future__ import annotations

from dagster import AssetSelection, define_asset_job, in_process_executor

from assets.partitions import training_runs

AUDITED = AssetSelection.assets("audit")
MEASURED = AssetSelection.groups("models", "probes") - AUDITED

measure = define_asset_job(
    "measure",
    selection=MEASURED,
    partitions_def=training_runs,
    executor_def=in_process_executor,
    description="One training run: make or fetch its checkpoints, then all due probes on each.",
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
