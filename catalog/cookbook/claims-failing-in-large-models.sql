-- Which claims fail in models of more than 100 million parameters?
-- One row per claim and model with a training run in which the opposite of the claim was found. A model's own verdict
-- needs several runs: with fewer it is insufficient, and the runs are all there is. failing_smaller_models tells in how
-- many of the smaller models with a definite verdict the claim fails too: where in none, size may be what breaks it, or
-- whatever came with size.
-- Change: more_than (parameters, embeddings included); least_share_of_runs to 1.0 for claims that fail in every run.
WITH asked AS (
    SELECT 100_000_000 AS more_than, 0.0 AS least_share_of_runs
),
by_model AS (
    FROM current_verdicts AS v
    JOIN training_runs AS r ON v.level = 'run' AND r.run_id = v.subject
    JOIN models AS m USING (model_id)
    LEFT JOIN current_verdicts AS o ON o.claim_id = v.claim_id AND o.level = 'model' AND o.subject = model_id
    SELECT
        v.claim_id, model_id, m.n_params, o.verdict AS verdict_of_the_model,
        count(*) FILTER (v.verdict = 'fails') AS runs_failing,
        count(*) FILTER (v.verdict IN ('holds', 'fails', 'inconclusive')) AS runs_decided,
        min(v.reason) FILTER (v.verdict = 'fails') AS for_instance
    GROUP BY ALL
),
smaller AS (
    FROM by_model, asked
    SELECT
        claim_id,
        concat(count(*) FILTER (verdict_of_the_model = 'fails'), ' of ', count(*)) AS failing_smaller_models
    WHERE n_params <= asked.more_than AND verdict_of_the_model IN ('holds', 'fails', 'mixed')
    GROUP BY claim_id
)
FROM by_model AS b
JOIN asked ON b.n_params > asked.more_than
LEFT JOIN smaller USING (claim_id)
SELECT
    claim_id, b.model_id, b.n_params, b.runs_failing, b.runs_decided, b.verdict_of_the_model,
    coalesce(failing_smaller_models, 'none decided') AS failing_smaller_models, b.for_instance
WHERE b.runs_failing > 0 AND b.runs_failing >= asked.least_share_of_runs * b.runs_decided
ORDER BY claim_id, b.n_params;
