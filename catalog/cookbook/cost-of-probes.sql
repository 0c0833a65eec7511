-- What does each probe cost?
-- One row per probe and model: seconds on the clock for one checkpoint, hours in all, and the largest memory of a
-- process that ran it (its other probes and the model included). Published values cost nothing here and are left out.
-- Change: since_day to count later probe runs alone.
WITH asked AS (
    SELECT DATE '2000-01-01' AS since_day
)
FROM asked, probe_runs AS p
JOIN checkpoints AS c USING (checkpoint_id)
JOIN training_runs AS r USING (run_id)
JOIN models AS m USING (model_id)
SELECT
    p.probe, model_id, m.n_params, p.device,
    count(*) AS times_run,
    round(median(p.duration_s), 2) AS median_seconds, round(max(p.duration_s), 2) AS most_seconds,
    round(sum(p.duration_s) / 3600, 3) AS hours_in_all, round(sum(p.cpu_s) / 3600, 3) AS cpu_hours_in_all,
    round(max(p.peak_memory_bytes) / 1e9, 2) AS peak_memory_gb
WHERE p.provenance = 'measured' AND p.status = 'ok' AND p.recorded_at >= asked.since_day
GROUP BY ALL
ORDER BY hours_in_all DESC, p.probe, model_id;
