-- The probe runs that count now: ok, of the checkpoint's current weights, the latest per identity.
CREATE VIEW current_probe_runs AS
SELECT p.*
FROM probe_runs AS p
JOIN checkpoints AS c ON c.checkpoint_id = p.checkpoint_id
WHERE p.status = 'ok'
  AND (p.provenance = 'published' OR p.weights_sha256 = c.weights_sha256)
QUALIFY row_number() OVER (
    PARTITION BY p.checkpoint_id, p.probe, p.parameters, p.dtype, p.sample_seed, p.provenance, p.source_id
    ORDER BY p.since_build DESC, p.probe_version DESC, p.probe_run_id DESC
) = 1;
COMMENT ON VIEW current_probe_runs IS 'Probe runs that count now: status ok, of the current weights, the latest per checkpoint, probe, parameters, precision, draw of inputs and source. Retests (sample_seed 1) are among them.';
