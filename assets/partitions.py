"""The partitions of job `measure`: one key per training run, added by `sync`. Checkpoints are rows, not partitions."""

from __future__ import annotations

from dagster import DynamicPartitionsDefinition

training_runs = DynamicPartitionsDefinition(name="training_runs")
