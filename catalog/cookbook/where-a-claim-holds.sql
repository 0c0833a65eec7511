-- For which class of models does each claim hold?
-- One row per claim for which a class was sought: the shortest predicate over design properties that tells the models
-- where it holds from those where it does not, how many more tell them apart as well (aliases), and the probability of
-- such luck. A class that is not identifiable is no finding: the models are too few, or too alike.
-- Change: identifiable_only to TRUE for the findings alone.
WITH asked AS (
    SELECT FALSE AS identifiable_only
)
FROM current_reference_classes AS r, asked
SELECT
    r.claim_id, r.identifiable,
    arg_min(r.predicate, (len(r.predicate), r.predicate)) AS holds_where,
    count(*) - 1 AS aliases,
    min(r.n_in) AS models_inside, max(r.n_out) AS models_outside, max(r.n_wrong) AS on_the_wrong_side,
    round(max(r.p_separation), 3) AS p_of_luck, any_value(r.reason) AS reason
WHERE r.identifiable OR NOT asked.identifiable_only
GROUP BY ALL
ORDER BY r.identifiable DESC, p_of_luck, r.claim_id;
