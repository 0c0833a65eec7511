-- The values of the probe runs that count now, or counted on a day, with what they are about.
CREATE MACRO measurements_known_by(known_by) AS TABLE
SELECT
    m.checkpoint_id, c.run_id, r.model_id, f.family_id, f.role, c.label, c.step, c.tokens_seen, c.is_final,
    m.variant_id, m.metric_id, v.parameters, s.layer, s.head, s.sender_layer, s.sender_head, m.stratum,
    s.value, s.value_a, s.value_b, s.chance,
    CASE WHEN t.has_excess THEN (s.value - s.chance) / (1 - s.chance) END AS excess,
    s.standard_error, s.n, m.probe_run_id, p.probe, p.provenance, p.source_id, p.dtype, p.sample_seed, p.since_build
FROM storage.measured_values AS s
JOIN storage.measured_variants AS m ON m.measured_id = s.measured_id
JOIN probe_runs_known_by(known_by) AS p ON p.probe_run_id = m.probe_run_id
JOIN checkpoints AS c ON c.checkpoint_id = m.checkpoint_id
JOIN training_runs AS r ON r.run_id = c.run_id
JOIN models AS o ON o.model_id = r.model_id
JOIN families AS f ON f.family_id = o.family_id
JOIN metric_variants AS v ON v.variant_id = m.variant_id
JOIN metrics AS t ON t.metric_id = m.metric_id;
COMMENT ON MACRO TABLE measurements_known_by IS 'The values of probe_runs_known_by with what they are about: SELECT * FROM measurements_known_by(DATE ''2025-09-26''); NULL = now.';

CREATE VIEW current_measurements AS SELECT * FROM measurements_known_by(NULL);
COMMENT ON VIEW current_measurements IS 'Values that count now, measured and published side by side, suspect ones included, with run, model and family. excess = (value - chance)/(1 - chance).';
COMMENT ON COLUMN current_measurements.excess IS '(value - chance) / (1 - chance): 0 = what chance gives, 1 = all that is possible. Null where the metric has no such scale.';
COMMENT ON COLUMN current_measurements.parameters IS 'Parameters of the variant, canonical JSON: sorted keys, no spaces.';
