"""The code location: which assets, checks, jobs, sensors and resources Dagster sees.

An explicit list of `assets.py` modules, since Dagster's own folder loader imports every module below a folder, and
torch with them. Not here: what the assets do.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from dagster import Definitions, EnvVar, in_process_executor, load_assets_from_modules

from assets.claims import assets as claims
from assets.models import assets as models
from assets.probes import assets as probes
from assets.probes.registry import probes as registered
from assets.publish import assets as publish
from assets.published import assets as published
from assets.resources import Workspace
from assets.study import STUDY_VARIABLE, load_study
from catalog.errors import UserError
from pipelines.jobs import arrive_with, audit_job, measure, publish_job
from pipelines.sensors import daily_report, new_models, publish_when_measured
from pipelines.settings import use_defaults

MODULES = [models, probes, published, claims, publish]


def build(overrides: Mapping[str, Any] | None = None) -> Definitions:
    """The definitions, with some resources replaced: `build({"workspace": Workspace(study_name="mine.yaml")})`."""
    use_defaults()
    resources = {"workspace": Workspace(), **(overrides or {})}
    return Definitions(
        assets=load_assets_from_modules(MODULES),
        asset_checks=publish.catalog_checks,
        jobs=[measure, publish_job, audit_job, arrive_with(_probes_of(resources["workspace"]))],
        sensors=[new_models, publish_when_measured],
        schedules=[daily_report],
        resources=resources,
        executor=in_process_executor,
    )


def _probes_of(workspace: Workspace) -> list[str]:
    """The probes of the study that is at hand; all where its file is faulty, which every run of it then tells."""
    named = workspace.study_name
    try:
        study = load_study(os.environ[STUDY_VARIABLE] if isinstance(named, EnvVar) else named)
    except UserError:
        return list(registered())
    return [name for name in study.probe_names if name in registered()]


definitions = build()
