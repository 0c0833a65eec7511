-- How far can a head's score be trusted?
-- One row per metric: over models, the correlation between the two halves of the inputs (stepped up to the full length)
-- and with a second measurement on fresh inputs, and the error of one head's score in the metric's unit. Differences
-- between heads below twice that error mean nothing. Correlations mean little where all heads score alike, as in
-- controls.
-- Change: least_retest, to name the models that fall below it.
WITH asked AS (
    SELECT 0.9 AS least_retest
)
FROM asked, reliability AS r
JOIN metrics AS m USING (metric_id)
JOIN families AS f USING (family_id)
SELECT
    metric_id, m.unit, count(DISTINCT r.model_id) AS models,
    round(avg(r.split_half), 3) AS split_half, round(avg(r.retest), 3) AS retest,
    round(max(r.standard_error_of_measurement), 4) AS largest_error_of_a_score,
    round(max(r.best_head_difference), 4) AS largest_change_of_the_best_head,
    round(avg(r.same_best_head), 2) AS share_with_same_best_head,
    list(DISTINCT r.model_id ORDER BY r.model_id) FILTER (r.retest < asked.least_retest) AS models_below_least_retest
WHERE f.role <> 'control'
GROUP BY ALL
ORDER BY retest, metric_id;
