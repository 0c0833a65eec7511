"""What audits found and what failed, on the family's page, and only where there is something."""

from __future__ import annotations

import pytest

from catalog.read import open_catalog
from reports import site

CHECKPOINT = "pythia-14m-seed1@step0"


def _faults(tables):
    audit = {"run_id": "pythia-14m-seed1", "repository": "EleutherAI/<pythia>", "audited_on": "2026-11-20"}
    tables["audits"] = [{"audit_id": "a1", "n_checkpoints": 2, "bytes": 1, "n_findings": 2, **audit}]
    finding = {"audit_id": "a1", "finding": "identical", "suspect": True, "detail": "Equal <bytes>."}
    tables["audit_findings"] = [
        {**finding, "checkpoint_id": f"pythia-14m-seed1@step{step}", "other_checkpoint_id": CHECKPOINT}
        for step in (1, 2)
    ]
    [ran] = [row for row in tables["probe_runs"] if row["checkpoint_id"] == CHECKPOINT]
    failed = {"status": "failed", "fault": "lasting", "reason": "Not <finite>.", "sample_seed": 0}
    tables["probe_runs"].append({**ran, **failed, "probe_run_id": "f1", "probe": "repeats", "provenance": "measured"})


@pytest.fixture
def made(home_with):
    with open_catalog(home_with(_faults)) as catalog:
        return site.render(catalog)


def test_findings_of_a_run_stand_together_with_examples(made, parse):
    page = parse(made["families/pythia.html"])

    row = next(e.text for e in page.all("tr") if "the same bytes as another checkpoint" in e.text)
    assert "left out of evidence" in row
    assert "pythia-14m-seed1@step1, pythia-14m-seed1@step2" in row
    assert "Equal <bytes>." in row
    assert "2026-11-20" in row


def test_what_failed_stands_with_its_reason(made, parse):
    page = parse(made["families/pythia.html"])

    row = next(e.text for e in page.all("tr") if "lasting" in e.text)
    assert "pythia-14m-seed1@step0" in row
    assert "Not <finite>." in row


def test_families_without_faults_have_no_such_section(made, pages):
    assert b'id="faults"' not in made["families/calibration-neox.html"]
    assert "What is wrong with its checkpoints" not in pages["families/pythia.html"].text
