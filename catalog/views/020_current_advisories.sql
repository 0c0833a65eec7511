-- Advisories in force, and the probe runs that each concerns.
CREATE VIEW current_advisories AS
SELECT *
FROM advisories
QUALIFY row_number() OVER (PARTITION BY advisory_id ORDER BY since_build DESC) = 1 AND NOT withdrawn;
COMMENT ON VIEW current_advisories IS 'Advisories in force: the latest row of each, less those withdrawn.';

CREATE VIEW advisory_scopes AS
SELECT
    a.advisory_id, a.since_build, a.withdrawn,
    coalesce(CAST(json_extract_string(a.scope, '$.suspect') AS BOOLEAN), FALSE) AS suspect,
    p.probe_run_id, c.checkpoint_id, c.run_id, r.model_id
FROM probe_runs AS p
JOIN checkpoints AS c ON c.checkpoint_id = p.checkpoint_id
JOIN training_runs AS r ON r.run_id = c.run_id
JOIN advisories AS a
    ON (json_extract(a.scope, '$.models') IS NULL OR list_contains(CAST(json_extract(a.scope, '$.models') AS VARCHAR[]), r.model_id))
   AND (json_extract(a.scope, '$.runs') IS NULL OR list_contains(CAST(json_extract(a.scope, '$.runs') AS VARCHAR[]), r.run_id))
   AND (json_extract(a.scope, '$.checkpoints') IS NULL OR list_contains(CAST(json_extract(a.scope, '$.checkpoints') AS VARCHAR[]), c.checkpoint_id))
   AND (json_extract(a.scope, '$.labels') IS NULL OR list_contains(CAST(json_extract(a.scope, '$.labels') AS VARCHAR[]), c.label))
   AND (json_extract(a.scope, '$.probes') IS NULL OR list_contains(CAST(json_extract(a.scope, '$.probes') AS VARCHAR[]), p.probe))
   AND (json_extract(a.scope, '$.sources') IS NULL OR list_contains(CAST(json_extract(a.scope, '$.sources') AS VARCHAR[]), p.source_id));
COMMENT ON VIEW advisory_scopes IS 'Probe runs that each row of advisories concerns, whether or not it is in force.';
COMMENT ON COLUMN advisory_scopes.suspect IS 'Whether it leaves what it concerns out of evidence; false = it only informs.';
COMMENT ON COLUMN advisory_scopes.since_build IS 'Build that first held this row of the advisory.';

CREATE VIEW advised_probe_runs AS
SELECT s.probe_run_id, s.checkpoint_id, s.run_id, s.model_id, a.advisory_id, a.statement, s.suspect
FROM advisory_scopes AS s
JOIN current_advisories AS a USING (advisory_id, since_build);
COMMENT ON VIEW advised_probe_runs IS 'Probe runs that an advisory in force concerns; suspect ones are left out of evidence.';
