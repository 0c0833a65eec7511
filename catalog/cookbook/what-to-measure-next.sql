-- What is most worth measuring next?
-- Kind conflict: two claims that cannot both be right of models in the catalog, with the cheapest measurement that
-- would tell; settles counts the pairs of claims. Kind undecided: what keeps verdicts of families and across families
-- from being decided; settles counts the verdicts. Reasons that differ only in numbers are counted apart.
-- Change: levels to ['model'] to see what single models lack.
WITH asked AS (
    SELECT ['family', 'across'] AS levels
),
conflicting AS (
    FROM current_conflicts
    SELECT
        'conflict' AS kind, next_measurement AS measure, count(DISTINCT (claim_a, claim_b)) AS settles,
        list_sort(list(DISTINCT concat(claim_a, ' or ', claim_b))) AS claims
    GROUP BY next_measurement
),
undecided AS (
    FROM current_verdicts AS v, asked
    SELECT
        'undecided' AS kind, v.reason AS measure, count(*) AS settles, list_sort(list(DISTINCT v.claim_id)) AS claims
    WHERE v.verdict IN ('insufficient', 'inconclusive') AND list_contains(asked.levels, v.level)
    GROUP BY v.reason
)
FROM (FROM conflicting UNION ALL FROM undecided)
SELECT kind, measure AS what_is_missing, settles, claims
ORDER BY kind, settles DESC, what_is_missing;
