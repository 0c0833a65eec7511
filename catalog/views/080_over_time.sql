-- The verdicts now, as they would have been: by the models that were out, and by what was public.
CREATE VIEW verdicts_by_release AS
WITH released AS (
    SELECT
        e.evaluation_id, CAST(json_extract_string(e.condition, '$.released_by') AS DATE) AS released_by
    FROM evaluations AS e
    JOIN current_evaluation AS c ON c.evaluation_id = e.beside
    WHERE json_extract_string(e.condition, '$.released_by') IS NOT NULL
),
came_out AS (
    SELECT m.released_on, list(m.model_id ORDER BY m.model_id) AS models
    FROM models AS m JOIN families AS f USING (family_id)
    WHERE f.role = 'natural' AND m.released_on IS NOT NULL
    GROUP BY m.released_on
)
SELECT
    v.claim_id, v.level, v.subject, r.released_by, c.models AS came_out, v.verdict,
    lag(v.verdict) OVER (PARTITION BY v.claim_id, v.level, v.subject ORDER BY r.released_by) AS previous,
    v.estimate, v.ci_low, v.ci_high, v.unit, v.n_h, v.n_f, v.n_u, v.n_runs, v.n_models, v.n_families, v.reason
FROM verdicts AS v
JOIN released AS r USING (evaluation_id)
LEFT JOIN came_out AS c ON c.released_on = r.released_by
ORDER BY v.claim_id, v.level, v.subject, r.released_by;
COMMENT ON VIEW verdicts_by_release IS 'What today''s measurements and criteria would have said when each natural model came out, on the models released by then: one row per day for the models that came out, their families and across families. A family without a row on a day keeps its last one; previous = its verdict before.';
COMMENT ON COLUMN verdicts_by_release.released_by IS 'The day: models released by then count.';
COMMENT ON COLUMN verdicts_by_release.came_out IS 'Natural models that came out on that day.';
COMMENT ON COLUMN verdicts_by_release.previous IS 'The verdict on the day before on which models came out; null on the first.';

CREATE VIEW verdicts_known_by AS
WITH public AS (
    SELECT e.evaluation_id, CAST(json_extract_string(e.condition, '$.known_by') AS DATE) AS known_by
    FROM evaluations AS e
    JOIN current_evaluation AS c ON c.evaluation_id = e.beside
    WHERE json_extract_string(e.condition, '$.known_by') IS NOT NULL
),
became_public AS (
    SELECT known_on, list(DISTINCT source_id ORDER BY source_id) AS sources
    FROM probe_runs
    WHERE status = 'ok' AND known_on IS NOT NULL
    GROUP BY known_on
)
SELECT
    v.claim_id, v.level, v.subject, p.known_by, s.sources, v.verdict, n.verdict AS verdict_now,
    v.estimate, v.ci_low, v.ci_high, v.unit, v.n_h, v.n_f, v.n_u, v.n_runs, v.n_models, v.n_families, v.reason
FROM verdicts AS v
JOIN public AS p USING (evaluation_id)
LEFT JOIN became_public AS s ON s.known_on = p.known_by
LEFT JOIN current_verdicts AS n ON n.claim_id = v.claim_id AND n.level = v.level AND n.subject = v.subject;
COMMENT ON VIEW verdicts_known_by IS 'What the field could have said from the values public by a day, by today''s criteria: one row per day on which a source became public, for the models, families and across of which something was known. A third clock beside since_build (what this catalog said) and release dates (which models were out).';
COMMENT ON COLUMN verdicts_known_by.known_by IS 'The day: values public by then count.';
COMMENT ON COLUMN verdicts_known_by.sources IS 'Sources that became public on that day.';
COMMENT ON COLUMN verdicts_known_by.verdict IS 'What could have been said.';
COMMENT ON COLUMN verdicts_known_by.verdict_now IS 'The verdict now, on everything.';
COMMENT ON COLUMN verdicts_known_by.reason IS 'Why, in one or two sentences.';

CREATE VIEW advisory_effects AS
WITH conditional AS (
    SELECT e.evaluation_id,
        json_extract_string(e.condition, '$."with"') IS NOT NULL AS suspect,
        coalesce(json_extract_string(e.condition, '$."with"'), json_extract_string(e.condition, '$.without')) AS advisory_id
    FROM evaluations AS e
    JOIN current_evaluation AS c ON c.evaluation_id = e.beside
),
both_ways AS (
    SELECT a.advisory_id, a.suspect, o.claim_id, o.level, o.subject, n.verdict AS now, o.verdict AS other,
        n.estimate AS estimate_now, o.estimate AS estimate_other, n.unit,
        n.n_runs AS n_runs_now, o.n_runs AS n_runs_other
    FROM verdicts AS o
    JOIN conditional AS a ON a.evaluation_id = o.evaluation_id AND a.advisory_id IS NOT NULL
    JOIN current_verdicts AS n ON n.claim_id = o.claim_id AND n.level = o.level AND n.subject = o.subject
)
SELECT advisory_id, suspect, claim_id, level, subject,
    CASE WHEN suspect THEN other ELSE now END AS verdict_with,
    CASE WHEN suspect THEN now ELSE other END AS verdict_without,
    now <> other AND greatest(n_runs_now, n_runs_other) > 0 AS differs,
    CASE WHEN suspect THEN estimate_other ELSE estimate_now END AS estimate_with,
    CASE WHEN suspect THEN estimate_now ELSE estimate_other END AS estimate_without, unit,
    CASE WHEN suspect THEN n_runs_other ELSE n_runs_now END AS n_runs_with,
    CASE WHEN suspect THEN n_runs_now ELSE n_runs_other END AS n_runs_without
FROM both_ways
ORDER BY differs DESC, advisory_id, claim_id, level, subject;
COMMENT ON VIEW advisory_effects IS 'What each advisory in force does to the verdicts: with and without the values that it concerns. suspect = these are left out now (verdict_without stands); else it only informs (verdict_with stands). differs = the two are not the same, and one of them rests on something.';
COMMENT ON COLUMN advisory_effects.advisory_id IS 'The advisory.';
COMMENT ON COLUMN advisory_effects.suspect IS 'Whether the values are left out now.';
COMMENT ON COLUMN advisory_effects.verdict_with IS 'The verdict with the values that it concerns.';
COMMENT ON COLUMN advisory_effects.verdict_without IS 'The verdict without them.';
COMMENT ON COLUMN advisory_effects.differs IS 'Whether the two are not the same, and one of them rests on something.';
COMMENT ON COLUMN advisory_effects.estimate_with IS 'The estimate with them.';
COMMENT ON COLUMN advisory_effects.estimate_without IS 'The estimate without them.';
COMMENT ON COLUMN advisory_effects.n_runs_with IS 'Training runs behind the verdict with them.';
COMMENT ON COLUMN advisory_effects.n_runs_without IS 'Training runs behind the verdict without them.';
