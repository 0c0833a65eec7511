from __future__ import annotations

from pathlib import Path

import pytest
from dagster import AssetKey, Definitions, DynamicPartitionsDefinition

from assets.models.assets import AUDIT_CHECK
from assets.probes.registry import probes
from assets.publish.checks import CHECKS
from assets.published import importers
from assets.resources import Workspace


@pytest.fixture
def definitions() -> Definitions:
    from pipelines.definitions import build

    return build()


def groups(definitions: Definitions) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for spec in definitions.resolve_all_asset_specs():
        found.setdefault(str(spec.group_name), set()).add(spec.key.to_user_string())
    return found


def test_every_asset_stands_in_its_group(definitions: Definitions) -> None:
    assert groups(definitions) == {
        "predictions": {"predictions"},
        "models": {"checkpoints", "audit"},
        "probes": set(probes()),
        "published": set(importers()),
        "claims": {"claims", "evidence", "likeness", "verdicts"},
        "catalog": {"catalog"},
        "reports": {"report"},
    }


def test_every_asset_says_what_it_is(definitions: Definitions) -> None:
    for spec in definitions.resolve_all_asset_specs():
        assert spec.description, spec.key
        assert "See assets/" not in spec.description, spec.key


def test_the_jobs_share_the_assets_without_overlap(definitions: Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    selected = {
        job: {key.to_user_string() for key in definitions.resolve_job_def(job).asset_layer.executable_asset_keys}
        for job in ("measure", "publish", "audit")
    }

    assert selected["measure"] == {"predictions", "checkpoints", *probes()}
    assert selected["publish"] == {"claims", "evidence", "likeness", "verdicts", "catalog", "report", *importers()}
    assert selected["audit"] == {"audit"}
    assert not selected["measure"] & selected["publish"]
    assert selected["measure"] | selected["publish"] | selected["audit"] == {
        k.to_user_string() for k in graph.get_all_asset_keys()
    }


def test_a_training_run_arrives_by_the_probes_of_the_study(tiny_study: str) -> None:
    from pipelines.definitions import build

    selected = build({"workspace": Workspace(study_name=tiny_study)}).resolve_job_def("arrive").asset_layer

    names = {key.to_user_string() for key in selected.executable_asset_keys}
    assert names & set(probes()) == {"attention", "repeats"}
    assert names >= {"predictions", "checkpoints", "catalog", "report"}


def test_a_faulty_study_keeps_no_code_location_from_loading(tmp_path: Path) -> None:
    from pipelines.definitions import build

    (tmp_path / "faulty.yaml").write_text("name: [")

    assert build({"workspace": Workspace(study_name=str(tmp_path / "faulty.yaml"))}).resolve_job_def("arrive")


@pytest.mark.parametrize("job", ["measure", "arrive"])
def test_training_runs_are_partitions(definitions: Definitions, job: str) -> None:
    partitioned = definitions.resolve_job_def(job).partitions_def

    assert isinstance(partitioned, DynamicPartitionsDefinition)
    assert partitioned.name == "training_runs"


def test_publishing_has_no_partitions(definitions: Definitions) -> None:
    assert definitions.resolve_job_def("publish").partitions_def is None
    assert definitions.resolve_job_def("audit").partitions_def is None


def test_all_probes_are_one_step_so_that_weights_are_loaded_once(definitions: Definitions) -> None:
    steps = {definitions.resolve_assets_def(AssetKey(name)).op.name for name in probes()}

    assert steps == {"probes"}
    assert definitions.resolve_assets_def(AssetKey("attention")).can_subset


def test_the_writer_and_the_report_share_one_pool(definitions: Definitions) -> None:
    pools = {name: definitions.resolve_assets_def(AssetKey(name)).op.pool for name in ("catalog", "report", "verdicts")}

    assert set(pools.values()) == {"catalog"}


def test_every_check_but_the_audits_is_on_the_catalog(definitions: Definitions) -> None:
    checks = definitions.resolve_asset_graph().asset_check_keys

    assert {(key.asset_key.to_user_string(), key.name) for key in checks} == {
        ("audit", AUDIT_CHECK),
        *(("catalog", check.name) for check in CHECKS),
    }
