-- What was measured a second time, on fresh inputs.
CREATE VIEW retests AS
WITH first AS (
    SELECT DISTINCT p.checkpoint_id, p.probe, p.probe_version, p.parameters, p.dtype
    FROM evidence AS e
    JOIN probe_runs AS p ON p.probe_run_id = e.probe_run_id
    WHERE e.provenance = 'measured'
)
SELECT
    m.checkpoint_id, m.run_id, m.model_id, m.family_id, m.role, m.label, m.step, m.tokens_seen, m.is_final,
    m.variant_id, m.metric_id, m.parameters, m.layer, m.head, m.sender_layer, m.sender_head, m.stratum,
    m.value, m.value_a, m.value_b, m.chance, m.excess, m.standard_error, m.n,
    m.probe_run_id, m.provenance, m.source_id, m.dtype
FROM current_measurements AS m
JOIN probe_runs AS p ON p.probe_run_id = m.probe_run_id
JOIN first AS f
    ON f.checkpoint_id = p.checkpoint_id AND f.probe = p.probe AND f.probe_version = p.probe_version
    AND f.parameters = p.parameters AND f.dtype = p.dtype
WHERE m.sample_seed = 1
  AND m.probe_run_id NOT IN (SELECT probe_run_id FROM advised_probe_runs WHERE suspect);
COMMENT ON VIEW retests IS 'The evidence measured a second time, on fresh inputs (sample_seed 1), with the same columns: by the same version of the probe, with the same parameters and precision; suspect ones left out. Claims about methods read it.';
COMMENT ON COLUMN retests.parameters IS 'Parameters of the variant, canonical JSON: sorted keys, no spaces.';
