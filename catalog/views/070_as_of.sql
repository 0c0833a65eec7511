-- What was known at a build, whatever came later.
CREATE MACRO measurements_as_of(of_build) AS TABLE
SELECT m.*, p.provenance, p.source_id, p.probe, p.since_build
FROM measurements AS m
JOIN (
    SELECT p.*
    FROM probe_runs AS p
    WHERE p.status = 'ok' AND p.since_build <= of_build
    QUALIFY row_number() OVER (
        PARTITION BY p.checkpoint_id, p.probe, p.parameters, p.dtype, p.provenance, p.source_id
        ORDER BY p.since_build DESC, p.probe_version DESC, p.probe_run_id DESC
    ) = 1
) AS p ON p.probe_run_id = m.probe_run_id;
COMMENT ON MACRO TABLE measurements_as_of IS 'The values that counted at build of_build: SELECT * FROM measurements_as_of(3).';

CREATE MACRO verdicts_as_of(of_build) AS TABLE
SELECT v.*, e.evaluated_at
FROM verdicts AS v
JOIN (
    SELECT evaluation_id, evaluated_at
    FROM evaluations
    WHERE CAST(condition AS VARCHAR) = '{}' AND since_build <= of_build
    ORDER BY since_build DESC, evaluation_id DESC LIMIT 1
) AS e USING (evaluation_id);
COMMENT ON MACRO TABLE verdicts_as_of IS 'The verdicts that stood at build of_build: SELECT * FROM verdicts_as_of(3).';
