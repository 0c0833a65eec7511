-- Do architectures differ in how strong a mechanism gets?
-- One row per architecture: the best head's excess over chance at the end of each training run, summarised over runs,
-- with the weakest run named. A maximum grows with the number of heads, and runs of one model are not independent: runs
-- that were meant to lack the mechanism (controls) are left out.
-- Change: metric_id; compared_by to another design property of models: positional_encoding, normalization, n_layers.
WITH asked AS (
    SELECT 'prefix_matching' AS metric_id
),
designs AS (
    FROM models SELECT model_id, architecture AS compared_by
)
FROM best_heads AS b
JOIN asked USING (metric_id)
JOIN designs USING (model_id)
JOIN families AS f USING (family_id)
SELECT
    compared_by, metric_id,
    count(DISTINCT family_id) AS families, count(DISTINCT model_id) AS models, count(DISTINCT b.run_id) AS runs,
    round(median(b.excess), 3) AS median_excess,
    round(min(b.excess), 3) AS least_excess, round(max(b.excess), 3) AS greatest_excess,
    arg_min(b.run_id, b.excess) AS weakest_run
WHERE b.is_final AND f.role <> 'control'
GROUP BY ALL
ORDER BY median_excess DESC, compared_by;
