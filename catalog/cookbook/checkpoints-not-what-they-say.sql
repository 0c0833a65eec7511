-- Which checkpoints are not what their label says?
-- Kind audit: what the last audit of a training run's hub found (missing, no weights, the bytes of another checkpoint).
-- Kind held: checkpoints whose weights are held here and are the same bytes. Steps 0 and 1 may be: a first optimiser
-- step at a learning rate of 0 changes nothing. Any others make two points of a curve out of one.
-- Change: runs_like to a pattern of run ids, 'pythia-%'.
WITH asked AS (
    SELECT '%' AS runs_like
),
audited AS (
    FROM current_audit_findings
    SELECT 'audit' AS kind, run_id, checkpoint_id, finding, other_checkpoint_id, suspect AS left_out, detail
),
held AS (
    FROM (FROM same_weights SELECT weights_sha256, checkpoint_ids, unnest(checkpoint_ids[2:]) AS checkpoint_id)
    JOIN checkpoints USING (checkpoint_id)
    SELECT
        'held' AS kind, run_id, checkpoint_id, 'identical' AS finding, checkpoint_ids[1] AS other_checkpoint_id,
        FALSE AS left_out, concat(len(checkpoint_ids), ' checkpoints hold these bytes') AS detail
)
FROM (FROM audited UNION ALL FROM held) AS f
JOIN asked ON f.run_id LIKE asked.runs_like
SELECT f.*
ORDER BY left_out DESC, kind, run_id, checkpoint_id;
