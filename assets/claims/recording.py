"""Claims and advisories as facts of the record, so that the catalog shows what was decided by which criterion."""

from __future__ import annotations

from assets.claims.schema import Claim, claim_row, load_advisories, load_claims
from assets.study import Study
from catalog.errors import UserError
from catalog.record import Record


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
