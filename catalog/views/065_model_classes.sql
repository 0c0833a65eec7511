-- To which classes does a model belong: the claims expected of it.
CREATE VIEW model_classes AS
WITH found AS (
    SELECT
        claim_id,
        arg_min(predicate, (predicate LIKE '% and %', -n_in, len(predicate), predicate)) AS predicate,
        count(*) AS n_aliases
    FROM reference_classes JOIN current_evaluation USING (evaluation_id)
    WHERE identifiable
    GROUP BY claim_id
),
standing AS (
    SELECT c.claim_id, c.claim_version, m.model_id, m.family_id, c.claimed, c.inside, found.predicate, found.n_aliases,
        own.verdict, own.reason, family.verdict AS of_family, across.verdict AS of_all,
        CASE
            WHEN own.verdict IN ('holds', 'fails', 'mixed', 'inconclusive') THEN 'verdict'
            WHEN c.claimed IS NULL OR f.role != 'natural' THEN NULL
            WHEN found.predicate IS NOT NULL AND c.inside IS NOT NULL THEN 'class'
            WHEN family.verdict IN ('holds', 'fails') THEN 'family'
            WHEN across.verdict IN ('holds', 'fails') THEN 'across'
        END AS basis,
        f.role
    FROM class_members AS c
    JOIN current_evaluation USING (evaluation_id)
    JOIN models AS m USING (model_id)
    JOIN families AS f USING (family_id)
    LEFT JOIN found USING (claim_id)
    LEFT JOIN current_verdicts AS own
        ON own.claim_id = c.claim_id AND own.level = 'model' AND own.subject = c.model_id
    LEFT JOIN current_verdicts AS family
        ON family.claim_id = c.claim_id AND family.level = 'family' AND family.subject = m.family_id
    LEFT JOIN current_verdicts AS across ON across.claim_id = c.claim_id AND across.level = 'across'
    WHERE c.claimed IS NOT FALSE AND own.verdict IS DISTINCT FROM 'not_applicable'
)
SELECT
    model_id, family_id, claim_id, claim_version,
    CASE WHEN basis IS NULL THEN 'without_guess' WHEN basis = 'verdict' THEN 'measured' ELSE 'predicted' END AS status,
    CASE
        WHEN basis = 'verdict' THEN verdict
        WHEN basis IS NOT NULL THEN
            CASE
                WHEN CASE basis WHEN 'class' THEN inside WHEN 'family' THEN of_family = 'holds' ELSE of_all = 'holds' END
                THEN 'holds' ELSE 'does_not_hold'
            END
    END AS expected,
    basis, verdict,
    CASE
        WHEN basis = 'verdict' THEN reason
        WHEN basis = 'class' THEN
            concat(CASE WHEN inside THEN 'Inside' ELSE 'Outside' END, ' of the class for which it holds: ', predicate,
                CASE WHEN n_aliases > 1 THEN concat(' (and ', n_aliases - 1, ' aliases)') ELSE '' END, '.')
        WHEN basis = 'family' THEN concat('Its family''s verdict: ', of_family, '.')
        WHEN basis = 'across' THEN concat('In the class that the claim states; the verdict across families: ', of_all, '.')
        WHEN role != 'natural' THEN 'Not decided, and models trained to show or to lack a thing are not predicted from others.'
        WHEN claimed IS NULL THEN 'Whether the claim is about it is not known: a design property is missing.'
        WHEN predicate IS NOT NULL THEN 'The class for which it holds is known, but not whether this model is inside.'
        ELSE 'No class for which it holds is identifiable, and no verdict of its family or across families is definite.'
    END AS reason
FROM standing
ORDER BY model_id, status, claim_id;
COMMENT ON VIEW model_classes IS 'The claims expected of a model, every model in the catalog, measured or not: status measured (expected = its own verdict), predicted (holds or does_not_hold; basis = class, family or across) or without_guess; verdict = its own, where it has one. Claims that are not about it or do not apply to it, and claims about sizes, are left out.';
COMMENT ON COLUMN model_classes.status IS 'measured (it has a verdict of its own), predicted or without_guess.';
COMMENT ON COLUMN model_classes.expected IS 'Its own verdict where it is measured; else holds or does_not_hold, null without a guess.';
COMMENT ON COLUMN model_classes.basis IS 'verdict (its own), class (the one found for the claim), family or across; null without a guess.';
COMMENT ON COLUMN model_classes.verdict IS 'Its own verdict, where it has one.';
COMMENT ON COLUMN model_classes.reason IS 'What the expectation rests on, or why there is none, in words.';
