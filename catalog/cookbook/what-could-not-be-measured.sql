-- What could not be measured, and why?
-- One row per probe and reason. Status failed: still unmended; fault lasting is not tried again by itself, passing is,
-- by the next run. Status not_applicable: the probe is not defined for the model, which is an answer and no fault.
-- Change: statuses to ['failed'] to see what needs mending alone.
WITH asked AS (
    SELECT ['failed', 'not_applicable'] AS statuses
),
failed AS (
    FROM failed_checkpoints SELECT 'failed' AS status, probe, fault, checkpoint_id, reason WHERE NOT is_superseded
),
not_applicable AS (
    FROM probe_runs SELECT DISTINCT status, probe, NULL AS fault, checkpoint_id, reason WHERE status = 'not_applicable'
)
FROM (FROM failed UNION ALL FROM not_applicable) AS n
JOIN asked ON list_contains(asked.statuses, n.status)
JOIN checkpoints AS c USING (checkpoint_id)
JOIN training_runs AS r USING (run_id)
SELECT
    n.status, n.probe, n.fault, count(*) AS checkpoints, list_sort(list(DISTINCT r.model_id)) AS models,
    min(checkpoint_id) AS for_instance, n.reason
GROUP BY ALL
ORDER BY n.status, n.probe, checkpoints DESC, n.reason;
