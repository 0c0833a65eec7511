"""The code location: which assets, checks, jobs, sensors and resources Dagster sees.

An explicit list of `assets.py` modules, since Dagster's own folder loader imports every module below a folder, and
torch with them. Not here: what the assets do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dagster import Definitions, in_process_executor, load_assets_from_modules

from assets.claims import assets as claims
from assets.models import assets as models
from assets.probes import assets as probes
from assets.publish import assets as publish
from assets.published import assets as published
from assets.resources import Workspace
from pipelines.jobs import audit_job, measure, publish_job
from pipelines.settings import use_defaults

MODULES = [models, probes, published, claims, publish]


def build(overrides: Mapping[str, Any] | None = None) -> Definitions:
    """The definitions, with some resources replaced: `build({"workspace": Workspace(study_name="mine.yaml")})`."""
    use_defaults()
    return Definitions(
        assets=load_assets_from_modules(MODULES),
        asset_checks=publish.catalog_checks,
        jobs=[measure, publish_job, audit_job],
        resources={"workspace": Workspace(), **(overrides or {})},
        executor=in_process_executor,
    )


definitions = build()
