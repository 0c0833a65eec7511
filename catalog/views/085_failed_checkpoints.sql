-- What failed last, on which checkpoint, and whether it has succeeded since.
CREATE VIEW failed_checkpoints AS
SELECT
    f.checkpoint_id, f.probe, f.sample_seed, f.probe_version, f.fault, f.reason, f.since_build,
    EXISTS (
        FROM probe_runs AS p
        WHERE p.checkpoint_id = f.checkpoint_id AND p.provenance = 'measured' AND p.status <> 'failed'
          AND p.since_build >= f.since_build
          AND (f.probe = 'checkpoints' OR (p.probe = f.probe AND p.sample_seed = f.sample_seed))
    ) AS is_superseded
FROM probe_runs AS f
WHERE f.status = 'failed'
QUALIFY row_number() OVER (
    PARTITION BY f.checkpoint_id, f.probe, f.sample_seed ORDER BY f.since_build DESC, f.recorded_at DESC, f.probe_run_id DESC
) = 1
ORDER BY is_superseded, f.checkpoint_id, f.probe, f.sample_seed;
COMMENT ON VIEW failed_checkpoints IS 'The last failure of each probe on each checkpoint (probe checkpoints: it could not be made or fetched), with reason and fault: lasting ones are not tried again by themselves, passing ones by the next run. is_superseded: it succeeded in the same build or later.';
COMMENT ON COLUMN failed_checkpoints.reason IS 'Why it failed, in words.';
COMMENT ON COLUMN failed_checkpoints.since_build IS 'Build that first held the failure.';
COMMENT ON COLUMN failed_checkpoints.is_superseded IS 'Whether it has succeeded since, in the same build or later.';
