-- On which training runs does a verdict rest, and whom must I cite for them?
-- One row per run that counted or was left out, with its own estimate, its weight in the pooled one, and the source of
-- its values. may_be_handed_on says whether the source's values may be published again.
-- Change: claim_id, level and subject to those of a row of current_verdicts; here the one with most training runs.
WITH asked AS (
    FROM current_verdicts
    SELECT claim_id, level, subject
    WHERE level IN ('model', 'family', 'across')
    ORDER BY n_runs DESC NULLS LAST, claim_id, level, subject
    LIMIT 1
),
sources_of_runs AS (
    FROM evidence SELECT DISTINCT run_id, variant_id, source_id
)
FROM verdict_runs AS v
JOIN current_evaluation USING (evaluation_id)
JOIN asked USING (claim_id, level, subject)
LEFT JOIN sources_of_runs USING (run_id, variant_id)
LEFT JOIN sources AS s USING (source_id)
SELECT
    v.claim_id, v.subject, run_id, v.included, v.outcome,
    round(v.estimate, 4) AS estimate, round(v.weight, 4) AS weight, v.reason,
    v.provenance, s.citation, s.licence, s.may_redistribute AS may_be_handed_on
ORDER BY v.included DESC, run_id;
