-- How far the scores of heads can be trusted: the same again on other inputs, and nothing where nothing is.
CREATE VIEW reliability AS
WITH scores AS (
    SELECT
        e.family_id, e.model_id, e.checkpoint_id, e.metric_id, e.variant_id, e.layer, e.head, e.value, e.value_a, e.value_b
    FROM evidence AS e
    WHERE e.head IS NOT NULL AND e.sender_layer IS NULL AND e.stratum = '' AND e.provenance = 'measured' AND e.is_final
),
paired AS (
    SELECT s.*, r.value AS again
    FROM scores AS s
    LEFT JOIN (SELECT * FROM retests WHERE stratum = '') AS r USING (checkpoint_id, variant_id, layer, head)
),
of_checkpoints AS (
    SELECT
        family_id, model_id, checkpoint_id, metric_id, variant_id, count(*) AS n_heads,
        CASE WHEN count(value_a + value_b) >= 5 THEN nullif(corr(value_a, value_b), 'NaN') END AS r_halves,
        CASE WHEN count(again) >= 5 THEN nullif(corr(value, again), 'NaN') END AS r_retest,
        stddev_samp(value_a - value_b) / 2 AS error_of_a_score,
        abs(max(again) - max(value)) AS best_difference,
        arg_max({'layer': layer, 'head': head}, value) = arg_max({'layer': layer, 'head': head}, again) AS same_best
    FROM paired
    GROUP BY family_id, model_id, checkpoint_id, metric_id, variant_id
    HAVING count(value_a) > 0
)
SELECT
    family_id, model_id, metric_id, variant_id,
    count(*) AS n_runs, any_value(n_heads) AS n_heads,
    avg(CASE WHEN r_halves > 0 THEN 2 * r_halves / (1 + r_halves) ELSE r_halves END) AS split_half,
    avg(r_retest) AS retest,
    avg(error_of_a_score) AS standard_error_of_measurement,
    max(best_difference) AS best_head_difference,
    avg(CAST(same_best AS INTEGER)) AS same_best_head
FROM of_checkpoints
GROUP BY ALL;
COMMENT ON VIEW reliability IS 'Per model and head metric, at final checkpoints, averaged over training runs: split_half = correlation over heads of the even- and odd-numbered sequences, stepped up to the full length (Spearman-Brown); retest = correlation with a second measurement on fresh inputs; standard_error_of_measurement = half the standard deviation of the halves'' differences; best_head_difference = largest change of the best head''s score on retest; same_best_head = share of runs in which it is the same head. A retest is that of the evidence: by the same version of the probe, with the same parameters. Metrics that no drawn input enters (no halves) are left out; correlations are null below five heads and where all heads score the same, and mean little where they hardly differ, as in controls.';
COMMENT ON COLUMN reliability.n_runs IS 'Training runs averaged over.';
COMMENT ON COLUMN reliability.n_heads IS 'Heads of the model.';
COMMENT ON COLUMN reliability.split_half IS 'Correlation over heads of the even- and odd-numbered sequences, stepped up to the full length.';
COMMENT ON COLUMN reliability.retest IS 'Correlation over heads with a second measurement on fresh inputs; null where there is none.';
COMMENT ON COLUMN reliability.standard_error_of_measurement IS 'Half the standard deviation of the halves'' differences, in the metric''s unit: the error of one head''s score.';
COMMENT ON COLUMN reliability.best_head_difference IS 'Largest change of the best head''s score on retest, in the metric''s unit.';
COMMENT ON COLUMN reliability.same_best_head IS 'Share of training runs in which the retest names the same best head.';

CREATE VIEW known_groups AS
WITH grouped AS (
    SELECT
        CASE
            WHEN m.stratum = 'control=shuffled' THEN 'shuffled targets'
            WHEN m.stratum <> '' THEN NULL
            WHEN m.step = 0 THEN 'step 0'
            WHEN m.is_final AND m.role = 'control' AND o.n_layers = 1 THEN 'one layer'
            WHEN m.is_final AND m.role = 'control' THEN 'nothing to learn'
        END AS known_group,
        t.construct, m.*
    FROM evidence AS m
    JOIN models AS o ON o.model_id = m.model_id
    JOIN metrics AS t ON t.metric_id = m.metric_id
    WHERE m.head IS NOT NULL AND m.excess IS NOT NULL AND m.provenance = 'measured'
),
of_checkpoints AS (
    SELECT
        known_group, construct, metric_id, variant_id, family_id, model_id, checkpoint_id,
        avg(excess) AS mean_excess, max(excess) AS best_excess
    FROM grouped
    WHERE known_group IS NOT NULL
    GROUP BY ALL
)
SELECT
    known_group, construct, metric_id, variant_id, family_id, model_id, count(*) AS n_checkpoints,
    avg(mean_excess) AS mean_excess, max(abs(mean_excess)) AS largest_mean_excess, max(best_excess) AS best_excess
FROM of_checkpoints
GROUP BY ALL;
COMMENT ON VIEW known_groups IS 'Instruments where the answer is known: excess over chance of untrained models (step 0), of controls at their end (one layer: no induction; nothing to learn: independent tokens), and of targets shuffled among queries. mean_excess is over heads, best_excess that of the highest head, which grows with the number of heads.';
COMMENT ON COLUMN known_groups.known_group IS 'step 0, one layer, nothing to learn, or shuffled targets: why the answer is known.';
COMMENT ON COLUMN known_groups.n_checkpoints IS 'Checkpoints averaged over.';
COMMENT ON COLUMN known_groups.mean_excess IS 'Mean excess over heads and checkpoints; 0 is right.';
COMMENT ON COLUMN known_groups.largest_mean_excess IS 'Largest distance from 0 of a checkpoint''s mean over heads.';
COMMENT ON COLUMN known_groups.best_excess IS 'Largest excess of any head at any of the checkpoints.';
