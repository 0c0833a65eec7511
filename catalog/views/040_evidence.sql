-- What claims read, as things stand or under a condition; of views, they read `evidence` alone.
CREATE MACRO evidence_under(known_by := NULL, with_advisory := NULL, without_advisory := NULL) AS TABLE
WITH ranked AS (
    SELECT probe_run_id, variant_id, checkpoint_id
    FROM (
        SELECT DISTINCT m.probe_run_id, m.variant_id, m.checkpoint_id, p.provenance, p.dtype, p.since_build
        FROM measurements AS m
        JOIN probe_runs_known_by(known_by) AS p ON p.probe_run_id = m.probe_run_id
        WHERE coalesce(p.sample_seed, 0) = 0
          AND p.probe_run_id NOT IN (
              SELECT probe_run_id FROM advised_probe_runs
              WHERE (suspect AND advisory_id IS DISTINCT FROM with_advisory) OR advisory_id = without_advisory
          )
    )
    QUALIFY row_number() OVER (
        PARTITION BY checkpoint_id, variant_id
        ORDER BY provenance = 'measured' DESC, dtype = 'float32' DESC NULLS LAST, since_build DESC, probe_run_id DESC
    ) = 1
)
SELECT
    e.checkpoint_id, e.run_id, e.model_id, e.family_id, e.role, e.label, e.step, e.tokens_seen, e.is_final,
    e.variant_id, e.metric_id, e.parameters, e.layer, e.head, e.sender_layer, e.sender_head, e.stratum,
    e.value, e.value_a, e.value_b, e.chance, e.excess, e.standard_error, e.n,
    e.probe_run_id, e.provenance, e.source_id, e.dtype
FROM measurements_known_by(known_by) AS e
JOIN ranked USING (probe_run_id, variant_id, checkpoint_id);
COMMENT ON MACRO TABLE evidence_under IS 'Evidence under a condition: of values public by a day alone (known_by), with those that an advisory makes suspect (with_advisory, unless another one does so too), without those that one concerns (without_advisory): SELECT * FROM evidence_under(without_advisory := ''pythia-410m-outlier-seeds'').';

CREATE VIEW evidence AS SELECT * FROM evidence_under();
COMMENT ON VIEW evidence IS 'One row per checkpoint, variant, layer, head (of an edge: and sender) and stratum: measured before published, float32 first, suspect and retests left out. The only view that claims read.';
COMMENT ON COLUMN evidence.excess IS '(value - chance) / (1 - chance): 0 = what chance gives, 1 = all that is possible. Null where the metric has no such scale.';
COMMENT ON COLUMN evidence.parameters IS 'Parameters of the variant, canonical JSON: sorted keys, no spaces.';
