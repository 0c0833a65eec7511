"""Audits in the record: findings and advisories, one entry a training run and advisory.

An audit that finds what the last one found adds nothing, so that `audited_on` and `known_on` are the days on which
something was first found to be so. Not here: finding (findings.py), asking (looking.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from assets.models.audit.advising import SUFFIXES, advisories, advisory_id
from assets.models.audit.findings import Finding
from assets.models.audit.holdings import RunHoldings
from assets.study import Advisory
from catalog.record import Record, now

KIND = "audits"


def last_findings(record: Record, run_id: str) -> list[Finding]:
    """What the last audit found of a training run."""
    rows = (record.latest(KIND, run_id) or {}).get("audit_findings", [])
    return [Finding(**{name: value for name, value in row.items() if name != "audit_id"}) for row in rows]


def with_unasked(found: Sequence[Finding], before: Sequence[Finding], runs: Sequence[RunHoldings]) -> list[Finding]:
    """The findings with those of before that this audit could not see: bytes shared with a training run that it did not
    ask about."""
    asked = {run.run_id for run in runs if run.fault is None}
    held = {holding.checkpoint_id: holding.weights_sha256 for run in runs for holding in run.holdings}
    judged = {finding.checkpoint_id for finding in found if finding.finding == "identical"}
    kept = [
        finding
        for finding in before
        if finding.other_checkpoint_id is not None
        and finding.other_checkpoint_id.partition("@")[0] not in asked
        and finding.checkpoint_id not in judged
        and held.get(finding.checkpoint_id) == finding.weights_sha256
    ]
    return [*found, *kept]


def put_audit(record: Record, run: RunHoldings, findings: Sequence[Finding]) -> bool:
    """Records what was found of a training run, with the advisories that follow; whether anything is new.

    Advisories of earlier audits that do not follow any more are withdrawn. One process at a time may do this for a
    run.
    """
    new = _put_findings(record, run, findings)
    follow = advisories(run.run_id, run.repository, findings)
    for suffix in SUFFIXES:
        name = advisory_id(run.run_id, suffix)
        new |= _put_advisory(record, name, follow.get(name))
    return new


def _put_findings(record: Record, run: RunHoldings, findings: Sequence[Finding]) -> bool:
    last = record.latest(KIND, run.run_id) or {}
    [before] = last.get("audits", [None])
    audit = {
        "run_id": run.run_id,
        "repository": run.repository,
        "n_checkpoints": len(run.holdings),
        "bytes": sum(holding.bytes for holding in run.holdings),
        "n_findings": len(findings),
    }
    same_findings = last_findings(record, run.run_id) == list(findings)
    if before is not None and same_findings and audit.items() <= before.items():
        return False
    number = 1 if before is None else int(before["audit_id"].rpartition(".")[2]) + 1
    audit_id = f"{run.run_id}.{number:06}"
    rows = [{"audit_id": audit_id, **asdict(finding)} for finding in findings]
    audits = [{**audit, "audit_id": audit_id, "audited_on": now()[:10]}]
    return record.put(KIND, run.run_id, {"audits": audits, "audit_findings": rows})


def _put_advisory(record: Record, name: str, follows: Advisory | None) -> bool:
    known: list[dict[str, Any]] = (record.latest("advisories", name) or {}).get("advisories", [])
    if follows is None:
        if not known or known[0]["withdrawn"]:
            return False
        row = {**known[0], "withdrawn": True}
    else:
        row = follows.model_dump(mode="json")
        stood = bool(known) and {**row, "known_on": known[0]["known_on"]} == known[0]
        row["known_on"] = known[0]["known_on"] if stood else now()[:10]
    return record.put("advisories", name, {"advisories": [row]})
