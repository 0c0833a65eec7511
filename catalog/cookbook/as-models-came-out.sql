-- How would a claim have fared as models came out?
-- Second of three clocks: today's measurements and rules, on the models released by each day. One row per day on which
-- a verdict was another than before. previous is null on the first day; verdicts that moved come first.
-- Change: claim_like to a claim's id or a pattern; level to family or model.
WITH asked AS (
    SELECT '%' AS claim_like, 'family' AS level
)
FROM verdicts_by_release AS v
JOIN asked ON v.claim_id LIKE asked.claim_like AND v.level = asked.level
SELECT
    v.claim_id, v.subject, v.released_by, v.came_out, v.previous, v.verdict, round(v.estimate, 3) AS estimate,
    v.n_models, v.n_runs, v.reason
WHERE v.previous IS DISTINCT FROM v.verdict
ORDER BY v.previous IS NULL, v.verdict IN ('holds', 'fails', 'mixed') DESC, v.claim_id, v.subject, v.released_by;
