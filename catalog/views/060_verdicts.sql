-- The verdicts now, over time, and as a matrix.
CREATE VIEW current_evaluation AS
SELECT * FROM evaluations WHERE CAST(condition AS VARCHAR) = '{}'
ORDER BY since_build DESC, evaluation_id DESC LIMIT 1;
COMMENT ON VIEW current_evaluation IS 'The latest deciding of the claims as things stand.';

CREATE VIEW current_verdicts AS
SELECT v.* EXCLUDE (evaluation_id), v.evaluation_id, e.evaluated_at, e.of_build
FROM verdicts AS v JOIN current_evaluation AS e USING (evaluation_id)
ORDER BY v.claim_id, v.level, v.subject;
COMMENT ON VIEW current_verdicts IS 'The verdicts now: one row per claim, level and subject, with the reason in words. Null: estimate and interval where nothing could be estimated (the reason says why); pi_low, pi_high and tau but where five families or more are pooled; n_h, n_f and n_u where no units are counted (trends, agreement); robustness where it was not examined (training runs, instruments, nothing decided).';

CREATE VIEW claim_matrix AS
WITH subjects AS (
    SELECT claim_id, family_id, role, verdict, reason, level, subject,
        row_number() OVER (PARTITION BY claim_id, family_id ORDER BY level = 'family' DESC, subject) AS rank,
        list(DISTINCT verdict) FILTER (WHERE level = 'model') OVER (PARTITION BY claim_id, family_id) AS words
    FROM (
        SELECT v.claim_id, f.family_id, f.role, v.verdict, v.reason, v.level, v.subject
        FROM current_verdicts AS v JOIN families AS f ON v.level = 'family' AND f.family_id = v.subject
        UNION ALL
        SELECT v.claim_id, f.family_id, f.role, v.verdict, v.reason, v.level, v.subject
        FROM current_verdicts AS v
        JOIN models AS m ON v.level = 'model' AND m.model_id = v.subject
        JOIN families AS f ON f.family_id = m.family_id
    )
)
SELECT claim_id, family_id, role, level, subject,
    CASE
        WHEN level = 'family' OR len(words) = 1 THEN verdict
        WHEN list_contains(words, 'mixed') OR list_has_all(words, ['holds', 'fails']) THEN 'mixed'
        ELSE 'inconclusive'
    END AS verdict, reason
FROM subjects WHERE rank = 1
ORDER BY claim_id, family_id;
COMMENT ON VIEW claim_matrix IS 'Claims by families: the family''s verdict, or its model''s where it has none at that level (calibration and control families are decided at run and model only).';
COMMENT ON COLUMN claim_matrix.level IS 'Level of the verdict shown: family, or model where the family has none.';
COMMENT ON COLUMN claim_matrix.subject IS 'The family, or the first of its models in the order of ids.';
COMMENT ON COLUMN claim_matrix.verdict IS 'The family''s verdict; of families decided by models, that on which these agree, mixed where they contradict each other, else inconclusive.';

CREATE VIEW verdict_changes AS
WITH history AS (
    SELECT v.evaluation_id, v.claim_id, v.level, v.subject, v.verdict, v.claim_version, v.reason,
        e.since_build, e.evaluated_at, e.decision_version, e.code_version,
        lag(v.verdict) OVER w AS previous, lag(v.claim_version) OVER w AS previous_version,
        lag(v.evaluation_id) OVER w AS earlier, lag(e.since_build) OVER w AS earlier_build,
        lag(e.decision_version) OVER w AS earlier_decision, lag(e.code_version) OVER w AS earlier_code
    FROM verdicts AS v JOIN evaluations AS e USING (evaluation_id)
    WHERE CAST(e.condition AS VARCHAR) = '{}'
    WINDOW w AS (PARTITION BY v.claim_id, v.level, v.subject ORDER BY e.since_build, e.evaluation_id)
),
moves AS (SELECT * FROM history WHERE previous IS DISTINCT FROM verdict),
runs AS (
    SELECT m.evaluation_id, m.claim_id, m.level, m.subject,
        bool_or(old.run_id IS NULL) AS new_run,
        bool_or(old.run_id IS NOT NULL AND (
            (now.included, now.outcome, now.estimate, now.standard_error, now.variant_id)
            IS DISTINCT FROM (old.included, old.outcome, old.estimate, old.standard_error, old.variant_id)
        )) AS new_values,
        bool_or(s.run_id IS NOT NULL) AS advisory
    FROM moves AS m
    JOIN verdict_runs AS now
        ON (now.evaluation_id, now.claim_id, now.level, now.subject) = (m.evaluation_id, m.claim_id, m.level, m.subject)
    LEFT JOIN verdict_runs AS old
        ON (old.evaluation_id, old.claim_id, old.level, old.subject) = (m.earlier, m.claim_id, m.level, m.subject)
       AND old.run_id = now.run_id
    LEFT JOIN (
        SELECT DISTINCT run_id, since_build FROM advisory_scopes
        WHERE advisory_id IN (SELECT advisory_id FROM advisory_scopes WHERE suspect)
    ) AS s ON s.run_id = now.run_id AND s.since_build > m.earlier_build AND s.since_build <= m.since_build
    WHERE m.previous IS NOT NULL
    GROUP BY ALL
)
SELECT m.claim_id, m.level, m.subject, m.previous, m.verdict,
    CASE
        WHEN m.previous IS NULL THEN 'first'
        WHEN m.previous IN ('holds', 'fails', 'mixed') AND m.verdict IN ('holds', 'fails', 'mixed') THEN 'change'
        ELSE 'drift'
    END AS kind,
    m.previous_version IS DISTINCT FROM m.claim_version AND m.previous_version IS NOT NULL AS claim_changed,
    CASE WHEN m.previous IS NOT NULL THEN coalesce(
        nullif(concat_ws(', ',
            CASE WHEN m.previous_version <> m.claim_version
                   OR coalesce(m.decision_version <> m.earlier_decision, m.code_version <> m.earlier_code)
                 THEN 'new definition' END,
            CASE WHEN r.advisory THEN 'advisory' END,
            CASE WHEN r.new_run THEN 'new run' END
        ), ''),
        CASE WHEN r.new_values THEN 'new values' ELSE 'unknown' END
    ) END AS cause,
    m.reason, m.since_build, m.evaluated_at
FROM moves AS m
LEFT JOIN runs AS r USING (evaluation_id, claim_id, level, subject)
ORDER BY m.since_build DESC, kind, m.claim_id, m.level, m.subject;
COMMENT ON VIEW verdict_changes IS 'Moves of verdicts. kind: change = between holds, fails and mixed; drift = to or from another word; first = newly decided. cause, what else differs from the verdict before: new definition (another version of the claim or of the rules), advisory (one that makes values of its training runs suspect came, changed or was withdrawn), new run (a training run that was not there), and where none of these does, new values (other estimates of the same runs, or another choice of those that count) or unknown; null at the first verdict.';
COMMENT ON COLUMN verdict_changes.previous IS 'The verdict before; null at the first.';
COMMENT ON COLUMN verdict_changes.kind IS 'change (between holds, fails and mixed), drift (to or from another word) or first.';
COMMENT ON COLUMN verdict_changes.claim_changed IS 'Whether it is that of another version of the claim than the verdict before.';
COMMENT ON COLUMN verdict_changes.cause IS 'What else differs: new definition, advisory, new run, or new values, or unknown; null at the first.';
COMMENT ON COLUMN verdict_changes.reason IS 'Why the verdict is so now, in one or two sentences.';
