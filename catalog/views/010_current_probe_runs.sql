-- The probe runs that count now, or counted on a day: ok, of the checkpoint's current weights, the latest per identity.
CREATE MACRO probe_runs_known_by(known_by) AS TABLE
SELECT p.*
FROM probe_runs AS p
JOIN checkpoints AS c ON c.checkpoint_id = p.checkpoint_id
WHERE p.status = 'ok'
  AND (p.provenance = 'published' OR p.weights_sha256 = c.weights_sha256)
  AND (known_by IS NULL OR coalesce(p.known_on, CAST(p.recorded_at AS DATE)) <= CAST(known_by AS DATE))
QUALIFY row_number() OVER (
    PARTITION BY p.checkpoint_id, p.probe, p.parameters, p.dtype, p.sample_seed, p.provenance, p.source_id
    ORDER BY p.since_build DESC, p.probe_version DESC, p.probe_run_id DESC
) = 1;
COMMENT ON MACRO TABLE probe_runs_known_by IS 'Probe runs that counted on a day: published ones from the day on which their source became public, our own from the day of their recording. SELECT * FROM probe_runs_known_by(DATE ''2025-09-26''); NULL = now.';

CREATE VIEW current_probe_runs AS SELECT * FROM probe_runs_known_by(NULL);
COMMENT ON VIEW current_probe_runs IS 'Probe runs that count now: status ok, of the current weights, the latest per checkpoint, probe, parameters, precision, draw of inputs and source. Retests (sample_seed 1) are among them.';
