-- What was predicted of models before they were measured, and how did it come out?
-- One row per claim and model. held_in is the share of the model's decided training runs in which the claim holds;
-- skill is above 0 where the prediction beat the base rate. Null where the model is not measured yet, or nothing was
-- expected (basis). Where data_seen_before is not null, the claim's rule was fixed on such data: no forecast of the
-- unknown.
-- Change: scored_only to TRUE to leave out what is not measured yet.
WITH asked AS (
    SELECT FALSE AS scored_only
)
FROM prediction_record AS p, asked
SELECT
    p.model_id, p.claim_id, round(p.probability, 2) AS predicted_probability, round(p.outcome, 2) AS held_in,
    round(p.estimate, 3) AS predicted, round(p.pi_low, 3) AS at_least, round(p.pi_high, 3) AS at_most,
    round(p.observed, 3) AS observed, p.unit, p.covered AS share_inside_interval, round(p.skill, 2) AS skill,
    p.is_frozen_before, p.data_seen_before, p.basis
WHERE p.n_scored > 0 OR NOT asked.scored_only
ORDER BY p.model_id, p.n_scored IS NULL, p.claim_id;
