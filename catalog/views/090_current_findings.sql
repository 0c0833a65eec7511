-- The latest of what is worked out beside the verdicts; the tables hold it for every deciding.
CREATE VIEW current_specifications AS
SELECT s.* EXCLUDE (evaluation_id)
FROM specifications AS s JOIN current_evaluation USING (evaluation_id)
ORDER BY s.claim_id, s.level, s.subject, s.specification_id;
COMMENT ON VIEW current_specifications IS 'What the verdicts now would be under the claims'' other declared choices: one row per claim, level, subject and choice (dimensions says which).';

CREATE VIEW current_reference_classes AS
SELECT r.* EXCLUDE (evaluation_id)
FROM reference_classes AS r JOIN current_evaluation USING (evaluation_id)
ORDER BY r.identifiable DESC, r.claim_id, r.predicate LIKE '% and %', r.n_in DESC, len(r.predicate), r.predicate;
COMMENT ON VIEW current_reference_classes IS 'The class of natural models for which each claim holds, as found last: one row per predicate that fits as well as any (aliases: the models do not tell them apart), identifiable claims first. predicate null: there is no class to name, and reason says why. Claims about sizes have none.';

CREATE VIEW current_strategy_comparisons AS
SELECT s.* EXCLUDE (evaluation_id)
FROM strategy_comparisons AS s JOIN current_evaluation USING (evaluation_id)
ORDER BY s.pool, s.verdict = 'cannot_tell', s.n_models DESC, s.metric_id, s.variant_id, s.quantity, s.strategy_a, s.strategy_b;
COMMENT ON VIEW current_strategy_comparisons IS 'Trees or the tree, as answered last: whether models left out are predicted better from their own early checkpoints, from others, or from both; the decided comparisons of each pool first. Errors are null where no model was predicted both ways.';

CREATE VIEW current_survival AS
SELECT s.* EXCLUDE (evaluation_id)
FROM survival AS s JOIN current_evaluation USING (evaluation_id)
ORDER BY s.n_tested;
COMMENT ON VIEW current_survival IS 'How many models claims survive, as estimated last (Kaplan-Meier); a single row without numbers where too few claims have failed, with the reason.';

CREATE VIEW current_conflicts AS
SELECT c.claim_a, c.claim_b, r.model_id, c.checkpoint_id, c.reason, c.next_measurement
FROM conflicts AS c
JOIN current_evaluation USING (evaluation_id)
JOIN checkpoints AS p USING (checkpoint_id)
JOIN training_runs AS r USING (run_id)
ORDER BY ALL;
COMMENT ON VIEW current_conflicts IS 'Claims that cannot both be right of a checkpoint, as found last, with the cheapest measurement that would tell. No row: no two claims of the library imply different values for a checkpoint in the catalog.';
