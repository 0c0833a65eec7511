-- Pairs of training runs: the latest comparison of each model by each measure.
CREATE VIEW current_pair_runs AS
SELECT * FROM pair_runs
QUALIFY row_number() OVER (PARTITION BY measure, subject ORDER BY since_build DESC, pair_run_id DESC) = 1;
COMMENT ON VIEW current_pair_runs IS 'The latest comparison of each model''s training runs by each pair measure, whatever came of it.';

CREATE VIEW likeness AS
SELECT
    o.family_id, p.subject AS model_id, ca.run_id AS run_a, cb.run_id AS run_b, m.checkpoint_a, m.checkpoint_b,
    t.construct AS axis, m.metric_id, m.variant_id, m.layer, m.stratum, m.value, m.chance, m.standard_error, m.n,
    m.pair_run_id
FROM pair_measurements AS m
JOIN current_pair_runs AS p ON p.pair_run_id = m.pair_run_id
JOIN models AS o ON o.model_id = p.subject
JOIN metrics AS t ON t.metric_id = m.metric_id
JOIN checkpoints AS ca ON ca.checkpoint_id = m.checkpoint_a
JOIN checkpoints AS cb ON cb.checkpoint_id = m.checkpoint_b;
COMMENT ON VIEW likeness IS 'How alike the training runs of a model are, on the five axes (functional, developmental, positional, relational, configurational) and in representation; each value beside its chance level. One row per pair, metric and stratum.';
COMMENT ON COLUMN likeness.run_a IS 'Training run of checkpoint_a.';
COMMENT ON COLUMN likeness.run_b IS 'Training run of checkpoint_b.';
COMMENT ON COLUMN likeness.axis IS 'functional, developmental, positional, relational, configurational, or representational: the metric''s construct.';
