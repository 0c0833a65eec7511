-- What claims read, as things stand or under a condition; of views, they read `evidence` alone.
CREATE MACRO evidence_variants_under(known_by := NULL, with_advisory := NULL, without_advisory := NULL) AS TABLE
WITH counting AS (
    SELECT * FROM probe_runs_known_by(known_by)
    WHERE coalesce(sample_seed, 0) = 0
      AND probe_run_id NOT IN (
          SELECT probe_run_id FROM advised_probe_runs
          WHERE (suspect AND advisory_id IS DISTINCT FROM with_advisory) OR advisory_id = without_advisory
      )
),
ranked AS (
    SELECT m.*, p.provenance, p.source_id, p.dtype
    FROM storage.measured_variants AS m
    JOIN counting AS p ON p.probe_run_id = m.probe_run_id
    QUALIFY m.probe_run_id = first_value(m.probe_run_id) OVER (
        PARTITION BY m.checkpoint_id, m.variant_id
        ORDER BY p.provenance = 'measured' DESC, p.dtype = 'float32' DESC NULLS LAST, p.since_build DESC,
            m.probe_run_id DESC
    )
)
SELECT
    m.checkpoint_id, c.run_id, r.model_id, f.family_id, f.role, c.label, c.step, c.tokens_seen, c.is_final,
    m.variant_id, m.metric_id, v.parameters, m.stratum, t.has_excess, m.probe_run_id, m.provenance, m.source_id, m.dtype,
    m.measured_id, m.n_rows, m.n_heads, m.best_layer, m.best_head, m.best_value, m.best_chance,
    CASE WHEN t.has_excess THEN m.best_excess END AS best_excess, m.best_standard_error, m.second_value, m.mean_value,
    CASE WHEN t.has_excess THEN m.n_heads_above ELSE 0 END AS n_heads_above, m.chance
FROM ranked AS m
JOIN checkpoints AS c ON c.checkpoint_id = m.checkpoint_id
JOIN training_runs AS r ON r.run_id = c.run_id
JOIN models AS o ON o.model_id = r.model_id
JOIN families AS f ON f.family_id = o.family_id
JOIN metric_variants AS v ON v.variant_id = m.variant_id
JOIN metrics AS t ON t.metric_id = m.metric_id;
COMMENT ON MACRO TABLE evidence_variants_under IS 'evidence_variants under a condition, as evidence_under takes it.';

CREATE VIEW evidence_variants AS SELECT * FROM evidence_variants_under();
COMMENT ON VIEW evidence_variants IS 'What evidence holds, one row per checkpoint, variant and stratum: number of values and, from summaries made when they were added, its heads: the best one (the first in layer and head of equal ones), the second highest value, the mean, and how many exceed an excess of .3. Quick where evidence is long.';

CREATE MACRO evidence_under(known_by := NULL, with_advisory := NULL, without_advisory := NULL) AS TABLE
SELECT
    e.checkpoint_id, e.run_id, e.model_id, e.family_id, e.role, e.label, e.step, e.tokens_seen, e.is_final,
    e.variant_id, e.metric_id, e.parameters, s.layer, s.head, s.sender_layer, s.sender_head, e.stratum,
    s.value, s.value_a, s.value_b, s.chance, CASE WHEN e.has_excess THEN (s.value - s.chance) / (1 - s.chance) END AS excess,
    s.standard_error, s.n, e.probe_run_id, e.provenance, e.source_id, e.dtype
FROM storage.measured_values AS s
JOIN evidence_variants_under(
    known_by := known_by, with_advisory := with_advisory, without_advisory := without_advisory
) AS e ON e.measured_id = s.measured_id;
COMMENT ON MACRO TABLE evidence_under IS 'Evidence under a condition: of values public by a day alone (known_by), with those that an advisory makes suspect (with_advisory, unless another one does so too), without those that one concerns (without_advisory): SELECT * FROM evidence_under(without_advisory := ''pythia-410m-outlier-seeds'').';

CREATE VIEW evidence AS
SELECT
    e.checkpoint_id, e.run_id, e.model_id, e.family_id, e.role, e.label, e.step, e.tokens_seen, e.is_final,
    e.variant_id, e.metric_id, e.parameters, s.layer, s.head, s.sender_layer, s.sender_head, e.stratum,
    s.value, s.value_a, s.value_b, s.chance, CASE WHEN e.has_excess THEN (s.value - s.chance) / (1 - s.chance) END AS excess,
    s.standard_error, s.n, e.probe_run_id, e.provenance, e.source_id, e.dtype
FROM storage.measured_values AS s
JOIN evidence_variants AS e ON e.measured_id = s.measured_id;
COMMENT ON VIEW evidence IS 'One row per checkpoint, variant, layer, head (of an edge: and sender) and stratum: measured before published, float32 first, suspect and retests left out. The only view that claims read.';
COMMENT ON COLUMN evidence.excess IS '(value - chance) / (1 - chance): 0 = what chance gives, 1 = all that is possible. Null where the metric has no such scale.';
COMMENT ON COLUMN evidence.parameters IS 'Parameters of the variant, canonical JSON: sorted keys, no spaces.';
