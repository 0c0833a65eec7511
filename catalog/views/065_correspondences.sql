-- The five axes of correspondence, one row per mechanism and pair of subjects.
CREATE VIEW current_correspondences AS
SELECT c.* FROM correspondences AS c JOIN current_evaluation AS e ON e.evaluation_id = c.evaluation_id;
COMMENT ON VIEW current_correspondences IS 'The likeness of models and families on five axes, as last evaluated: one row per axis, mechanism, statistic and pair.';

CREATE VIEW correspondence_matrix AS
WITH of_pairs AS (
    SELECT level, construct, subject_a, subject_b, axis, value, chance, reason
    FROM current_correspondences WHERE is_primary
    UNION ALL
    SELECT 'run', c.construct, l.run_a, l.run_b, c.axis, l.value, l.chance, NULL
    FROM current_correspondences AS c
    JOIN metric_variants AS h ON h.variant_id = c.of_variant
    JOIN metric_variants AS p
        ON p.metric_id = c.metric_id AND CAST(p.parameters AS VARCHAR) = CAST(h.parameters AS VARCHAR)
    JOIN likeness AS l
        ON l.variant_id = p.variant_id AND l.model_id = c.subject_a AND l.stratum IN ('', 'metric=' || h.metric_id)
    WHERE c.is_primary AND c.level = 'model' AND c.subject_a = c.subject_b
)
SELECT
    level, construct, subject_a, subject_b,
    max(value) FILTER (axis = 'functional') AS functional_likeness,
    max(chance) FILTER (axis = 'functional') AS functional_chance,
    max(value) FILTER (axis = 'developmental') AS developmental_likeness,
    max(chance) FILTER (axis = 'developmental') AS developmental_chance,
    max(value) FILTER (axis = 'positional') AS positional_likeness,
    max(chance) FILTER (axis = 'positional') AS positional_chance,
    max(value) FILTER (axis = 'relational') AS relational_likeness,
    max(chance) FILTER (axis = 'relational') AS relational_chance,
    max(value) FILTER (axis = 'configurational') AS configurational_likeness,
    max(chance) FILTER (axis = 'configurational') AS configurational_chance,
    string_agg(axis || ': ' || reason, '; ' ORDER BY axis) FILTER (value IS NULL AND reason IS NOT NULL)
        AS not_computable
FROM of_pairs
GROUP BY ALL
ORDER BY level, construct, subject_a, subject_b;
COMMENT ON VIEW correspondence_matrix IS 'The five axes side by side: how alike two training runs of a model, two models of a family or two families are in a mechanism, each axis beside its chance level, with the reason where it cannot be computed. A model or family with itself: the mean over its own runs or models. 1 = the same; chance null: no chance level is defined for it.';
COMMENT ON COLUMN correspondence_matrix.level IS 'run (two training runs of a model), model (two models of a family) or family.';
COMMENT ON COLUMN correspondence_matrix.subject_a IS 'run_id, model_id or family_id.';
COMMENT ON COLUMN correspondence_matrix.functional_likeness IS 'Likeness on the functional axis, 1 = the same; null where it cannot be computed.';
COMMENT ON COLUMN correspondence_matrix.developmental_likeness IS 'Likeness on the developmental axis, 1 = the same; null where it cannot be computed.';
COMMENT ON COLUMN correspondence_matrix.positional_likeness IS 'Likeness on the positional axis, 1 = the same; null where it cannot be computed.';
COMMENT ON COLUMN correspondence_matrix.relational_likeness IS 'Likeness on the relational axis, 1 = the same; null where it cannot be computed.';
COMMENT ON COLUMN correspondence_matrix.configurational_likeness IS 'Likeness on the configurational axis, 1 = the same; null where it cannot be computed.';
COMMENT ON COLUMN correspondence_matrix.functional_chance IS 'What chance gives on the functional axis; null where no chance level is defined.';
COMMENT ON COLUMN correspondence_matrix.developmental_chance IS 'What chance gives on the developmental axis; null where no chance level is defined.';
COMMENT ON COLUMN correspondence_matrix.positional_chance IS 'What chance gives on the positional axis; null where no chance level is defined.';
COMMENT ON COLUMN correspondence_matrix.relational_chance IS 'What chance gives on the relational axis; null where no chance level is defined.';
COMMENT ON COLUMN correspondence_matrix.configurational_chance IS 'What chance gives on the configurational axis; null where no chance level is defined.';
COMMENT ON COLUMN correspondence_matrix.not_computable IS 'Axes that could not be computed, each with the reason.';
