-- Where others published a value that was measured here too, do the two agree?
-- One row per checkpoint and metric that both have: the correlation over heads, the largest difference of a head, and
-- whether both name the same best head. Inputs may differ between the two: where same_inputs is false, read the
-- correlation, not the difference.
-- Change: source_id to one importer's name, null = all of them.
WITH asked AS (
    SELECT NULL AS source_id
),
published AS (
    FROM current_measurements, asked
    SELECT current_measurements.*
    WHERE provenance = 'published' AND (asked.source_id IS NULL OR current_measurements.source_id = asked.source_id)
),
measured AS (
    FROM current_measurements
    WHERE provenance = 'measured' AND sample_seed = 0
)
FROM published AS p
JOIN measured AS m
    ON m.checkpoint_id = p.checkpoint_id AND m.metric_id = p.metric_id AND m.stratum = p.stratum
    AND m.layer IS NOT DISTINCT FROM p.layer AND m.head IS NOT DISTINCT FROM p.head
    AND m.sender_layer IS NOT DISTINCT FROM p.sender_layer AND m.sender_head IS NOT DISTINCT FROM p.sender_head
SELECT
    p.checkpoint_id, p.metric_id, p.source_id AS published_by, p.variant_id = m.variant_id AS same_inputs,
    count(*) AS values_compared,
    round(corr(p.value, m.value), 3) AS correlation,
    round(max(abs(p.value - m.value)), 4) AS largest_difference,
    round(avg(m.value - p.value), 4) AS mean_measured_less_published,
    arg_max((p.layer, p.head), p.value) = arg_max((m.layer, m.head), m.value) AS same_best_head
GROUP BY ALL
ORDER BY largest_difference DESC, p.checkpoint_id, p.metric_id;
