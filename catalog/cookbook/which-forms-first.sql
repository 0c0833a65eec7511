-- Which of two mechanisms forms first in each training run?
-- An onset is known only to lie between two checkpoints. first_forms is named where the intervals do not overlap; else the
-- checkpoints are too far apart to tell. Runs in which one of the two never forms are counted as such.
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
        WHEN e.status = 'never' OR l.status = 'never' THEN concat_ws(' and ',
            CASE WHEN e.status = 'never' THEN earlier END, CASE WHEN l.status = 'never' THEN later END) || ' never formed'
        WHEN e.by_step <= l.after_step THEN earlier
        WHEN l.by_step <= e.after_step THEN later
        ELSE 'cannot tell'
    END AS first_forms,
    earlier, concat(e.after_step, ' to ', e.by_step) AS its_onset_steps,
    later, concat(l.after_step, ' to ', l.by_step) AS the_laters_onset_steps
ORDER BY e.model_id, e.run_id;
