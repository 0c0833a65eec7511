-- Which verdicts moved since a build, and why?
-- Kind change: between holds, fails and mixed; drift: to or from another word; first: decided for the first time. cause
-- says what else differs from the verdict before: a new definition, an advisory, a new training run, new values.
-- Change: after_build to the build that you read last (here the one before this); kinds to ['change'] for the news
-- alone.
WITH asked AS (
    SELECT (SELECT build FROM schema_info) - 1 AS after_build, ['change', 'drift', 'first'] AS kinds
)
FROM verdict_changes AS v, asked
SELECT
    v.since_build AS build, v.kind, v.claim_id, v.level, v.subject,
    v.previous, v.verdict, v.cause, v.claim_changed, v.reason
WHERE v.since_build > asked.after_build AND list_contains(asked.kinds, v.kind)
ORDER BY v.since_build DESC, v.kind, v.level, v.claim_id, v.subject;
