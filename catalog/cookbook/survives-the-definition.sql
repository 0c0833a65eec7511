-- Which verdicts survive when the claim is defined another way?
-- Claims declare other choices of threshold, summary or input that would be as good. One row per verdict: how many of
-- these choices lead to the same word, and those that lead to holds where it fails or the other way round.
-- Change: level to model, family or across.
WITH asked AS (
    SELECT 'model' AS level
)
FROM current_specifications AS s
JOIN asked USING (level)
JOIN current_verdicts AS v USING (claim_id, level, subject)
SELECT
    claim_id, subject, v.verdict,
    concat(count(*) FILTER (s.verdict = v.verdict), ' of ', count(*)) AS choices_that_agree,
    histogram(s.verdict) AS verdicts_of_the_choices,
    list(s.specification_id ORDER BY s.specification_id) FILTER (
        (s.verdict = 'holds' AND v.verdict = 'fails') OR (s.verdict = 'fails' AND v.verdict = 'holds')
    ) AS reversed_by
WHERE v.verdict IN ('holds', 'fails', 'mixed')
GROUP BY ALL
ORDER BY count(*) FILTER (s.verdict = v.verdict) / count(*), claim_id, subject;
