-- Which training run disagrees with the other runs of its model?
-- Siblings differ in seed only. One row per claim and run whose outcome (h holds, f fails, u undecided) is not that of
-- most of its siblings, or whose estimate lies beyond least_distance: its distance from the siblings' mean in their own
-- standard deviations (null where they are all the same). With few siblings it is large by luck now and then.
-- Change: least_distance; fewest_siblings.
WITH asked AS (
    SELECT 4.0 AS least_distance, 3 AS fewest_siblings
),
runs AS (
    FROM verdict_runs
    JOIN current_evaluation USING (evaluation_id)
    SELECT claim_id, subject AS model_id, run_id, outcome, estimate
    WHERE level = 'model' AND included
),
beside_siblings AS (
    FROM runs AS r
    JOIN runs AS s ON s.claim_id = r.claim_id AND s.model_id = r.model_id AND s.run_id <> r.run_id
    SELECT
        r.claim_id, r.model_id, r.run_id, r.outcome, mode(s.outcome) AS most_siblings, r.estimate,
        avg(s.estimate) AS mean_of_siblings, stddev_samp(s.estimate) AS spread_of_siblings, count(*) AS siblings
    GROUP BY ALL
)
FROM beside_siblings, asked
SELECT
    claim_id, model_id, run_id, outcome, most_siblings,
    round(estimate, 4) AS estimate, round(mean_of_siblings, 4) AS mean_of_siblings,
    round(abs(estimate - mean_of_siblings) / nullif(spread_of_siblings, 0), 1) AS distance_in_sd, siblings
WHERE siblings >= fewest_siblings AND (
    outcome <> most_siblings
    OR abs(estimate - mean_of_siblings) > greatest(least_distance * spread_of_siblings, 1e-9)
)
ORDER BY outcome IS DISTINCT FROM most_siblings DESC, distance_in_sd DESC, claim_id, run_id;
