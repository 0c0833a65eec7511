-- What did this catalog say on a certain day, and what does it say now?
-- One row per verdict across families as the last build up to that moment held it; now_says is null where the claim is
-- no longer decided. What a catalog said is not what was known: a build may come long after the measurements.
-- Change: up_to to a day, TIMESTAMP '2026-11-23'; here it is the first build's. level to family, model or run.
WITH asked AS (
    SELECT (SELECT min(built_at) FROM builds) AS up_to, 'across' AS level
),
build_then AS (
    FROM builds, asked SELECT max(build) AS build WHERE built_at <= up_to
)
FROM verdicts_as_of((SELECT build FROM build_then)) AS t
JOIN asked USING (level)
LEFT JOIN current_verdicts AS n USING (claim_id, level, subject)
SELECT
    claim_id, level, subject,
    t.verdict AS said_then, n.verdict AS now_says, t.verdict IS DISTINCT FROM n.verdict AS differs,
    t.claim_version AS version_then, n.claim_version AS version_now, 
    t.evaluated_at AS decided_then, t.reason AS reason_then
ORDER BY differs DESC, claim_id, subject;
