-- What could the field have said from the values that were public by a day?
-- Third of three clocks: today's rules, on published values alone, from the day on which each source became public. One
-- row per claim with a definite word then or now; our own measurements since make the difference.
-- Change: on_day to a day; here the last one on which a source became public. level to model or across.
WITH asked AS (
    SELECT (SELECT max(known_by) FROM verdicts_known_by) AS on_day, 'family' AS level
)
FROM verdicts_known_by AS k
JOIN asked USING (level)
SELECT
    k.claim_id, k.subject, k.known_by, k.sources, k.verdict AS could_be_said, k.verdict_now,
    k.verdict IS DISTINCT FROM k.verdict_now AS differs, k.n_runs, k.reason
WHERE k.known_by <= asked.on_day
QUALIFY row_number() OVER (PARTITION BY k.claim_id, k.subject ORDER BY k.known_by DESC) = 1
ORDER BY differs DESC, k.verdict IN ('holds', 'fails', 'mixed') DESC, k.claim_id, k.subject;
