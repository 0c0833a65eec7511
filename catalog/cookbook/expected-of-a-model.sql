-- What is expected of a model, measured or not?
-- One row per claim that is about the model: its own verdict where it was measured, else what follows from the class
-- found for the claim, its family's verdict or the verdict across families (basis), with the reason in words.
-- Change: model_id to one of FROM models; here the model with most claims that are predicted rather than measured.
WITH asked AS (
    FROM model_classes
    SELECT model_id
    GROUP BY model_id
    ORDER BY count(*) FILTER (status = 'predicted') DESC, count(*) DESC, model_id
    LIMIT 1
)
FROM model_classes
JOIN asked USING (model_id)
JOIN claims USING (claim_id, claim_version)
SELECT model_id, claim_id, status, expected, basis, statement, reason
ORDER BY status, claim_id;
