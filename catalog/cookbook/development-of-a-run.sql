-- How does a mechanism develop over the training of one run?
-- One row per checkpoint: the best head's score and which head it is, beside chance, and how many heads exceed chance
-- by more than .3. Where best_head changes from row to row late in training, no head has taken the job for good.
-- Change: run_id to one of FROM training_runs (here: the one with most checkpoints), metric_id to a metric of heads.
WITH asked AS (
    SELECT metric_id, arg_max(run_id, (count, run_id)) AS run_id
    FROM (
        FROM trajectories SELECT metric_id, run_id, count(*) AS count WHERE metric_id = 'prefix_matching' GROUP BY ALL
    )
    GROUP BY metric_id
)
FROM trajectories AS t
JOIN asked USING (run_id, metric_id)
JOIN best_heads AS b USING (run_id, metric_id, variant_id, checkpoint_id)
SELECT
    run_id, t.step, t.tokens_seen, metric_id, round(t.best_value, 4) AS best_score, round(t.chance, 4) AS chance,
    concat('layer ', b.layer, ' head ', b.head) AS best_head, round(t.mean_value, 4) AS mean_over_heads,
    t.n_heads_above AS heads_above, t.n_heads AS heads, t.provenance
ORDER BY variant_id, t.step;
