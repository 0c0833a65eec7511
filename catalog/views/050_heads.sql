-- Scores of heads, the best head of each checkpoint, and how a training run develops.
CREATE VIEW head_scores AS
SELECT
    family_id, model_id, run_id, checkpoint_id, step, tokens_seen, is_final, metric_id, variant_id, layer, head,
    value, chance, excess, standard_error, n, provenance, source_id
FROM evidence
WHERE head IS NOT NULL AND sender_head IS NULL AND stratum = '';
COMMENT ON VIEW head_scores IS 'Every head''s score on every head metric, at every checkpoint.';

CREATE VIEW best_heads AS
SELECT
    family_id, model_id, run_id, checkpoint_id, step, tokens_seen, is_final, metric_id, variant_id,
    best_layer AS layer, best_head AS head, best_value AS value, best_chance AS chance,
    CASE WHEN has_excess THEN (best_value - best_chance) / (1 - best_chance) END AS excess,
    best_standard_error AS standard_error, best_value - second_value AS margin, n_heads, provenance, source_id
FROM evidence_variants
WHERE n_heads > 0 AND stratum = '';
COMMENT ON VIEW best_heads IS 'The head with the highest score per checkpoint and variant, and its margin over the second. A maximum grows with the number of heads: read it beside step 0.';
COMMENT ON COLUMN best_heads.layer IS 'Its layer, 0-based.';
COMMENT ON COLUMN best_heads.head IS 'The query head, 0-based; the first in layer and head of equal ones.';
COMMENT ON COLUMN best_heads.value IS 'Its score, in the metric''s unit.';
COMMENT ON COLUMN best_heads.chance IS 'What uniform attention (or the stated null) gives that head on the same input.';
COMMENT ON COLUMN best_heads.excess IS '(value - chance) / (1 - chance); null where the metric has no such scale.';
COMMENT ON COLUMN best_heads.standard_error IS 'Standard error of its score over samples; null where it is unknown.';
COMMENT ON COLUMN best_heads.margin IS 'Its value less that of the second best; null where there is one head.';
COMMENT ON COLUMN best_heads.n_heads IS 'Heads of the model that were compared.';

CREATE VIEW trajectories AS
SELECT
    family_id, model_id, run_id, checkpoint_id, step, tokens_seen, metric_id, variant_id,
    best_value, best_excess, mean_value, chance, n_heads_above, n_heads, provenance
FROM evidence_variants
WHERE n_heads > 0 AND stratum = '' AND step IS NOT NULL;
COMMENT ON VIEW trajectories IS 'Per checkpoint and variant: best, mean and number of heads above an excess of .3. One line per training run when drawn over step.';
COMMENT ON COLUMN trajectories.best_value IS 'Value of the best head.';
COMMENT ON COLUMN trajectories.best_excess IS 'Excess of the best head; null where the metric has no such scale.';
COMMENT ON COLUMN trajectories.mean_value IS 'Mean of the value over heads.';
COMMENT ON COLUMN trajectories.n_heads_above IS 'Heads with an excess above .3.';
COMMENT ON COLUMN trajectories.n_heads IS 'Heads of the model that were compared.';

CREATE VIEW onsets AS
WITH steps AS (
    SELECT
        family_id, model_id, run_id, metric_id, variant_id, step, tokens_seen, provenance,
        best_excess > 0.3 AS past,
        lead(best_excess > 0.3) OVER w AS still_past,
        lag(step) OVER w AS previous_step,
        lag(tokens_seen) OVER w AS previous_tokens
    FROM trajectories
    WHERE best_excess IS NOT NULL
    WINDOW w AS (PARTITION BY run_id, variant_id ORDER BY step)
)
SELECT
    family_id, model_id, run_id, metric_id, variant_id, 0.3 AS threshold,
    arg_min(previous_step, step) FILTER (WHERE past AND coalesce(still_past, TRUE)) AS after_step,
    min(step) FILTER (WHERE past AND coalesce(still_past, TRUE)) AS by_step,
    arg_min(previous_tokens, step) FILTER (WHERE past AND coalesce(still_past, TRUE)) AS after_tokens,
    min(tokens_seen) FILTER (WHERE past AND coalesce(still_past, TRUE)) AS by_tokens,
    CASE
        WHEN NOT bool_or(past AND coalesce(still_past, TRUE)) THEN 'never'
        WHEN arg_min(still_past IS NULL, step) FILTER (WHERE past AND coalesce(still_past, TRUE)) THEN 'unconfirmed'
        WHEN min(step) = min(step) FILTER (WHERE past AND coalesce(still_past, TRUE)) THEN 'before the first checkpoint'
        ELSE 'observed'
    END AS status,
    any_value(provenance) AS provenance
FROM steps
GROUP BY ALL;
COMMENT ON VIEW onsets IS 'When the best head''s excess passed .3 and stayed past at the next checkpoint: after after_step, by by_step. An onset is an interval; never = not within the run.';
COMMENT ON COLUMN onsets.threshold IS 'The excess that the best head must pass.';
COMMENT ON COLUMN onsets.after_step IS 'Last step at which it had not happened yet; null where it never did, or before the first checkpoint.';
COMMENT ON COLUMN onsets.by_step IS 'First step at which it had; null where it never did.';
COMMENT ON COLUMN onsets.after_tokens IS 'The same as after_step, in training tokens.';
COMMENT ON COLUMN onsets.by_tokens IS 'The same as by_step, in training tokens.';
COMMENT ON COLUMN onsets.status IS 'observed, unconfirmed (at the last checkpoint alone), before the first checkpoint, or never (not within the run).';
