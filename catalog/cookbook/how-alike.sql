-- How alike are training runs, models or families in a mechanism?
-- One row per pair: each axis of correspondence, 1 = the same, with what chance gives beside it; null where it cannot
-- be computed (not_computable says why). A model beside itself stands for its own runs, a family for its models.
-- Likeness below chance is none.
-- Change: construct (induction, previous_token, sink, ...); level to run, model or family.
WITH asked AS (
    SELECT 'previous_token' AS construct, 'model' AS level
)
FROM correspondence_matrix AS c
JOIN asked USING (construct, level)
SELECT
    c.subject_a, c.subject_b,
    round(c.functional_likeness, 2) AS functional, round(c.functional_chance, 2) AS by_chance_functional,
    round(c.developmental_likeness, 2) AS developmental, round(c.developmental_chance, 2) AS by_chance_developmental,
    round(c.positional_likeness, 2) AS positional, round(c.positional_chance, 2) AS by_chance_positional,
    round(c.relational_likeness, 2) AS relational, round(c.relational_chance, 2) AS by_chance_relational,
    round(c.configurational_likeness, 2) AS configurational,
    round(c.configurational_chance, 2) AS by_chance_configurational,
    c.not_computable
ORDER BY c.subject_a, c.subject_b;
