-- What the last audit of each training run found, and equal bytes among the checkpoints that we hold.
CREATE VIEW current_audit_findings AS
SELECT a.run_id, f.checkpoint_id, f.finding, f.other_checkpoint_id, f.suspect, f.detail, f.weights_sha256, f.commit_sha,
    a.repository, a.audited_on, a.since_build
FROM audits AS a
JOIN audit_findings AS f USING (audit_id)
WHERE a.audit_id IN (SELECT max(audit_id) FROM audits GROUP BY run_id)
ORDER BY a.run_id, f.finding, f.checkpoint_id;
COMMENT ON VIEW current_audit_findings IS 'What the last audit of each training run found wrong with its checkpoints on their hub.';

CREATE VIEW same_weights AS
SELECT weights_sha256, list(checkpoint_id ORDER BY run_id, step, label) AS checkpoint_ids, count(*) AS n_checkpoints,
    count(DISTINCT run_id) AS n_runs, min(step) AS first_step, max(step) AS last_step
FROM checkpoints
WHERE weights_sha256 IS NOT NULL
GROUP BY weights_sha256
HAVING count(*) > 1
ORDER BY n_checkpoints DESC, checkpoint_ids;
COMMENT ON VIEW same_weights IS 'Checkpoints that hold the same bytes, of those whose weights are held here, whatever their source. Steps 0 and 1 may: a first optimiser step at a learning rate of 0 changes nothing.';
COMMENT ON COLUMN same_weights.checkpoint_ids IS 'The checkpoints, by training run and step.';
COMMENT ON COLUMN same_weights.n_checkpoints IS 'How many they are.';
COMMENT ON COLUMN same_weights.n_runs IS 'Training runs to which they belong.';
COMMENT ON COLUMN same_weights.first_step IS 'The least of their steps.';
COMMENT ON COLUMN same_weights.last_step IS 'The greatest of their steps.';
