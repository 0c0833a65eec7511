"""Studies, claims and advisories as facts of the record: the catalog shows what was asked, and by which criterion."""

from __future__ import annotations

import re
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from assets.claims.schema import Claim, claim_row, load_advisories, load_claims
from assets.study import Study, digest
from catalog.errors import UserError
from catalog.record import Record, canonical_json


def put_claims(record: Record, study: Study) -> list[Claim]:
    """Records the study's claims and all advisories as their files now say; the claims.

    Raises:
        UserError: a claim's content changed while its version stayed.
    """
    claims = load_claims(study.claims)
    for claim in claims:
        row = claim_row(claim)
        key = f"{claim.id}@{claim.version}"
        known = (record.latest("claims", key) or {}).get("claims", [])
        if known and known[0]["file_sha256"] != row["file_sha256"]:
            raise UserError(
                f"Claim {claim.id} was changed but is still version {claim.version}.",
                where=f"assets/claims/library/{claim.id}.yaml",
                mend=f"Set version: {claim.version + 1}, so that earlier verdicts keep the criterion that they were "
                "decided by.",
            )
        record.put("claims", key, {"claims": [row]})
    for advisory in load_advisories():
        record.put("advisories", advisory.advisory_id, {"advisories": [advisory.model_dump(mode="json")]})
    return claims


def put_study(record: Record, study: Study) -> None:
    """Records what a study chose; of absolute paths only the last part, since catalogs are handed on."""
    content = _without_folders(study.model_dump(mode="json"))
    row = {"study_id": study.name, "content": content, "file_sha256": digest(canonical_json(content))}
    record.put("studies", study.name, {"studies": [row]})


def _without_folders(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: _without_folders(value) for key, value in content.items()}
    if isinstance(content, list):
        return [_without_folders(value) for value in content]
    if isinstance(content, str) and (PurePosixPath(content).is_absolute() or PureWindowsPath(content).is_absolute()):
        return re.split(r"[/\\]", content.rstrip("/\\"))[-1]
    return content
