"""From an audit's findings to advisories: which measurements must not count, and which are only worth knowing about.

An advisory of the audit is about one training run and one kind of finding; its id begins with `audit-`. Where the
finding is gone, the advisory is withdrawn. Not here: finding (findings.py), advisories that people wrote
(claims/advisories, families).
"""

from __future__ import annotations

from collections.abc import Sequence

from assets.models.audit.findings import Finding
from assets.study import Advisory

SUFFIXES = ("identical", "same-bytes", "missing", "no-weights", "differs-from-main")
STATEMENTS = {
    "identical": "Checkpoints of different names hold the same bytes, and these are not, or can't be told to be, "
    "their own. What is measured on them is no development.",
    "same-bytes": "These checkpoints hold the same bytes as others, which may be so: they are one observation.",
    "missing": "The repository has no such revisions; they can't be measured.",
    "no-weights": "The repository holds no safetensors under these revisions; they can't be measured.",
    "differs-from-main": "The last checkpoint and the repository's main branch hold different bytes: the same weights "
    "in another form, a later stage, or other weights. What others measured on main may not be what is measured here.",
}


def advisory_id(run_id: str, suffix: str) -> str:
    return f"audit-{run_id}-{suffix}"


def advisories(run_id: str, repository: str, findings: Sequence[Finding]) -> dict[str, Advisory]:
    """The advisories that follow from a training run's findings, by id.

    None is about a checkpoint whose own bytes stand under other names too: those names are suspect, it is not.
    """
    believed = {finding.other_checkpoint_id for finding in findings if finding.suspect}
    made = {}
    for suffix in SUFFIXES:
        of_kind = [finding for finding in findings if _suffix(finding) == suffix]
        concerned = [f for f in of_kind if suffix != "same-bytes" or f.checkpoint_id not in believed]
        if concerned:
            name = advisory_id(run_id, suffix)
            checkpoints = [finding.checkpoint_id for finding in concerned]
            made[name] = Advisory(
                advisory_id=name,
                scope={"checkpoints": checkpoints, "suspect": concerned[0].suspect},
                statement=STATEMENTS[suffix],
                citation=f"hashes of the files of {repository}, as its hub states them",
            )
    return made


def _suffix(finding: Finding) -> str:
    if finding.finding == "identical" and not finding.suspect:
        return "same-bytes"
    return finding.finding.replace("_", "-")
