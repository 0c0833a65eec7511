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
