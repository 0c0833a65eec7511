-- Do the metrics of one mechanism single out the same heads?
-- One row per pair of metrics and model: their rank correlation over the heads of finished runs, averaged over runs,
-- and in what share of runs both have the same best head. Metrics of one construct by different methods (attention,
-- weights, intervention) that do not agree do not measure one thing.
-- Change: construct to another of FROM metrics; or metrics to a list of any metrics of heads.
WITH asked AS (
    SELECT 'induction' AS construct
),
of_construct AS (
    FROM metrics
    JOIN asked USING (construct)
    SELECT metric_id, method
    WHERE grain = 'head' AND metric_id NOT LIKE '%placebo'
),
ranked AS (
    FROM head_scores AS h
    JOIN of_construct AS c USING (metric_id)
    SELECT
        h.model_id, h.run_id, h.checkpoint_id, metric_id, c.method, h.variant_id, h.layer, h.head,
        rank() OVER (PARTITION BY h.checkpoint_id, h.variant_id ORDER BY h.value) AS rank
    WHERE h.is_final
),
of_runs AS (
    FROM ranked AS a
    JOIN ranked AS b USING (model_id, run_id, checkpoint_id, layer, head)
    SELECT
        model_id, run_id, a.variant_id AS variant_a, b.variant_id AS variant_b,
        a.metric_id AS metric_a, a.method AS method_a, b.metric_id AS metric_b, b.method AS method_b,
        count(*) AS heads, corr(a.rank, b.rank) AS correlation,
        arg_max((layer, head), a.rank) = arg_max((layer, head), b.rank) AS same_best
    WHERE a.metric_id < b.metric_id
    GROUP BY ALL
)
FROM of_runs
SELECT
    metric_a, method_a, metric_b, method_b, model_id, count(DISTINCT run_id) AS runs, max(heads) AS heads,
    round(avg(correlation) FILTER (NOT isnan(correlation)), 2) AS mean_rank_correlation,
    round(avg(same_best::INTEGER), 2) AS share_with_same_best_head
GROUP BY ALL
ORDER BY metric_a, metric_b, model_id;
