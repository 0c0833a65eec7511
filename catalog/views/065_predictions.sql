-- Frozen predictions and how they did.
CREATE VIEW prediction_record AS
WITH measured AS (
    SELECT r.model_id, min(p.since_build) AS measured_since
    FROM probe_runs AS p
    JOIN checkpoints AS c ON c.checkpoint_id = p.checkpoint_id
    JOIN training_runs AS r ON r.run_id = c.run_id
    WHERE p.status = 'ok'
    GROUP BY r.model_id
)
SELECT
    p.prediction_id, p.claim_id, p.claim_version, p.subject AS model_id, m.family_id, f.role, p.level,
    p.since_build AS frozen_since, d.measured_since, d.measured_since > p.since_build AS is_frozen_before,
    p.probability, s.outcome, s.brier, s.base_brier, s.last_brier,
    p.unit, p.estimate, p.pi_low, p.pi_high, s.observed, s.covered,
    s.squared_error, s.base_squared_error, s.last_squared_error, s.skill, s.skill_over_last, s.n_scored, p.basis,
    c.data_seen_before
FROM predictions AS p
JOIN claims AS c ON c.claim_id = p.claim_id AND c.claim_version = p.claim_version
JOIN models AS m ON m.model_id = p.subject
JOIN families AS f ON f.family_id = m.family_id
LEFT JOIN measured AS d ON d.model_id = p.subject
LEFT JOIN (
    SELECT s.* FROM prediction_scores AS s JOIN evaluations AS e ON e.evaluation_id = s.evaluation_id
    QUALIFY row_number() OVER (PARTITION BY s.prediction_id ORDER BY e.since_build DESC, e.evaluation_id DESC) = 1
) AS s ON s.prediction_id = p.prediction_id
ORDER BY m.model_id, p.claim_id;
COMMENT ON VIEW prediction_record IS 'Every frozen prediction with its latest score, if the model was measured since (by a version of the claim that was replaced since: the last one by that version). data_seen_before says which data the claim''s criterion was fixed on: a forecast of them is none of the unknown. Null: probability where the claim is not decided in single models, or nothing is expected (basis says why); outcome, errors and skill until the model is measured.';
COMMENT ON COLUMN prediction_record.frozen_since IS 'Build that first held the prediction.';
COMMENT ON COLUMN prediction_record.measured_since IS 'Build that first held a measurement of the model; null before.';
COMMENT ON COLUMN prediction_record.is_frozen_before IS 'Whether the prediction came first; null until the model is measured.';

CREATE VIEW prediction_skill AS
SELECT
    claim_id, role, count(*) AS n_predictions, count(n_scored) AS n_scored,
    avg(brier) AS brier, 1 - sum(brier) / nullif(sum(base_brier), 0) AS brier_skill,
    1 - sum(brier) FILTER (WHERE last_brier IS NOT NULL) / nullif(sum(last_brier), 0) AS brier_skill_over_last,
    avg(covered) AS coverage,
    1 - sum(squared_error) / nullif(sum(base_squared_error), 0) AS estimate_skill,
    1 - sum(squared_error) FILTER (WHERE last_squared_error IS NOT NULL) / nullif(sum(last_squared_error), 0)
        AS estimate_skill_over_last
FROM prediction_record
GROUP BY ALL
ORDER BY claim_id, role;
COMMENT ON VIEW prediction_skill IS 'How each claim''s predictions did so far, by role of the models: mean Brier score, coverage of the 95 % intervals, and skill: 1 - error / error of the base rate (or of `same as the last size`), above 0 where the prediction was better. n_scored = models that were measured since.';
COMMENT ON COLUMN prediction_skill.n_predictions IS 'Predictions frozen.';
COMMENT ON COLUMN prediction_skill.n_scored IS 'Those whose model was measured since.';
COMMENT ON COLUMN prediction_skill.brier IS 'Mean Brier score: mean squared difference of probability and outcome.';
COMMENT ON COLUMN prediction_skill.brier_skill IS '1 - error / error of the base rate, of the probabilities: above 0 is better than the base rate.';
COMMENT ON COLUMN prediction_skill.brier_skill_over_last IS 'The same against `same as the last size`.';
COMMENT ON COLUMN prediction_skill.coverage IS 'Share of training runs inside the 95 % prediction intervals.';
COMMENT ON COLUMN prediction_skill.estimate_skill IS '1 - squared error / squared error of the base, of the estimates.';
COMMENT ON COLUMN prediction_skill.estimate_skill_over_last IS 'The same against `same as the last size`.';
