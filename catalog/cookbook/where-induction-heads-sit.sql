-- In which layers do the induction heads of finished models sit?
-- One row per model: its heads whose score exceeds chance by more than least_excess, counted over training runs, and
-- their depth (1 = the last layer; layers are counted from 0). heads_by_layer maps each layer to its number of such
-- heads.
-- Change: metric_id to any metric of heads (FROM metrics WHERE grain = 'head'), least_excess to be stricter.
WITH asked AS (
    SELECT 'prefix_matching' AS metric_id, 0.3 AS least_excess
),
strong_heads AS (
    FROM head_scores AS h
    JOIN asked USING (metric_id)
    JOIN models AS m USING (model_id)
    SELECT m.family_id, model_id, h.run_id, m.n_layers, h.layer, (h.layer + 1) / m.n_layers AS relative_depth
    WHERE h.is_final AND h.excess > asked.least_excess
)
FROM strong_heads
SELECT
    family_id, model_id, n_layers,
    count(DISTINCT run_id) AS runs_with_such_heads,
    count(*) AS heads,
    round(median(relative_depth), 2) AS median_relative_depth,
    round(min(relative_depth), 2) AS lowest_relative_depth,
    histogram(layer) AS heads_by_layer
GROUP BY ALL
ORDER BY family_id, n_layers, model_id;
