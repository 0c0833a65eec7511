-- Which measurements came from an instrument or a checkpoint with a known fault?
-- One row per fault and model. Kind advisory: somebody found the fault; values are left out of the evidence where
-- left_out is true, else it only informs. Kind instrument: the metric failed its own checks in the model's
-- architecture, and no claim is decided by it there.
-- Change: models to a list of ids, ['pythia-410m'], to see these alone; null = all.
WITH asked AS (
    SELECT NULL::VARCHAR[] AS models
),
advised AS (
    FROM advised_probe_runs AS a
    JOIN probe_runs AS p USING (probe_run_id)
    SELECT
        'advisory' AS kind, a.advisory_id AS fault, a.model_id, a.suspect AS left_out,
        list_sort(list(DISTINCT p.probe)) AS probes, count(*) AS probe_runs, sum(p.n_rows) AS measurements,
        a.statement AS what_is_wrong
    WHERE p.status = 'ok'
    GROUP BY ALL
),
gated AS (
    FROM current_verdicts AS v
    JOIN claims AS c USING (claim_id, claim_version)
    JOIN models AS m ON m.architecture = v.subject
    JOIN current_measurements AS e
        ON e.model_id = m.model_id AND list_contains(CAST(c.estimand -> '$.of.metrics' AS VARCHAR[]), e.metric_id)
    SELECT
        'instrument' AS kind, v.claim_id AS fault, m.model_id, TRUE AS left_out,
        list_sort(list(DISTINCT e.probe)) AS probes, count(DISTINCT e.probe_run_id) AS probe_runs,
        count(*) AS measurements, v.reason AS what_is_wrong
    WHERE v.level = 'architecture' AND v.verdict = 'fails'
    GROUP BY ALL
)
FROM (FROM advised UNION ALL FROM gated) AS f, asked
SELECT f.*
WHERE asked.models IS NULL OR list_contains(asked.models, f.model_id)
ORDER BY left_out DESC, kind, fault, model_id;
