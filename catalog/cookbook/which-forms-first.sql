-- Which of two mechanisms forms first in each training run?
-- An onset is known only to lie between two checkpoints. first_forms is named where the intervals do not overlap; else
-- the checkpoints are too far apart to tell. Null to a step: before the first checkpoint.
-- Change: earlier and later, two metrics of heads.
WITH asked AS (
    SELECT 'previous_token' AS earlier, 'prefix_matching' AS later
)
FROM asked
JOIN onsets AS e ON e.metric_id = asked.earlier
JOIN onsets AS l ON l.metric_id = asked.later AND l.run_id = e.run_id
SELECT
    e.model_id, e.run_id,
    CASE
        WHEN e.status = 'never' AND l.status = 'never' THEN 'neither formed'
        WHEN e.status = 'never' THEN earlier || ' never formed'
        WHEN l.status = 'never' THEN later || ' never formed'
        WHEN e.by_step <= l.after_step THEN earlier
        WHEN l.by_step <= e.after_step THEN later
        ELSE 'cannot tell'
    END AS first_forms,
    earlier, e.after_step AS earlier_after_step, e.by_step AS earlier_by_step,
    later, l.after_step AS later_after_step, l.by_step AS later_by_step
ORDER BY e.model_id, e.run_id;
