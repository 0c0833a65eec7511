-- The verdicts now, over time, and as a matrix.
CREATE VIEW current_evaluation AS
SELECT * FROM evaluations WHERE CAST(condition AS VARCHAR) = '{}'
ORDER BY since_build DESC, evaluation_id DESC LIMIT 1;
COMMENT ON VIEW current_evaluation IS 'The latest deciding of the claims as things stand.';

CREATE VIEW current_verdicts AS
SELECT v.*, e.evaluated_at, e.of_build
FROM verdicts AS v JOIN current_evaluation AS e USING (evaluation_id);
COMMENT ON VIEW current_verdicts IS 'The verdicts now: one row per claim, level and subject, with the reason in words.';

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
FROM subjects WHERE rank = 1;
COMMENT ON VIEW claim_matrix IS 'Claims by families: the family''s verdict, or its model''s where it has none at that level (calibration and control families are decided at run and model only).';

CREATE VIEW verdict_changes AS
WITH history AS (
    SELECT v.claim_id, v.level, v.subject, v.verdict, v.claim_version, v.reason, e.since_build, e.evaluated_at,
        lag(v.verdict) OVER w AS previous, lag(v.claim_version) OVER w AS previous_version
    FROM verdicts AS v JOIN evaluations AS e USING (evaluation_id)
    WHERE CAST(e.condition AS VARCHAR) = '{}'
    WINDOW w AS (PARTITION BY v.claim_id, v.level, v.subject ORDER BY e.since_build, e.evaluation_id)
)
SELECT claim_id, level, subject, previous, verdict,
    CASE
        WHEN previous IS NULL THEN 'first'
        WHEN previous IN ('holds', 'fails', 'mixed') AND verdict IN ('holds', 'fails', 'mixed') THEN 'change'
        ELSE 'drift'
    END AS kind,
    previous_version IS DISTINCT FROM claim_version AND previous_version IS NOT NULL AS claim_changed,
    reason, since_build, evaluated_at
FROM history
WHERE previous IS DISTINCT FROM verdict;
COMMENT ON VIEW verdict_changes IS 'Moves of verdicts: change = between holds, fails and mixed; drift = to or from another word; first = newly decided.';
