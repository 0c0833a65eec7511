-- Which claims fail in models of more than 100 million parameters?
-- One row per claim and model in which it was found not to hold. fails_in_smaller tells in how many of the decided
-- smaller models it fails too: where that is none, size may be what breaks the claim (or whatever else came with size).
-- Change: more_than (parameters, embeddings included); add 'mixed' to verdicts for models whose training runs disagree.
WITH asked AS (
    SELECT 100_000_000 AS more_than, ['fails'] AS verdicts
),
by_model AS (
    FROM current_verdicts AS v
    JOIN models AS m ON v.level = 'model' AND m.model_id = v.subject
    SELECT v.claim_id, m.model_id, m.n_params, v.verdict, v.estimate, v.unit, v.n_runs, v.robustness, v.reason
    WHERE v.verdict IN ('holds', 'fails', 'mixed')
),
smaller AS (
    FROM by_model, asked
    SELECT
        claim_id,
        concat(count(*) FILTER (list_contains(asked.verdicts, verdict)), ' of ', count(*)) AS fails_in_smaller
    WHERE n_params <= asked.more_than
    GROUP BY claim_id
)
FROM by_model AS b
JOIN asked ON b.n_params > asked.more_than AND list_contains(asked.verdicts, b.verdict)
LEFT JOIN smaller USING (claim_id)
SELECT
    claim_id, b.model_id, b.n_params, b.verdict, coalesce(fails_in_smaller, 'none decided') AS fails_in_smaller,
    round(b.estimate, 3) AS estimate, b.unit, b.n_runs, b.robustness, b.reason
ORDER BY claim_id, b.n_params;
