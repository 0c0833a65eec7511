-- What do the known faults of models and checkpoints change?
-- One row per advisory: the verdicts that are another word with the values that it concerns than without them. Where
-- suspect is true the values are left out now, so that verdict_without stands; else verdict_with does.
-- Change: level to run, model, family or across; null = all.
WITH asked AS (
    SELECT NULL AS level
)
FROM advisory_effects AS e
JOIN asked ON asked.level IS NULL OR e.level = asked.level
LEFT JOIN current_advisories AS a USING (advisory_id)
SELECT
    advisory_id, e.suspect,
    count(*) AS verdicts_compared,
    count(*) FILTER (e.differs) AS verdicts_that_differ,
    list(concat(e.claim_id, ' in ', e.subject, ': ', e.verdict_without, ' without, ', e.verdict_with, ' with')
        ORDER BY e.claim_id, e.level, e.subject) FILTER (e.differs)[:3] AS the_first_of_these,
    any_value(a.statement) AS what_is_wrong
GROUP BY ALL
ORDER BY verdicts_that_differ DESC, advisory_id;
